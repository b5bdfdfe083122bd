import pytest

from fakeforensics.reporting.ap_table import ap_table, mark_best, mean, row_order
from fakeforensics.reporting.contents import EMPTY, Cell
from fakeforensics.reporting.thesis import load_reference
from tests.score_specs import CD


def texts(row):
    return [cell.text for cell in row.cells]


def by_label(table):
    return {row.label: row for row in table.rows}


def test_ours_stands_beside_the_thesis_with_the_difference(project):
    project.protocol(["stylegan_ffhq", "faceapp_ffhq"], unseen=["faceapp_ffhq"], reference="table_4_4")
    project.metrics({"faceapp_ffhq": (0.7, 0.7, 0.6, 0.75), "stylegan_ffhq": (1, 1, 1, 0.5)})
    table = ap_table(project.results(), load_reference("table_4_4"))
    seen, unseen = table.rows[:2]
    assert (seen.label, seen.unseen) == ("Real vs StyleGAN (FFHQ)", False)
    assert (unseen.label, unseen.unseen) == ("Real vs FaceApp (FFHQ)", True)
    assert texts(unseen) == ["70.00", "70.00", "60.00", "75.00"]
    # Table 4.4, FaceApp: 68.95, 70.51, 59.32, 71.43.
    assert [cell.reference for cell in unseen.cells] == ["68.95", "70.51", "59.32", "71.43"]
    assert [cell.difference for cell in unseen.cells] == pytest.approx([1.05, -0.51, 0.68, 3.57])
    assert [cell.best for cell in unseen.cells] == [False, False, False, True]
    assert unseen.cells[0].interval == "68.0 … 72.0"


def test_averages_are_over_all_and_over_the_unseen_sets(project):
    sets = ["a", "b", "c"]
    project.protocol(sets, unseen=["b", "c"])
    project.metrics({"a": (1, 1, 1, 1), "b": (0.5, 0.6, 0.7, 0.8), "c": (0.6, 0.6, 0.6, 0.6)})
    rows = by_label(ap_table(project.results(), None))
    # (100 + 50 + 60) / 3 = 70 and (50 + 60) / 2 = 55
    assert texts(rows["Average of all 3"]) == ["70.00", "73.33", "76.67", "80.00"]
    assert texts(rows["Average of the 2 unseen"]) == ["55.00", "60.00", "65.00", "70.00"]
    assert rows["Average of all 3"].summary


def test_an_average_s_interval_is_that_of_the_metrics_mean(project):
    project.protocol(["a", "b"])
    project.metrics({"a": (1, 1, 1, 1), "b": (0.5, 0.5, 0.5, 0.5), "mean": (0.75, 0.75, 0.75, 0.75)})
    rows = by_label(ap_table(project.results(), None))
    assert rows["Average of all 2"].cells[0].interval == "73.0 … 77.0"


def test_the_thesis_s_average_is_the_printed_one(project):
    sets = list(load_reference("table_4_8").rows)
    project.protocol(sets, unseen=["stylegan_ffhq", "faceapp_ffhq"], reference="table_4_8")
    project.metrics(dict.fromkeys(sets, (0.5, 0.5, 0.5, 0.5)))
    table = ap_table(project.results(), load_reference("table_4_8"))
    row = by_label(table)["Average of the 2 unseen"]
    assert [cell.reference for cell in row.cells] == ["55.51", "45.44", "58.01", "54.70"]


def test_a_set_of_the_thesis_that_was_not_tested_shows_as_missing(project):
    project.protocol(["faceapp_ffhq"], reference="table_4_4")
    project.metrics({"faceapp_ffhq": (0.7, 0.7, 0.6, 0.75)})
    table = ap_table(project.results(), load_reference("table_4_4"))
    assert texts(table.rows[0]) == [EMPTY] * 4
    assert table.rows[0].cells[0].reference == "100.00"
    # An average over fewer sets than the thesis's would be another quantity.
    assert texts(by_label(table)["Average of all 2"]) == [EMPTY] * 4


def test_rows_follow_the_thesis_and_other_sets_come_last(project):
    project.protocol(["mine", "faceapp_ffhq", "stylegan_ffhq"])
    order = row_order(project.results(), load_reference("table_4_4"))
    assert order == ["stylegan_ffhq", "faceapp_ffhq", "mine"]
    assert row_order(project.results(), None) == ["mine", "faceapp_ffhq", "stylegan_ffhq"]


def test_the_demo_is_called_a_demo_and_borrows_no_names(project):
    project.protocol(["stylegan_ffhq"], source="demo_dffd")
    project.metrics({"stylegan_ffhq": (0.7, 0.7, 0.6, 0.75)})
    table = ap_table(project.results(), None)
    assert table.caption.startswith("Demo data")
    assert table.rows[0].label == "stylegan_ffhq"


def test_chance_is_the_share_of_fakes(project):
    project.protocol(["a"])
    project.counts(["a"], real=3000, fake=1000)
    project.metrics({"a": (0.7, 0.7, 0.6, 0.75)})
    assert ap_table(project.results(), None).rows[0].detail == "3,000 real, 1,000 fake; chance 25.0"


def test_mean_of_an_incomplete_list_is_none():
    assert mean([1.0, 2.0]) == 1.5
    assert mean([1.0, None]) is None
    assert mean([]) is None


def test_ties_for_the_best_are_all_marked_and_a_lone_value_is_not():
    assert [cell.best for cell in mark_best([Cell("1.00"), Cell("2.00"), Cell("2.00")])] == [
        False,
        True,
        True,
    ]
    assert [cell.best for cell in mark_best([Cell("1.00"), Cell(EMPTY)])] == [False, False]


def test_a_detector_that_the_thesis_lacks_has_no_reference(project):
    project.scores = {"mine": (CD,), "sad": (CD,)}
    project.labels["mine"] = "Mine"
    project.protocol(["faceapp_ffhq"], reference="table_4_4")
    project.metrics({"faceapp_ffhq": (0.7, 0.75)})
    table = ap_table(project.results(), load_reference("table_4_4"))
    cells = by_label(table)["Real vs FaceApp (FFHQ)"].cells
    assert [cell.reference for cell in cells] == ["", "70.51"]
    assert "table 4.4" in table.caption
    project.scores.pop("sad")
    table = ap_table(project.results(), load_reference("table_4_4"))
    assert not table.has_references
    assert "thesis" not in table.caption
