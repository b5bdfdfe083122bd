import pytest

from fakeforensics.errors import UserError
from fakeforensics.reporting.thesis import (
    ApReference,
    PilotReference,
    label,
    load_reference,
    optimal_thresholds,
    thresholds_column,
)

TABLES = [f"table_4_{n}" for n in range(3, 10)]
KEYS = ["bce", "sad", "joint_sl", "joint_cd"]
PILOTS = [f"table_3_{n}" for n in range(1, 7)]


@pytest.mark.parametrize("name", TABLES)
def test_every_cell_of_a_table_is_a_percentage(name):
    table = load_reference(name)
    assert isinstance(table, ApReference)
    for row in table.rows.values():
        assert list(row) == KEYS
        assert all(0 <= value <= 100 for value in row.values())


@pytest.mark.parametrize(
    ("name", "kind", "sets"),
    [
        ("table_4_3", "average", None),  # "avg": over all 13 sets
        ("table_4_8", "average_unseen", ("stylegan_ffhq", "faceapp_ffhq")),  # "average of a. and b."
    ],
)
def test_averages_of_the_rows_are_the_thesis_s_own(name, kind, sets):
    table = load_reference(name)
    for key, printed in table.averages[kind].items():
        values = [table.rows[set_][key] for set_ in sets or table.rows]
        # Two decimals are printed, so half a unit of the last is rounding; 55.505 became 55.51.
        assert abs(sum(values) / len(values) - printed) <= 0.005 + 1e-9


def test_the_only_averages_are_those_two():
    assert {name for name in TABLES if load_reference(name).averages} == {"table_4_3", "table_4_8"}


@pytest.mark.parametrize("name", PILOTS)
def test_a_pilot_table_holds_accuracies_by_number_of_instances(name):
    table = load_reference(name)
    assert isinstance(table, PilotReference)
    assert table.column == thresholds_column() == "bce"  # chapter 3 and table 4.10 show a plain classifier
    for by_number in table.accuracy.values():
        assert list(by_number) == list(range(1, len(by_number) + 1))
        assert all(0 <= value <= 100 for value in by_number.values())


def test_figures_are_the_printed_ones():
    # Read off the thesis's pages: tables 3.1, 4.3, 4.8 and 4.10.
    assert load_reference("table_3_1").accuracy["pggan"][2] == 86.62
    assert load_reference("table_4_3").rows["san"]["sad"] == 81.99
    assert load_reference("table_4_8").averages["average_unseen"]["joint_sl"] == 58.01
    assert optimal_thresholds()["san"].threshold == pytest.approx(4.34e-11)
    assert optimal_thresholds()["deepfake"].accuracy == 79.6


def test_rows_are_in_the_printed_order():
    assert list(load_reference("table_4_3").rows)[:3] == ["whichfaceisreal", "stylegan2", "stylegan"]
    assert list(load_reference("table_4_6").rows)[-1] == "celeb_df"


def test_every_test_set_has_the_printed_name():
    for name in TABLES:
        assert all(label(set_) != set_ for set_ in load_reference(name).rows)
    for name in PILOTS:
        assert all(label(set_) != set_ for set_ in load_reference(name).accuracy)
    assert label("my_own_set") == "my_own_set"


@pytest.mark.parametrize("name", ["table_9_9", "table_4_10", "cnn_synth_sizes"])
def test_an_unknown_table_names_those_there_are(name):
    with pytest.raises(UserError, match="table_4_3"):
        load_reference(name)
