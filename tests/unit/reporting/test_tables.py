"""The smaller tables: counts, thresholds, settings, overview."""

from fakeforensics.reporting.contents import EMPTY, Table, Text
from fakeforensics.reporting.count_table import count_blocks
from fakeforensics.reporting.facts import fact_blocks, flatten
from fakeforensics.reporting.overview import overview
from fakeforensics.reporting.rule_table import rule_blocks
from fakeforensics.reporting.thesis import load_reference
from fakeforensics.reporting.threshold_table import threshold_blocks, thresholds_of
from tests.score_specs import SL

from .conftest import pair


def cells(row):
    return [cell.text for cell in row.cells]


def test_counts_are_shown_per_split_and_test_set(project):
    project.protocol(["a", "b"], unseen=["b"])
    project.counts(
        ["a", "b"],
        dropped={"celeb_df": {"straddles train and val": 1200}},
        subsampled={"dffd test ffhq/real": 9000},
        identity_overlap={"celeb_df": {"train": 40, "val": 6, "test": 59, "train_test": 40, "val_test": 6}},
    )
    table, *remarks = count_blocks(project.results())
    assert cells(table.rows[0]) == ["1,000", "990", "x/real 1,000, x/stylegan 990"]
    assert [row.unseen for row in table.rows] == [False, False, False, True]
    assert [remark.text for remark in remarks] == [
        "Left out of celeb_df: 1,200 (straddles train and val).",
        "dffd test ffhq/real was sub-sampled from 9,000 images.",
        "celeb_df: 40 of the 59 persons in test videos are trained on too, and 6 are validated on.",
    ]


def test_missing_counts_are_said_to_be_missing(project):
    project.protocol(["a"])
    (block,) = count_blocks(project.results())
    assert isinstance(block, Text)
    assert block.tone == "warning"


def test_the_oracle_s_threshold_stands_beside_validation_s(project):
    project.protocol(["a", "b"], unseen=["b"])
    project.metrics({"a": (0.5, 0.6, 0.7, 0.8)})
    project.thresholds(pair(SL, "a") + pair(SL, "a", "f1"))
    _, table = threshold_blocks(project.results(), None, "accuracy")
    # 80 % at the set's own best, 67.5 % at validation's: 12.5 points lost.
    assert cells(table.rows[0]) == ["0.5", "75.0", "90.0", "80.0", "75.0", "90.0", "67.5", "12.5"]
    assert cells(table.rows[1]) == [EMPTY] * 8
    assert "Validation chose 0.731" in table.caption
    bce, sad, *_ = project.results().columns
    assert thresholds_of(project.results(), bce, "accuracy").chosen == 1.0
    assert thresholds_of(project.results(), sad, "accuracy").chosen is None


def test_table_4_10_stands_beside_the_cnn_synth_protocol_only(project):
    project.protocol(["san"], reference="table_4_3")
    project.metrics({"san": (0.5, 0.6, 0.7, 0.8)})
    project.thresholds(pair(SL, "san"))
    _, table = threshold_blocks(project.results(), load_reference("table_4_3"), "accuracy")
    san = next(row for row in table.rows if row.label == "SAN")
    assert cells(san)[-2:] == ["4.34e-11", "63.0"]
    assert any("names neither its model nor its criterion" in note for note in table.notes)


