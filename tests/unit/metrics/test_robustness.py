"""What corruptions cost, on four images whose ranking is worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from fakeforensics.errors import UserError
from fakeforensics.metrics.robustness import draw_robustness, robustness_metrics, robustness_table
from tests.score_specs import SCORES

BCE = SCORES["bce"]


def scored(logits, labels, test_set="a"):
    keys = [f"{test_set}{number}" for number in range(len(labels))]
    table = pd.DataFrame({"key": keys, "label": labels, "logit": logits})
    return table.assign(test_set=test_set, group=keys)


VALIDATION = scored([-1.0, 1.0], [0, 1], "validation")  # told apart at 0
CLEAN = scored([-2.0, -1.0, 1.0, 2.0], [0, 0, 1, 1])
BLURRED = CLEAN.assign(logit=[-2.0, -1.0, -3.0, 2.0])  # one fake falls below both reals


def test_ap_and_accuracy_lost():
    rows = robustness_table(CLEAN, {"blur_4": BLURRED}, VALIDATION, BCE, ("a",), 0, 100)
    assert rows["corruption"].tolist() == ["clean"] * 3 + ["blur_4"] * 3
    assert rows["test_set"].tolist() == ["a", "mean", "mean_unseen"] * 2
    clean, blurred = rows[rows["test_set"] == "a"].to_dict("records")
    assert (clean["ap"], clean["accuracy"], clean["ap_lost"]) == (1, 1, 0)
    # Fakes come first and fourth: 1/2 · 1/1 + 1/2 · 2/4.
    assert (blurred["ap"], blurred["ap_lost"]) == (0.75, 0.25)
    assert (blurred["accuracy"], blurred["accuracy_lost"]) == (0.75, 0.25)
    assert blurred["ap_lost_low"] <= 0.25 <= blurred["ap_lost_high"]


def test_what_is_lost_is_measured_on_the_corrupted_images():
    # Of the first and the third image, a real and a fake, the blurred fake falls below the real: AP 1/2 of 1.
    some = BLURRED.iloc[[2, 0]]
    rows = robustness_table(CLEAN, {"blur_4": some}, VALIDATION, BCE, (), 0, 100)
    clean, blurred = rows[rows["test_set"] == "a"].to_dict("records")
    assert (clean["ap"], clean["accuracy"]) == (1, 1)
    assert (blurred["ap"], blurred["ap_lost"], blurred["accuracy_lost"]) == (0.5, 0.5, 0.5)


def test_the_loss_is_paired():
    # Noise that changes little is found to cost little, though AP itself is unsure by 0.1 on 100 images.
    rng = np.random.default_rng(0)
    labels = np.arange(100) % 2
    clean = scored(rng.normal(size=100) + labels, labels)
    noisy = clean.assign(logit=clean["logit"] + 0.01 * rng.normal(size=100))
    row = robustness_table(clean, {"noise_1": noisy}, VALIDATION, BCE, (), 0, 200).iloc[-1]
    assert row["ap_lost_high"] - row["ap_lost_low"] < 0.02


def test_the_metrics_are_short():
    rows = robustness_table(CLEAN, {"blur_4": BLURRED}, VALIDATION, BCE, (), 0, 100)
    found = robustness_metrics(rows)
    assert found["ap"] == [
        {"score": "sl", "corruption": "clean", "by_set": {"a": 1.0, "mean": 1.0}},
        {"score": "sl", "corruption": "blur_4", "by_set": {"a": 0.75, "mean": 0.75}},
    ]
    (lost,) = found["ap_lost"]
    assert (lost["corruption"], list(lost["by_set"])) == ("blur_4", ["mean"])
    value, low, high = lost["by_set"]["mean"]
    assert low <= value == 0.25 <= high


def test_sets_of_fakes_alone_have_an_accuracy(tmp_path):
    fakes = scored([1.0, -1.0, 3.0], [1, 1, 1], "pggan")
    rows = robustness_table(fakes, {"jpeg_50": fakes.assign(logit=-1.0)}, VALIDATION, BCE, (), 0, 100)
    found = robustness_metrics(rows)
    assert list(found) == ["accuracy"]
    assert [row["by_set"] for row in found["accuracy"]] == [
        {"pggan": 0.6667, "mean": 0.6667},
        {"pggan": 0.0, "mean": 0.0},
    ]
    draw_robustness(rows, BCE, tmp_path / "robustness.png")
    assert (tmp_path / "robustness.png").stat().st_size > 1_000


def test_validation_with_one_class_is_refused():
    with pytest.raises(UserError, match="holds 0 reals and 1 fakes"):
        robustness_table(CLEAN, {}, VALIDATION.iloc[1:], BCE, (), 0, 100)
