"""The index: what it says of each protocol, and how it is written."""

import os

import pytest

from fakeforensics.reporting.blocks import EMPTY, Chapter, Facts, Table, Text
from fakeforensics.reporting.overview import index_page, view_page, write_index

from .conftest import REFERENCE, make_params


def section(report, title):
    return next(one for one in report.chapters[0].sections if one.title == title)


def titles(report):
    return [one.title for one in report.chapters[0].sections if one.blocks]


def warnings(report):
    blocks = [block for one in report.chapters[0].sections for block in one.blocks]
    return [block.text for block in blocks if isinstance(block, Text) and block.tone != "plain"]


def test_one_protocol_s_answers_come_first(full):
    index = full.index("p", reference=REFERENCE)
    assert titles(index) == ["In short", "Protocols", "Detectors on unseen methods", "Detectors"]
    (facts,) = section(index, "In short").blocks
    assert isinstance(facts, Facts)
    assert dict(facts.items)["Trained"].startswith("BCE, SAD and BCE+SAD, on 1,000 real images and 990 fakes")


def test_many_protocols_are_rows_of_a_table_that_lead_to_their_pages(full):
    for name in "qrs":
        full.protocol(["a"], name=name)
        full.metrics({"a": (0.5, 0.6, 0.7, 0.8)}, name=name)
    index = full.index("p", "q", "r", "s")
    assert titles(index)[0] == "Protocols"
    (table,) = section(index, "Protocols").blocks
    assert [(row.label, row.link) for row in table.rows] == [(name, f"{name}/index.html") for name in "pqrs"]


def test_the_unseen_sets_are_averaged(full):
    (table,) = section(full.index("p", reference=REFERENCE), "Detectors on unseen methods").blocks
    (row,) = table.rows
    assert [cell.text for cell in row.cells] == ["60.00", "70.00", "65.00", "72.00"]
    assert row.cells[0].reference == "68.95"
    assert row.link == "p/index.html"


def test_the_row_of_a_protocol_has_the_detector_that_validation_chooses(full):
    for detector, ap in {"bce": 0.8, "sad": 0.9, "joint": 0.85}.items():
        path = f"metrics/p/{detector}.json"
        scores = [score.name for score in full.scores[detector]]
        full.write(path, full.read(path) | {"validation": {"ap": dict.fromkeys(scores, ap)}})
    (table,) = section(full.index("p"), "Protocols").blocks
    (row,) = table.rows
    # Of SAD: unseen 70 with 2 points either way, 40 of 100 test images are fakes, seen 98; it has no policy.
    assert [cell.text for cell in row.cells] == ["SAD", "70.00", "40.0", "98.00", EMPTY, EMPTY]
    assert row.cells[1].interval == "68.0 … 72.0"  # that of the one unseen set


@pytest.mark.parametrize("demo", [True, False])
def test_demos_are_named(full, demo):
    full.protocol(["stylegan_ffhq"], name="q", demo=demo)
    (overview,) = full.index("p", "q").chapters
    assert ("`q`" in overview.banner) is demo
    assert "`p`" not in overview.banner


def test_a_protocol_that_has_not_run_does_not_hide_the_others(full):
    full.protocol(["a"], name="later")
    assert any("metrics/later/bce.json" in text for text in warnings(full.index("p", "later")))


def test_a_protocol_without_a_page_is_named(full):
    index = index_page([full.entry()], make_params("p", "none"), absent=["none"])
    assert any("`none`" in text for text in warnings(index))


def test_a_detector_that_a_protocol_leaves_out_has_empty_cells(full):
    full.protocol(["a"], name="q")
    full.metrics({"a": (0.5, 0.6, 0.7, 0.8)}, name="q")
    full.write("metrics/q/bce.json", {"left_out": "it needs no comparison"})
    index = full.index("p", "q")
    assert any("bce" in text and "it needs no comparison" in text for text in warnings(index))
    of_p, of_q = section(index, "Detectors on unseen methods").blocks[0].rows
    assert [cell.text for cell in of_q.cells] == [EMPTY, "60.00", "70.00", "80.00"]
    assert EMPTY not in [cell.text for cell in of_p.cells]


def test_sets_of_fakes_alone_have_rows_of_their_own(project):
    project.fakes_alone({"a": 0.5})
    (table,) = section(project.index("p"), "Test sets of fakes alone").blocks
    assert [(row.label, row.cells[0].text) for row in table.rows] == [("p: a", "50.00")]


def test_a_view_over_protocols_takes_their_place(project):
    project.fakes_alone({"a": 0.5}, name="p")
    project.fakes_alone({"a": 0.6}, name="q")
    view = Chapter("both", "Both", "Both", (), covers=("p",))
    index = project.index("p", "q", views=[view])
    (table,) = section(index, "Test sets of fakes alone").blocks
    assert [row.label for row in table.rows] == ["q: a"]
    (studies,) = section(index, "Studies over several protocols").blocks
    assert [(row.label, row.link) for row in studies.rows] == [("Both", "views/both/index.html")]
    assert "`p`" in view_page(view).lead


def test_a_table_says_what_each_detector_is_and_saw(full):
    full.card("bce", counts={"train": {"one": {"real": 1200, "pggan": 30}, "two": {"real": 1, "stargan": 4}}})
    counts = {"train": {"one": {"real": 7}, "objects": {"reference": 5}}}
    full.card("sad", sees="reals+reference", counts=counts)
    full.card("joint", sees="reals+simulated")
    (table,) = section(full.index("p"), "Detectors").blocks
    assert isinstance(table, Table)
    assert [column.title for column in table.columns] == ["Scores", "Trained on", "Training images"]
    assert [row.detail for row in table.rows] == ["what bce is", "what sad is", "what joint is"]
    assert {row.label: [cell.text for cell in row.cells[1:]] for row in table.rows} == {
        "BCE": ["real and fake images", "1,201 real, 34 fake"],
        "SAD": ["real images and a labeled reference set, no fakes (objects)", "7 real, 5 reference"],
        "BCE+SAD": ["real images alone, and fakes that it makes of them itself", EMPTY],
    }


def test_writing_leaves_what_is_the_same_and_removes_old_studies(full, tmp_path):
    view = Chapter("both", "Both", "Both", (), covers=("p",))
    old = Chapter("old", "Old", "Old", (), covers=("p",))
    index = full.index("p", views=[view])
    write_index(index, [view, old], tmp_path)
    pages = [tmp_path / "index.html", tmp_path / "views/both/index.html"]
    for path in pages:
        os.utime(path, (1, 1))
    assert write_index(index, [view], tmp_path) == pages[0]
    assert [path.stat().st_mtime for path in pages] == [1, 1]
    assert [path.name for path in (tmp_path / "views").iterdir()] == ["both"]
