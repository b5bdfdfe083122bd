import pytest

from fakeforensics.reporting.contents import EMPTY
from fakeforensics.reporting.pilot_figure import pilot_figure
from fakeforensics.reporting.pilot_table import pilot_tables
from fakeforensics.reporting.thesis import load_reference

PILOT = {"instances": {"seen": [1, 2]}}


@pytest.fixture
def pilot(project):
    project.protocol(["mmdgan", "cramergan"], reference="table_3_4", **PILOT)
    project.write("metrics/p/bce.json", {"accuracy": {"cramergan": {"1": 0.7, "2": 0.98}}})
    return project.results()


def test_rows_are_instances_and_columns_are_test_sets(pilot):
    (table,) = pilot_tables(pilot, load_reference("table_3_4"))
    assert table.stub == "# seen MMDGAN instances"
    assert [column.title for column in table.columns] == ["CramerGAN", "PGGAN", "SNGAN"]
    assert [row.label for row in table.rows] == ["1", "2", "3"]
    first = table.rows[0].cells[0]
    # Table 3.4: 68.89 after one instance.
    assert (first.text, first.reference) == ("70.00", "68.89")
    assert first.difference == pytest.approx(1.11)
    assert table.rows[2].cells[0].text == EMPTY
    assert table.rows[2].cells[0].reference == "99.98"


def test_without_a_reference_our_own_numbers_stand_alone(pilot):
    (table,) = pilot_tables(pilot, None)
    assert [row.label for row in table.rows] == ["1", "2"]
    assert not table.has_references


def test_the_figure_draws_ours_and_the_thesis(pilot):
    (figure,) = pilot_figure(pilot, load_reference("table_3_4"))
    (axes,) = figure.canvas.axes
    assert [list(line.get_xdata()) for line in axes.lines] == [[1, 2], [1, 2, 3]]


def test_a_protocol_with_average_precision_has_no_pilot_table(full):
    assert pilot_tables(full.results(), None) == []
    assert pilot_figure(full.results(), None) == []
