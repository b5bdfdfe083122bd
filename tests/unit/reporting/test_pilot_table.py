import json

import pytest

from fakeforensics.reporting.ap_table import ap_table
from fakeforensics.reporting.contents import EMPTY, Table, Text
from fakeforensics.reporting.pilot_figure import pilot_figure
from fakeforensics.reporting.pilot_table import pilot_blocks
from fakeforensics.reporting.thesis import load_reference


@pytest.fixture
def pilot(project):
    project.pilot({"mmdgan": {"1": 0.2}, "cramergan": {"1": 0.7, "2": 0.98}}, reference="table_3_4")
    return project.results()


def tables(results, reference):
    return [block for block in pilot_blocks(results, reference) if isinstance(block, Table)]


def test_rows_are_instances_and_columns_are_test_sets(pilot):
    table = tables(pilot, load_reference("table_3_4"))[0]
    assert table.stub == "# seen MMDGAN instances in training"
    assert [column.title for column in table.columns] == ["CramerGAN", "PGGAN", "SNGAN", "MMDGAN"]
    assert [row.label for row in table.rows] == ["1", "2", "3"]
    first = table.rows[0].cells[0]
    # Table 3.4: 68.89 after one instance.
    assert (first.text, first.reference, first.interval) == ("70.00", "68.89", "68.0 … 72.0")
    assert first.difference == pytest.approx(1.11)
    assert table.rows[2].cells[0].text == EMPTY
    assert table.rows[2].cells[0].reference == "99.98"


def test_every_score_has_its_table_and_says_where_it_is_cut_the_thesis_has_bce_alone(pilot):
    four = tables(pilot, load_reference("table_3_4"))
    assert [table.has_references for table in four] == [True, False, False, False]
    cut = ["at probability 0.5", "from validation", "at probability 0.5", "from validation"]
    for table, name, where in zip(four, ("BCE", "SAD", "S_SL", "S_CD"), cut, strict=True):
        assert name in table.caption
        assert ("validation images" if where == "from validation" else where) in table.caption


def test_what_fakes_alone_cannot_have_is_said(pilot):
    *_, last = [block for block in pilot_blocks(pilot, None) if isinstance(block, Text)]
    assert "average precision, curves and a best threshold are undefined" in last.text


def test_several_generators_are_headed_as_in_table_3_6(project):
    project.pilot({"pggan": {"1": 0.5}}, reference="table_3_6")
    table = tables(project.results(), load_reference("table_3_6"))[0]
    assert table.stub == "# seen instances per architecture in training"


def test_instances_are_counted_not_spelt(project):
    project.pilot({"a": {"10": 0.5, "9": 0.4}})
    assert [row.label for row in tables(project.results(), None)[0].rows] == ["9", "10"]


def test_the_figure_draws_ours_and_the_thesis(pilot):
    (figure,) = pilot_figure(pilot, load_reference("table_3_4"))
    bce, sad, *_ = figure.canvas.axes
    assert [list(line.get_xdata()) for line in bce.lines] == [[1], [1, 2], [1, 2, 3], [1, 2, 3], [1, 2, 3]]
    assert [list(line.get_xdata()) for line in sad.lines] == [[1], [1, 2]]


def test_a_protocol_with_average_precision_has_no_pilot_table(full):
    assert pilot_blocks(full.results(), None) == []
    assert pilot_figure(full.results(), None) == []


def test_sets_of_fakes_alone_stand_beside_ranked_ones_and_spoil_no_average(project):
    project.protocol(["a", "b", "c"], unseen=["b", "c"])
    project.metrics({"a": (0.9, 0.9, 0.9, 0.9), "b": (0.8, 0.8, 0.8, 0.8)})
    path = project.root / "metrics/p/bce.json"
    metrics = json.loads(path.read_text()) | {"accuracy": {"sl": {"c": {"all": 0.25}}}}
    path.write_text(json.dumps(metrics))
    results = project.results()
    (table,) = tables(results, None)
    assert [(row.label, row.cells[0].text) for row in table.rows] == [("all", "25.00")]
    ranked = ap_table(results, None)
    assert [(row.label, row.cells[0].text) for row in ranked.rows] == [
        ("a", "90.00"),
        ("b", "80.00"),
        ("Average of all 2", "85.00"),
    ]
