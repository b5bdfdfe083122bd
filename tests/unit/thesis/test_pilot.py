"""The pilot study's chapter: views over the results of several protocols."""

from dataclasses import replace

import pytest

from fakeforensics.reporting.blocks import EMPTY, Figure, Table, Text
from fakeforensics.thesis.pilot import pilot_chapters
from fakeforensics.thesis.tables import reference_of
from tests.unit.reporting.conftest import Project

MMDGAN = {"pilot_mmdgan_n1": (0.7, 0.2), "pilot_mmdgan_n3": (0.98, 0.3)}


@pytest.fixture
def chapter(tmp_path):
    """Two of the three protocols of table 3.4 have run."""
    project = Project(tmp_path)
    results = []
    for name, (cramergan, pggan) in MMDGAN.items():
        project.fakes_alone({"cramergan": cramergan, "pggan": pggan}, name)
        results.append(replace(project.results(name), reference=reference_of(name, None)))
    (chapter,) = pilot_chapters(results)
    return chapter


def blocks(chapter, kind):
    return [block for block in chapter.sections[1].blocks if isinstance(block, kind)]


def test_only_tables_whose_protocols_are_known_are_shown(chapter):
    assert len(chapter.sections) == 2  # the introduction and table 3.4
    assert "3.4" in chapter.sections[1].title
    assert chapter.covers == tuple(MMDGAN)
    assert pilot_chapters([]) == []


def test_rows_are_instances_under_their_test_set_next_to_the_thesis_s(chapter):
    (table,) = blocks(chapter, Table)
    assert [column.title for column in table.columns] == ["BCE", "SAD", "S_SL", "S_CD"]
    assert [row.label for row in table.rows][:5] == ["Tested on CramerGAN", "1", "2", "3", "Tested on PGGAN"]
    first = table.rows[1].cells[0]
    # Table 3.4: 68.89 after one instance.
    assert (first.text, first.reference, first.interval) == ("70.00", "68.89", "68.0 … 72.0")
    assert first.difference == pytest.approx(1.11)
    assert table.rows[7].cells[0].text == "30.00"
    # The thesis trains with BCE alone.
    assert [cell.reference for cell in table.rows[1].cells[1:]] == ["", "", ""]


def test_a_run_that_is_missing_shows_as_missing(chapter):
    (warning,) = blocks(chapter, Text)
    assert "`pilot_mmdgan_n2`" in warning.text
    (table,) = blocks(chapter, Table)
    assert (table.rows[2].cells[0].text, table.rows[2].cells[0].reference) == (EMPTY, "99.00")


def test_the_figure_draws_ours_and_the_thesis_s(chapter):
    (figure,) = blocks(chapter, Figure)
    bce, sad, *_ = figure.canvas.axes
    # Ours on two test sets, then the thesis's three.
    ours = [[1, 3], [1, 3]]
    assert [list(line.get_xdata()) for line in bce.lines] == ours + [[1, 2, 3]] * 3
    assert [list(line.get_xdata()) for line in sad.lines] == ours


def test_the_caption_says_which_numbers_are_not_the_thesis_s(tmp_path):
    project = Project(tmp_path)
    project.fakes_alone(
        {"cramergan": 0.7},
        "pilot_mmdgan_n1",
        source="pilot",
        sampling={
            "module": "fakeforensics.thesis.instances",
            "seen": 1,
            "of": 3,
            "fakes": 8000,
            "val_fakes": 1000,
        },
        limits={"pilot": {"test": 10000}},
        params={"train": {"crop_size": 128}},
    )
    (chapter,) = pilot_chapters([project.results("pilot_mmdgan_n1")])
    (table,) = blocks(chapter, Table)
    for ours in ("8,000 fakes", "1,000 in validation", "10,000 per test set", "128 pixels"):
        assert ours in table.caption


def test_numbers_that_a_protocol_does_not_set_are_not_called_ours(chapter):
    (table,) = blocks(chapter, Table)
    assert "ours" not in table.caption
