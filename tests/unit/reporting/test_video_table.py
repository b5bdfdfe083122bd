"""Average precision by video."""

from fakeforensics.reporting.contents import EMPTY
from fakeforensics.reporting.video_table import video_blocks


def details(level="video", reals=0, fakes=0):
    missing = {"undetected": {"reals": reals, "fakes": fakes}, "with_undetected": {"ap": 0.75}}
    row = {"level": level, "score": "sl", "test_set": "celeb_df", "ap": 0.9, "ap_interval": [0.85, 0.95]}
    return {"details": [row | {"reals": 178, "fakes": 340} | (missing if level == "video" else {})]}


def cells(project, **values):
    project.protocol(["ffhq", "celeb_df"])
    project.metrics({"celeb_df": (0.5, 0.6, 0.7, 0.8)})
    project.write("metrics/p/bce.details.json", details(**values))
    return video_blocks(project.results())


def test_what_is_undetected_is_said(project):
    (table,) = cells(project, fakes=3)
    (row,) = table.rows
    assert row.detail == "178 real, 340 fake; no face in 0 real, 3 fake"
    assert (row.cells[0].text, row.cells[0].interval) == ("90.0", "85.0 … 95.0,\n75.0 with undetected")
    assert row.cells[1].text == EMPTY


def test_where_all_are_detected_nothing_is_added(project):
    (table,) = cells(project)
    assert table.rows[0].cells[0].interval == "85.0 … 95.0"
    assert table.rows[0].detail == "178 real, 340 fake"


def test_stills_have_no_table(project):
    assert cells(project, level="frame") == []
