"""The report's part on likelihood ratios: what they are worth on each set, or why there are none."""

import pytest

from fakeforensics.reporting.blocks import EMPTY
from fakeforensics.reporting.likelihood import likelihood_blocks

SETS = ("validation", "stylegan_ffhq", "faceapp_ffhq")


def row(test_set, kind, cost, **more):
    worth = {"cllr": cost, "cllr_min": 0.2, "misleading_reals": 0.05, "misleading_fakes": 0.125}
    return {"score": "sl", "calibrator": kind, "test_set": test_set, "reals": 9, "fakes": 8} | worth | more


def curve(test_set, kind):
    points = {0: ((-1.0, 1.0), (0.5, 0.25)), 1: ((-0.5, 1.0), (1.0, 0.75))}
    return [
        f"sl,{kind},{test_set},{label},{x},{share}" for label, ends in points.items() for x, share in ends
    ]


@pytest.fixture
def analyzed(full):
    """Of `bce`, whose policy uses isotonic regression: a cost of 0.3, and 1.25 on the unseen set."""
    rows = [row(name, kind, 0.3) for kind in ("logistic", "isotonic") for name in SETS[:2]]
    rows += [row(SETS[2], "logistic", 1.25, cllr_interval=[1.1, 1.4]), row(SETS[2], "isotonic", 0.9)]
    found = {"likelihood_ratio": {"calibrator": "isotonic", "missing": None}, "likelihood_ratio_by_set": rows}
    full.write("metrics/p/bce.thresholds.json", {"table_4_10": []} | found)
    lines = [line for kind in ("logistic", "isotonic") for name in SETS for line in curve(name, kind)]
    header = "score,calibrator,test_set,label,log10_lr,share"
    full.write("plots/p/bce/tippett.csv", "\n".join([header, *lines]))
    return full


def test_each_set_has_its_cost_and_what_is_worse_than_nothing_stands_out(analyzed):
    _, table, figure = likelihood_blocks(analyzed.results())
    assert [one.label for one in table.rows] == ["Validation", *SETS[1:]]
    assert [one.unseen for one in table.rows] == [False, False, True]
    assert [cell.text for cell in table.rows[0].cells] == ["0.300", "0.300", "0.200", "5.0", "12.5"]
    unseen = table.rows[2].cells
    assert [(cell.text, cell.alarm) for cell in unseen[:2]] == [("1.250", True), ("0.900", False)]
    assert [cell.interval for cell in unseen[:2]] == ["1.10 … 1.40", ""]
    assert "isotonic" in table.caption
    assert figure.name == "tippett"


def test_the_figure_has_a_row_per_set_and_draws_the_policys_kind(analyzed):
    *_, figure = likelihood_blocks(analyzed.results())
    panels = figure.canvas.axes
    assert len(panels) == 3
    for axes in panels:
        zero, reals, fakes = axes.lines
        assert list(zero.get_xdata()) == [0, 0]
        # A curve ends at 0, beyond its last value.
        assert list(reals.get_xdata()) == [-1.0, 0.5, 0.5]
        assert list(fakes.get_ydata()) == [1.0, 0.75, 0.0]
    assert panels[2].get_ylabel().endswith("unseen")


def test_a_set_of_fakes_alone_has_no_cost(analyzed):
    found = analyzed.read("metrics/p/bce.thresholds.json")
    for one in found["likelihood_ratio_by_set"]:
        if one["test_set"] == SETS[2]:
            for name in ("cllr", "cllr_min", "misleading_reals"):
                del one[name]
    analyzed.write("metrics/p/bce.thresholds.json", found)
    _, table, _ = likelihood_blocks(analyzed.results())
    assert [cell.text for cell in table.rows[2].cells] == [EMPTY, EMPTY, EMPTY, EMPTY, "12.5"]


def test_why_there_is_none_is_said_once_for_all_detectors(full):
    for detector in ("bce", "sad"):
        analysis = {"likelihood_ratio": {"calibrator": "logistic", "missing": "no fakes"}}
        analysis |= {"table_4_10": [], "likelihood_ratio_by_set": []}
        full.write(f"metrics/p/{detector}.thresholds.json", analysis)
    (text,) = likelihood_blocks(full.results())
    assert "BCE, SAD: no fakes" in text.text


def test_nothing_is_shown_where_nothing_was_analyzed(full):
    assert likelihood_blocks(full.results()) == []
