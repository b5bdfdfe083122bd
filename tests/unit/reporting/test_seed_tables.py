"""The ranking of detectors over seeds, and what it says of the claims."""

import pytest

from fakeforensics.reporting.blocks import EMPTY
from fakeforensics.reporting.seed_tables import random_ap, seed_blocks

MACHINE = {"processor": "Some CPU, AVX2", "processes": 1, "threads": 2, "bf16": False, "compiled": False}
SCORE = {"bce": "sl", "joint": "sl", "sad": "cd", "deep_svdd": "cd", "oc_svm": "oc"}


def about(label, sees, unseen, seen=0.9, difference=None, spread=0.05):
    """A detector with one score, whose interval is `spread` on either side of its value."""

    def ap(value):
        return {"mean": value, "deviation": 0.0125, "low": value - spread, "high": value + spread}

    sets = {"a": ap(seen), "b": ap(unseen), "mean": ap((seen + unseen) / 2), "mean_unseen": ap(unseen)}
    score = {"label": "S", "ap": sets}
    if difference is not None:
        low, value, high = difference
        score["difference"] = {"mean_unseen": {"difference": value, "low": low, "high": high, "p_value": 0.5}}
    cost = {"seconds": 70.0, "processor_seconds": 123.4, "images": 50.0}
    return {"label": label, "title": "", "sees": sees, "cost": cost, "scores": {"s": score}}


def blocks(project, detectors):
    project.protocol(["a", "b"], unseen=["b"])
    project.metrics({"a": (0.5, 0.6, 0.7, 0.8), "b": (0.5, 0.6, 0.7, 0.8)})
    project.counts(["a", "b"])  # 60 real and 40 fake images a set
    project.card("bce", machine=MACHINE)
    found = {"seeds": [0, 1], "trained_on": ["here"], "baseline": "bce", "detectors": detectors}
    project.write("metrics/p/seeds.json", found)
    return seed_blocks(project.results())


def test_figures_carry_their_machine_and_say_that_they_are_of_one_seed(project):
    project.protocol(["a"])
    project.metrics({"a": (0.5, 0.6, 0.7, 0.8)})
    for detector in ("bce", "sad", "joint"):
        project.card(detector, machine=MACHINE | {"bf16": detector == "joint"})
    (note,) = seed_blocks(project.results())
    assert "Some CPU, AVX2, 2 threads, float32; Some CPU, AVX2, 2 threads, bfloat16" in note.text
    assert "one seed" in note.text


def test_detectors_are_ranked_by_their_mean_over_unseen_sets(project):
    found = {
        "bce": about("BCE", "reals+fakes", 0.6),
        "joint": about("Joint", "reals+fakes", 0.7, difference=(-0.02, 0.1, 0.22)),
    }
    note, table, *_ = blocks(project, found)
    assert "one seed" not in note.text
    assert [row.label for row in table.rows] == ["Joint", "BCE"]
    assert [column.title for column in table.columns][3:5] == ["b", "a"]  # unseen sets first
    first, second = table.rows
    assert [cell.text for cell in first.cells] == [
        *("reals, fakes", "70.0 ± 1.2", "+10.0", "70.0 ± 1.2", "90.0 ± 1.2", "123"),
    ]
    assert first.cells[1].interval == "65.0 … 75.0"
    assert first.cells[2].interval == "-2.0 … +22.0"
    assert second.cells[2].text == EMPTY  # the baseline itself
    assert any("here" in note for note in table.notes)


def test_a_claim_is_judged_by_its_interval(project):
    def verdict(low, value, high):
        found = {
            "bce": about("BCE", "reals+fakes", 0.6),
            "joint": about("Joint", "reals+fakes", 0.6 + value, difference=(low, value, high)),
        }
        return blocks(project, found)[2].text

    assert "is not clearly different from" in verdict(-0.01, 0.1, 0.2)
    assert "is better than" in verdict(0.01, 0.1, 0.2)
    assert "is worse than" in verdict(-0.2, -0.1, -0.01)


def test_one_class_detectors_are_told_from_chance_by_their_intervals(project):
    found = {
        "bce": about("BCE", "reals+fakes", 0.2),  # sees fakes, so it is not judged
        "deep_svdd": about("High", "reals", 0.5),
        "oc_svm": about("Even", "reals", 0.43),
        "doc": about("Low", "reals+reference", 0.3),
    }
    text = blocks(project, found)[-1].text
    assert "better than chance: High; not distinguishable from chance: Even; worse than chance: Low." in text
    assert "BCE" not in text


def test_the_average_precision_of_a_random_order_is_that_of_all_orders():
    # One fake among three images: rank 1, 2 or 3 gives AP 1, 1/2 or 1/3.
    assert random_ap(2, 1) == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    # Two fakes among three: ranks 1 2, 1 3, 2 3 give AP 1, (1 + 2/3) / 2, (1/2 + 2/3) / 2.
    assert random_ap(1, 2) == pytest.approx((1 + 5 / 6 + 7 / 12) / 3)
