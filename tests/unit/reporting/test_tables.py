"""Tables of what was measured."""

import json

import pytest

from fakeforensics.reporting.blocks import EMPTY, Cell, Table, mark_best
from fakeforensics.reporting.figures import robustness_figure
from fakeforensics.reporting.tables import (
    ap_table,
    fake_only_table,
    mean,
    metric_table,
    published_mean,
    robustness_blocks,
    video_table,
)
from tests.score_specs import CD

from .conftest import REFERENCE


def texts(row):
    return [cell.text for cell in row.cells]


def by_label(table):
    return {row.label: row for row in table.rows}


def test_ours_is_next_to_the_published_value_with_the_difference(project):
    project.protocol(["stylegan_ffhq", "faceapp_ffhq"], unseen=["faceapp_ffhq"])
    project.metrics({"faceapp_ffhq": (0.7, 0.7, 0.6, 0.75), "stylegan_ffhq": (1, 1, 1, 0.5)})
    (table,) = ap_table(project.results(reference=REFERENCE))
    seen, unseen = table.rows[:2]
    assert (seen.label, seen.unseen) == ("StyleGAN (FFHQ)", False)
    assert (unseen.label, unseen.unseen) == ("FaceApp (FFHQ)", True)
    assert texts(unseen) == ["70.00", "70.00", "60.00", "75.00"]
    # Published: 68.95, 70.51, 59.32, 71.43.
    assert [cell.reference for cell in unseen.cells] == ["68.95", "70.51", "59.32", "71.43"]
    assert [cell.difference for cell in unseen.cells] == pytest.approx([1.05, -0.51, 0.68, 3.57])
    assert [cell.best for cell in unseen.cells] == [False, False, False, True]
    assert unseen.cells[0].interval == "68.0 … 72.0"
    assert table.owner == "the paper"


def test_averages_are_over_all_and_over_the_unseen_sets(project):
    sets = ["a", "b", "c"]
    project.protocol(sets, unseen=["b", "c"])
    project.metrics({"a": (1, 1, 1, 1), "b": (0.5, 0.6, 0.7, 0.8), "c": (0.6, 0.6, 0.6, 0.6)})
    (table,) = ap_table(project.results())
    rows = by_label(table)
    # (100 + 50 + 60) / 3 = 70 and (50 + 60) / 2 = 55
    assert texts(rows["Average of all 3"]) == ["70.00", "73.33", "76.67", "80.00"]
    assert texts(rows["Average of the 2 unseen"]) == ["55.00", "60.00", "65.00", "70.00"]
    assert rows["Average of all 3"].summary


def test_an_average_s_interval_is_that_of_the_metrics_mean(project):
    project.protocol(["a", "b"])
    project.metrics({"a": (1, 1, 1, 1), "b": (0.5, 0.5, 0.5, 0.5), "mean": (0.75, 0.75, 0.75, 0.75)})
    (table,) = ap_table(project.results())
    assert by_label(table)["Average of all 2"].cells[0].interval == "73.0 … 77.0"


def test_a_published_set_that_was_not_tested_shows_as_missing(project):
    project.protocol(["faceapp_ffhq"])
    project.metrics({"faceapp_ffhq": (0.7, 0.7, 0.6, 0.75)})
    (table,) = ap_table(project.results(reference=REFERENCE))
    assert texts(table.rows[0]) == [EMPTY] * 4
    assert table.rows[0].cells[0].reference == "100.00"
    # An average over fewer sets than published would be another quantity.
    average = by_label(table)["Average of all 2"]
    assert texts(average) == [EMPTY] * 4
    # The publication prints none, so it is the mean of its rows: (100 + 68.95) / 2 = 84.475.
    assert average.cells[0].reference == "84.47"


def test_a_printed_average_is_preferred_to_the_mean_of_the_rows(project):
    from dataclasses import replace

    printed = replace(REFERENCE.ap, means={"mean": {("bce", "sl"): 84.4}})
    project.protocol(list(REFERENCE.labels))
    project.metrics({"faceapp_ffhq": (0.7, 0.7, 0.6, 0.75)})
    results = project.results(reference=replace(REFERENCE, ap=printed))
    assert published_mean(results, results.columns[0], "mean", results.ranked) == 84.4


def test_chance_is_the_share_of_fakes(project):
    project.protocol(["a"])
    project.counts(["a"], real=3000, fake=1000)
    project.metrics({"a": (0.7, 0.7, 0.6, 0.75)})
    (table,) = ap_table(project.results())
    assert table.rows[0].detail.endswith("chance 25.0")


