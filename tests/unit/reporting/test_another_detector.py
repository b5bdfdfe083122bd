"""A detector that the thesis does not have, with three scores of other scales: it shows up everywhere."""

from itertools import chain

import pytest

from fakeforensics.metrics.spec import ScoreSpec
from fakeforensics.palette import COLORS, series_color
from fakeforensics.reporting.blocks import EMPTY, Figure, Gallery, Table
from fakeforensics.reporting.page import write_page

from .conftest import REFERENCE

SPECS = (
    ScoreSpec(name="far", label="S_F", title="distance to the trees", column="score_far", scale="positive"),
    ScoreSpec(name="share", label="S_P", title="share of trees", column="score_share", scale="probability"),
    ScoreSpec(name="margin", label="S_M", title="margin of the votes", column="margin", scale="real"),
)
SETS = ("stylegan_ffhq", "faceapp_ffhq")


@pytest.fixture
def four(project):
    """All that the stages write, for the thesis's three detectors and the other one."""
    project.scores["forest"], project.labels["forest"] = SPECS, "Forest"
    project.protocol(SETS, unseen=SETS[1:])
    project.counts(SETS)
    project.metrics({SETS[0]: (0.9,) * 4 + (0.91, 0.92, 0.93), SETS[1]: (0.6,) * 4 + (0.61, 0.62, 0.63)})
    project.scored(SETS)
    for detector, scores in project.scores.items():
        names = [score.name for score in scores]
        fused = ["fused"] if len(names) > 1 else []
        videos = [
            {"level": "video", "score": score, "test_set": SETS[0], "ap": 0.9, "ap_interval": [0.8, 0.95]}
            | {"undetected": {"reals": 0, "fakes": 0}, "reals": 10, "fakes": 10}
            for score in names
        ]
        project.write(f"metrics/p/{detector}.details.json", {"ap_interval": {}, "details": videos})
        rules = [
            {"score": score, "rule": "validation", "saw": "it", "fake_share": "own", "accuracy": 0.8}
            | {"accuracy_interval": [0.7, 0.9], "sets": 2, "of_sets": 2, "gap_closed": None}
            | {"leans_on_fake_share": False}
            for score in [*names, *fused]
        ]
        path = f"metrics/p/{detector}.thresholds.json"
        project.write(path, project.read(path) | {"deployable": rules})
        means = {"mean": 0.8, "mean_unseen": 0.7}
        tried = [{"score": score, "corruption": "clean", "by_set": means} for score in names]
        project.write(f"metrics/p/{detector}.robustness.json", {"ap": tried, "accuracy": tried})
    return project


@pytest.fixture
def report(four):
    return four.page(reference=REFERENCE)


def blocks(report, kind):
    found = chain.from_iterable(section.blocks for chapter in report.chapters for section in chapter.sections)
    return [block for block in found if isinstance(block, kind)]


def test_every_table_of_scores_has_a_column_for_each(report):
    tables = [table for table in blocks(report, Table) if is_by_score(table)]
    # Average precision, by video, rules, and robustness: two measures by two means.
    assert len(tables) == 7
    for table in tables:
        mine = [place for place, column in enumerate(table.columns) if column.group == "Forest"]
        titles = [table.columns[place].title for place in mine]
        together = ["all"] if table.stub == "Rule" else []  # of the joint detector's two it is "both"
        assert titles == ["S_F", "S_P", "S_M", *together]
        assert all(row.cells[place].text != EMPTY for row in table.rows[:1] for place in mine)


def is_by_score(table):
    return any(column.group == "BCE+SAD" for column in table.columns)


def test_each_score_has_its_thresholds_on_its_own_scale(report):
    tables = [table for table in blocks(report, Table) if "hresholds" in table.caption]
    mine = {table.caption.partition(":")[0]: table for table in tables if table.caption.startswith("Forest")}
    # Validation's threshold is a logit of 1: a distance of 10 to the power of 1, a probability of 0.7311.
    for (title, table), at in zip(mine.items(), ("10", "0.7311", "1"), strict=True):
        assert f"Validation chose {at}." in table.caption, title
    assert "distance to the trees" in mine["Forest S_F"].notes[0]
    assert "probabilities" in mine["Forest S_P"].notes[0]
    assert "margin of the votes" in mine["Forest S_M"].notes[0]


def test_every_picture_shows_each(report):
    colors = {series_color(place) for place in range(7)}
    assert len(colors) == 7
    for figure in blocks(report, Figure):
        canvas = figure.canvas
        if figure.name == "scores":
            titles = {axes.get_title(loc="left") for axes in canvas.axes}
            below = " ".join(axes.get_xlabel().replace("\n", " ") for axes in canvas.axes)
            assert all(f"{spec.title}" in below for spec in SPECS)
            assert "distance to the trees, log10" in below
            assert "share of trees, log10" not in below
        else:
            titles = {text.get_text() for text in canvas.legends[0].get_texts()}
            drawn = {line.get_color() for axes in canvas.axes for line in axes.lines}
            assert colors <= drawn, figure.name
        assert {"Forest S$_{F}$", "Forest S$_{P}$", "Forest S$_{M}$"} <= titles, figure.name


def test_scores_are_drawn_on_the_scale_of_their_axis(report):
    (figure,) = [one for one in blocks(report, Figure) if one.name == "scores"]
    first = figure.canvas.axes[4:7]  # the first test set's panels; the thesis's detectors have four before
    # Validation's threshold: log10 of 10, a probability of 0.731 and 1 as they are.
    assert [axes.lines[0].get_xdata()[0] for axes in first] == pytest.approx([1, 0.731059, 1], abs=1e-6)


def test_the_worst_errors_are_by_the_last_score(report):
    (gallery,) = blocks(report, Gallery)
    assert "Forest S_M" in gallery.caption


def test_the_report_is_written_with_it(report, tmp_path):
    page = write_page(report, tmp_path / "report").read_text()
    assert "S<sub>F</sub>" in page
    svg = (tmp_path / "report/average-precision.svg").read_text()
    assert all(COLORS[f"series-{place}"] in svg for place in range(7))
    css = page[page.index("<style>") : page.index("</style>")]
    # Each color of a picture is defined for light and for dark pages.
    assert all(css.count(f"--{role}: ") == 2 for role in COLORS)
