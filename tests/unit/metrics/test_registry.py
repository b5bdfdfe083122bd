"""Each metric is one entry: weights count images, and a new entry is found everywhere."""

import json

import numpy as np
import pandas as pd
import pytest

from fakeforensics.external import evaluate_scores, render
from fakeforensics.metrics.bootstrap import interval, replicate, resample_groups
from fakeforensics.metrics.compare import Model, Run, compare
from fakeforensics.metrics.registry import METRICS, Measure, Metric, at_validation
from fakeforensics.metrics.robustness import robustness_metrics, robustness_table
from fakeforensics.metrics.summary import measure_run
from fakeforensics.params import ThresholdsParams
from tests.score_specs import SCORES
from tests.score_tables import make_scores

SL = SCORES["bce"][0]
TABLE = make_scores({"a": 0, "b": -1}, "bce", images=60, gap=1.0)
VALIDATION = make_scores({"validation": 0}, "bce", images=60, gap=1.0, seed=1)


def all_measures():
    found = [metric.on(SL, VALIDATION) for metric in METRICS]
    return [measure for measure in found if measure is not None]


def test_a_place_shows_a_name_once():
    for place in ("summary", "details", "interval", "comparison", "robustness"):
        names = [metric.name for metric in METRICS if place in metric.where]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("measure", all_measures(), ids=lambda one: one.key)
def test_weights_count_images(measure):
    rng = np.random.default_rng(0)
    rows = TABLE[TABLE["test_set"] == "a"].assign(logit=TABLE["logit"].round(1))  # with ties
    scores, labels = rows["logit"].to_numpy(), rows["label"].to_numpy()
    for _ in range(5):
        weights = rng.integers(0, 4, labels.size).astype(np.uint8)
        weights[[0, -1]] = 1  # a fake and a real, whatever is drawn
        repeated = measure.value(np.repeat(scores, weights), np.repeat(labels, weights))
        assert measure.value(scores, labels, weights) == pytest.approx(repeated, abs=1e-12)


@pytest.mark.parametrize("metric", [metric for metric in METRICS if metric.fast], ids=lambda one: one.name)
def test_the_fast_path_gives_what_the_general_one_gives(metric):
    resampling = resample_groups(TABLE, 0)
    slow = Metric(metric.name, metric.label, metric.value)
    drawn = [
        replicate(resampling, list(Measure(one, SL, None).statistics(TABLE, resampling).values()), 20)
        for one in (metric, slow)
    ]
    assert drawn[0] == pytest.approx(drawn[1], abs=1e-12)


@pytest.fixture
def recall(monkeypatch):
    """A metric that nobody knows: the recall at validation's threshold."""

    def value(scores, labels, weights, threshold):
        return np.average(
            (scores >= threshold)[labels == 1], weights=None if weights is None else weights[labels == 1]
        )

    metric = Metric("recall", "recall", value, needs_both_classes=False, cut=at_validation)
    METRICS.append(metric)
    yield metric
    METRICS.remove(metric)


def test_a_new_entry_is_found_everywhere(recall, tmp_path):
    metrics, details = measure_run(TABLE, VALIDATION, SCORES["bce"], ("b",), seed=0, replicates=50)
    cut = recall.on(SL, VALIDATION).cut.threshold
    fakes = TABLE[(TABLE["test_set"] == "a") & (TABLE["label"] == 1)]["logit"]
    by_hand = round(float((fakes >= cut).mean()), 6)
    assert metrics["recall"]["sl"]["a"] == by_hand
    assert list(metrics["recall"]["sl"]) == ["a", "b", "mean", "mean_unseen"]
    low, high = details["recall_interval"]["sl"]["a"]
    assert low <= by_hand <= high
    assert details["details"][0]["recall"] == by_hand
    assert details["details"][0]["recall_interval"] == [low, high]
    json.dumps([metrics, details], allow_nan=False)

    runs = [Model(name, [Run(table, VALIDATION)], SL) for name, table in (("x", TABLE), ("y", TABLE))]
    assert compare([(runs[0], runs[1])], (), 0, 50)["recall_difference"][0]["recall_first"] == by_hand

    rows = robustness_table(TABLE, {"blur_9": TABLE.assign(logit=-9.0)}, VALIDATION, SCORES["bce"], (), 0, 50)
    assert robustness_metrics(rows)["recall_lost"][0]["by_set"]["mean"][0] > 0

    path = tmp_path / "scores.csv"
    parts = [TABLE.assign(split="test"), VALIDATION.assign(split="val")]
    pd.concat(parts).rename(columns={"logit": "score"}).to_csv(path, index=False)
    report = evaluate_scores([path], params=ThresholdsParams(bootstrap=100, known_reals=(10,), draws=5))
    assert f"{by_hand:.4f} [" in render(report)
    assert "recall [95% interval]" in render(report)


def test_an_interval_is_about_the_groups_drawn(recall):
    # The binomial one: of 30 fakes a share p is called fake, ± 1.96 · sqrt(p (1 − p) / 30).
    measure = recall.on(SL, VALIDATION)
    rows = TABLE[TABLE["test_set"] == "a"].reset_index(drop=True)
    resampling = resample_groups(rows, 0)
    drawn = replicate(resampling, list(measure.statistics(rows, resampling).values()), 2000)[:, 0]
    share = measure.values(rows)["a"]
    low, high = interval(drawn)
    assert (high - low) / 2 == pytest.approx(1.96 * np.sqrt(share * (1 - share) / 30), abs=0.03)