def test_mean_of_an_incomplete_list_is_none():
    assert mean([1.0, 2.0]) == 1.5
    assert mean([1.0, None]) is None
    assert mean([]) is None


def test_ties_for_the_best_are_all_marked_and_a_lone_value_is_not():
    row = [Cell("1.00"), Cell("2.00"), Cell("2.00")]
    assert [cell.best for cell in mark_best(row)] == [False, True, True]
    assert [cell.best for cell in mark_best([Cell("1.00"), Cell(EMPTY)])] == [False, False]


def test_a_value_that_chance_may_reach_is_not_the_best():
    row = [Cell("55.00", low=49.0), Cell("52.00", low=51.0)]
    assert [cell.best for cell in mark_best(row, 50.0)] == [False, False]
    assert [cell.best for cell in mark_best(row, 48.0)] == [True, False]
    assert [cell.best for cell in mark_best([Cell("55.00"), Cell("52.00")], 54.0)] == [True, False]


def test_a_detector_that_the_publication_lacks_has_no_reference(project):
    project.scores = {"mine": (CD,), "sad": (CD,)}
    project.labels["mine"] = "Mine"
    project.protocol(["faceapp_ffhq"])
    project.metrics({"faceapp_ffhq": (0.7, 0.75)})
    (table,) = ap_table(project.results(reference=REFERENCE))
    cells = by_label(table)["FaceApp (FFHQ)"].cells
    assert [cell.reference for cell in cells] == ["", "70.51"]
    assert "table 7 of the paper" in table.caption
    project.scores.pop("sad")
    (table,) = ap_table(project.results(reference=REFERENCE))
    assert not table.has_references
    assert "paper" not in table.caption + "".join(table.notes)


def test_sets_of_fakes_alone_are_in_a_table_of_their_own_and_change_no_average(project):
    project.protocol(["a", "b", "c"], unseen=["b", "c"])
    project.metrics({"a": (0.9, 0.9, 0.9, 0.9), "b": (0.8, 0.8, 0.8, 0.8)})
    metrics = project.read("metrics/p/bce.json") | {"accuracy": {"sl": {"c": 0.25}}}
    project.write("metrics/p/bce.json", json.dumps(metrics))
    results = project.results()
    (fakes,) = fake_only_table(results)
    assert [(row.label, texts(row)) for row in fakes.rows] == [("c", ["25.00", EMPTY, EMPTY, EMPTY])]
    (ranked,) = ap_table(results)
    # (90 + 80) / 2 = 85; only one unseen set is ranked, which needs no average.
    assert [(row.label, row.cells[0].text) for row in ranked.rows] == [
        ("a", "90.00"),
        ("b", "80.00"),
        ("Average of all 2", "85.00"),
    ]


def test_each_score_says_at_which_threshold_fakes_alone_are_recognized(project):
    project.fakes_alone({"a": 0.25})
    (table,) = fake_only_table(project.results())
    assert table.rows[0].cells[0].interval == "23.0 … 27.0"
    # A distance gives no probability.
    assert table.notes[0].startswith("BCE, BCE+SAD S_SL: at probability 0.5")
    assert table.notes[1].startswith("SAD, BCE+SAD S_CD")


def test_a_metric_that_the_report_does_not_know_is_shown(project):
    project.protocol(["a", "b"], unseen=["b"])
    project.metrics({"a": (0.9, 0.9, 0.9, 0.9), "b": (0.8, 0.8, 0.8, 0.8)})
    (table,) = metric_table(project.results()) or [None]
    assert table is None  # average precision has its own table
    new = {"auc": {"sl": {"a": 0.75, "b": 0.5, "mean": 0.625}}, "novel": {"sl": {"a": 1.25}}}
    more = {"validation": {"ap": {"sl": 0.9}, "log_loss": 0.1}}  # not by test set
    project.write("metrics/p/bce.json", project.read("metrics/p/bce.json") | new | more)
    project.write("metrics/p/bce.details.json", {"auc_interval": {"sl": {"a": [0.7, 0.8]}}})
    (table,) = metric_table(project.results())
    assert [(row.label, texts(row)[:2]) for row in table.rows] == [
        ("AUC", []),
        ("a", ["0.750", EMPTY]),
        ("b", ["0.500", EMPTY]),
        ("Average", ["0.625", EMPTY]),
        ("novel", []),
        ("a", ["1.250", EMPTY]),
    ]
    assert table.rows[1].cells[0].interval == "0.700 … 0.800"
    assert [row.unseen for row in table.rows] == [False, False, True, False, False, False]