def test_rules_are_compared_on_the_test_sets_as_they_are(project):
    def rule(name, accuracy, share="own", sets=2):
        what = {"score": "cd", "rule": name, "saw": f"the saw of {name}", "fake_share": share}
        interval = [round(accuracy - 0.01, 3), round(accuracy + 0.01, 3)]
        what |= {"accuracy": accuracy, "accuracy_interval": interval, "sets": sets, "of_sets": 2}
        return what | {"gap_closed": 0.5, "leans_on_fake_share": sets == 1}

    project.protocol(["a", "b"])
    project.metrics({"a": (0.5, 0.6, 0.7, 0.8)})
    rows = [rule("validation", 0.7), rule("validation", 0.9, share=0.01), rule("oracle", 0.8)]
    rows.append(rule("valley", 0.75, sets=1))
    project.write("metrics/p/sad.thresholds.json", {"table_4_10": [], "deployable": rows})
    (table,) = rule_blocks(project.results())
    assert {row.label: cells(row) for row in table.rows} == {
        "oracle": [EMPTY, "80.0", EMPTY, EMPTY],
        "validation": [EMPTY, "70.0", EMPTY, EMPTY],
        "valley": [EMPTY, "75.0", EMPTY, EMPTY],
    }
    assert table.rows[1].detail == "looks at the saw of validation"
    assert table.rows[1].cells[1].interval == "69.0 … 71.0"
    assert table.rows[2].cells[1].interval == "74.0 … 76.0,\n1 of 2 sets,\ncloses 50 %,\nleans"


def test_no_thresholds_no_table(project):
    project.protocol(["a"])
    assert threshold_blocks(project.results(), None, "accuracy") == []
    assert rule_blocks(project.results()) == []


def test_settings_stand_side_by_side(project):
    project.protocol(["a"])
    project.metrics({"a": (0.5, 0.6, 0.7, 0.8)})
    (project.root / "metrics/p/sad.json").unlink()
    project.card("bce", settings={"seed": 0, "train": {"betas": [0.9, 0.999]}})
    project.card("joint", settings={"seed": 0, "lambda": 0.01}, sees="reals")
    (table,) = fact_blocks(project.results())
    assert [column.title for column in table.columns] == ["bce", "joint"]
    rows = {row.label: cells(row) for row in table.rows}
    assert rows["settings.seed"] == ["0", "0"]
    assert rows["settings.train.betas"] == ["0.9, 0.999", EMPTY]
    assert rows["settings.lambda"] == [EMPTY, "0.01"]
    assert rows["detector.sees"] == ["reals+fakes", "reals"]
    assert rows["detector.scores.2.label"] == [EMPTY, "S_CD"]


def test_flattened_values_read_well():
    value = {"a": None, "b": True, "c": {"d": 1e-4}, "e": "x" * 80, "f": [{"g": 1}, {"g": []}]}
    shown = {"a": "none", "b": "yes", "c.d": "0.0001", "e": "x" * 63 + "…", "f.1.g": "1", "f.2.g": ""}
    assert dict(flatten(value)) == shown


def test_the_overview_averages_unseen_sets_and_names_what_is_missing(full):
    (section,) = overview([(full.results(), load_reference("table_4_4"))]).sections
    (table,) = section.blocks
    assert isinstance(table, Table)
    (row,) = table.rows
    assert cells(row) == ["60.00", "70.00", "65.00", "72.00"]
    assert row.cells[0].reference == "68.95"
    assert row.link == "p"
    (full.root / "metrics/p/sad.json").unlink()
    *_, warning = overview([(full.results(), None)]).sections[0].blocks
    assert "metrics/p/sad.json" in warning.text


def test_the_overview_shows_each_set_of_fakes_alone_where_most_was_seen(project):
    project.pilot({"cramergan": {"2": 0.5, "3": 0.75}}, reference="table_3_4")
    ((table,),) = [
        section.blocks for section in overview([(project.results(), load_reference("table_3_4"))]).sections
    ]
    (row,) = table.rows
    assert row.label == "p: CramerGAN"
    assert "3 instances seen" in row.detail
    assert cells(row) == ["75.00"] * 4
    # Table 3.4 after three instances; the thesis trained with BCE alone.
    assert [cell.reference for cell in row.cells] == ["99.98", "", "", ""]


def test_the_sizes_of_the_pilot_studys_training_are_told(project):
    project.pilot({"a": {"1": 0.5, "2": 0.75}})
    remarks = [block.text for block in count_blocks(project.results()) if isinstance(block, Text)]
    assert remarks == ["Each of the 2 models is trained on 1,000 real and 1,000 fake images of these."]