def videos(project, level="video", fakes=0):
    missing = {"undetected": {"reals": 0, "fakes": fakes}, "with_undetected": {"ap": 0.75}}
    row = {"level": level, "score": "sl", "test_set": "celeb_df", "ap": 0.9, "ap_interval": [0.85, 0.95]}
    row |= {"reals": 178, "fakes": 340} | (missing if level == "video" else {})
    project.protocol(["ffhq", "celeb_df"])
    project.metrics({"celeb_df": (0.5, 0.6, 0.7, 0.8)})
    project.write("metrics/p/bce.details.json", {"details": [row]})
    return video_table(project.results())


def test_videos_without_a_face_are_counted(project):
    (table,) = videos(project, fakes=3)
    (row,) = table.rows
    assert row.detail == "178 real, 340 fake; no face in 0 real, 3 fake"
    assert (row.cells[0].text, row.cells[0].interval) == ("90.0", "85.0 … 95.0,\n75.0 with undetected")
    assert row.cells[1].text == EMPTY
    (table,) = videos(project)
    assert table.rows[0].cells[0].interval == "85.0 … 95.0"
    assert table.rows[0].detail == "178 real, 340 fake"


def test_stills_have_no_table_by_video(project):
    assert videos(project, level="frame") == []


def corrupt(project, detector, score, measures):
    def rows(**by_corruption):
        return [
            {"score": score, "corruption": name, "by_set": by_set} for name, by_set in by_corruption.items()
        ]

    clean = {"a": 0.9, "b": 0.7, "mean": 0.8, "mean_unseen": 0.7}
    worse = {"a": 0.8, "b": 0.5, "mean": 0.65, "mean_unseen": 0.5}
    lost = {"mean": [0.15, 0.1, 0.2], "mean_unseen": [0.2, 0.1, 0.3]}
    found = {measure: rows(clean=clean, jpeg_30=worse) for measure in measures}
    project.write(f"metrics/p/{detector}.robustness.json", found | {"ap_lost": rows(jpeg_30=lost)})


def test_corruptions_are_shown_with_the_interval_of_what_is_lost(project):
    project.protocol(["a", "b"], unseen=["b"])
    project.metrics({"a": (0.9, 0.9, 0.9, 0.9), "b": (0.7, 0.7, 0.7, 0.7)})
    assert robustness_blocks(project.results()) == []
    assert robustness_figure(project.results()) == []
    corrupt(project, "sad", "cd", ("ap", "accuracy"))
    _, *tables = robustness_blocks(project.results())
    assert len(tables) == 4  # AP and accuracy, over all sets and over the unseen ones
    assert [row.label for row in tables[0].rows] == ["clean", "JPEG, quality 30"]
    cells = [row.cells[1] for row in tables[0].rows]  # of the four columns the second is SAD's
    assert [(cell.text, cell.interval) for cell in cells] == [("80.0", ""), ("65.0", "lost 10.0 … 20.0")]
    assert tables[0].rows[0].cells[0].text == EMPTY
    (figure,) = robustness_figure(project.results())
    assert len(figure.canvas.axes) == 2


def test_any_metric_under_corruptions_is_shown(project):
    project.protocol(["a", "b"])
    project.metrics({"a": (0.9, 0.9, 0.9, 0.9), "b": (0.7, 0.7, 0.7, 0.7)})
    corrupt(project, "sad", "cd", ("novel",))
    _, table, _ = robustness_blocks(project.results())
    # Nothing says that it is a fraction, so it is not shown in percent.
    assert [row.cells[1].text for row in table.rows] == ["0.800", "0.650"]
    assert "novel" in table.caption


def test_corrupted_sets_of_fakes_alone_show_accuracy(project):
    project.protocol(["a", "b"])
    project.metrics({"a": (0.9, 0.9, 0.9, 0.9), "b": (0.7, 0.7, 0.7, 0.7)})
    corrupt(project, "bce", "sl", ("accuracy",))
    tables = [block for block in robustness_blocks(project.results()) if isinstance(block, Table)]
    assert len(tables) == 2
    assert all("accuracy" in table.caption for table in tables)
    assert len(robustness_figure(project.results())[0].canvas.axes) == 1
