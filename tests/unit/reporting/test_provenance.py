"""What the results rest on: class counts, the audit of the images, settings."""

import pytest

from fakeforensics.reporting.blocks import EMPTY, Text
from fakeforensics.reporting.provenance import (
    audit_blocks,
    count_blocks,
    flatten,
    format_table,
    leak_table,
    settings_table,
)

CLEAN = {
    "real": 60,
    "fake": 40,
    "auc": 0.5012,
    "p_value": 0.4,
    "is_biased": False,
    "telling": [],
    "properties": {},
    "methods": {},
}
BIASED = {
    "real": 109,
    "fake": 119,
    "auc": 0.554,
    "p_value": 0.006,
    "is_biased": True,
    "telling": ["JPEG quality: real 95 (100%), fake 95 (88%) / 75 (12%)"],
    "properties": {
        "JPEG quality": {"distance": 0.12, "p_value": 0.0002, "is_telling": True, "values": ""},
        "frames": {"distance": 0.05, "p_value": 0.3, "is_telling": False, "values": ""},
    },
    "methods": {"a": ["JPEG quality"]},
}
FEW = {
    "real": 8,
    "fake": 8,
    "auc": None,
    "p_value": None,
    "is_biased": False,
    "telling": [],
    "properties": {},
    "methods": {},
}


def coded(files, label, quality, form="JPEG"):
    same = {"files": files, "label": label, "format": {form: files}, "size": {"600x400": files}}
    same["chroma sampling"] = {"" if form == "PNG" else "4:2:0": files}
    return same | {"JPEG quality": quality, "codec profile": {"": files}}


FORMATS = {
    "mine/faces/photoshop": coded(120, 1, {"95": 106, "75": 14}),
    "mine/faces/real": coded(109, 0, {"95": 109}),
    "mine/faces/tidy": coded(50, 1, {"95": 50}),
    "mine/plain/gan": coded(10, 1, {"-1": 10}, "PNG"),
}


@pytest.fixture
def audited(project):
    def make(**changes):
        project.protocol(["photoshop", "a", "b"], unseen=["photoshop"])
        near = {"checked": 900, "of": 1000, "pairs": 0, "examples": []}
        audit = {
            "warnings": [],
            "format_bias": {"train": CLEAN, "photoshop": BIASED, "a": FEW},
            "formats": FORMATS,
            "copies": {
                "identical_within_split": {"train": 3, "val": 0, "test": 0},
                "near_across_splits": near,
            },
        }
        project.write("data/manifests/p/audit.json", audit | changes)
        return project.results()

    return make


def test_a_format_that_gives_fakes_away_is_a_warning_and_its_p_value_stands_out(audited):
    warning, bias, properties, *_ = audit_blocks(audited())
    assert warning.tone == "warning"
    assert "photoshop: `p = 0.006`, AUC 0.55" in warning.text
    assert "fake 95 (88%) / 75 (12%)" in warning.text
    assert {row.label: [cell.text for cell in row.cells] for row in bias.rows} == {
        "Training": ["60", "40", "0.50", "0.4"],
        "photoshop": ["109", "119", "0.55", "0.006"],
        "a": ["8", "8", EMPTY, EMPTY],
    }
    assert [cell.text for row in bias.rows for cell in row.cells if cell.alarm] == ["0.006"]
    assert [row.label for row in properties.rows] == ["JPEG quality", "frames"]
    # training has no property that varies, and `a` was not tested
    assert [[cell.text for cell in row.cells] for row in properties.rows] == [
        [EMPTY, "0.0002"],
        [EMPTY, "0.3"],
    ]
    assert [cell.text for row in properties.rows for cell in row.cells if cell.alarm] == ["0.0002"]
    assert any("a differs from the real files in JPEG quality" in note for note in properties.notes)
    assert len(bias.notes) == 3  # the last two: `a` has too few files, `b` only fakes


def test_few_groups_with_a_format_of_their_own_are_a_warning_without_a_test(audited):
    told = {"format": {"distance": 1.0, "p_value": 0.1, "is_telling": True, "values": ""}}
    few = FEW | {
        "is_biased": True,
        "telling": ["format: real JPEG (100%), fake PNG (100%)"],
        "properties": told,
    }
    warning, _, properties, *_ = audit_blocks(audited(format_bias={"train": CLEAN, "a": few}))
    assert "8 real and 8 fake groups" in warning.text
    assert "fake PNG (100%)" in warning.text
    assert [[cell.text for cell in row.cells] for row in properties.rows] == [[EMPTY, "0.1"]]
    assert properties.rows[0].cells[1].alarm


def test_without_bias_there_is_no_warning(audited):
    blocks = audit_blocks(audited(format_bias={"train": CLEAN}))
    assert not any(isinstance(block, Text) for block in blocks)
    assert not any(cell.alarm for block in blocks for row in block.rows for cell in row.cells)


def test_each_class_stands_below_its_real_images_and_differences_are_bold():
    table = format_table(FORMATS)
    assert [row.label for row in table.rows] == [
        "mine / faces / real",
        "mine / faces / photoshop",
        "mine / faces / tidy",
        "mine / plain / gan",
    ]
    texts = [cell.text for cell in table.rows[1].cells]
    # 106 of 120 and 14 of 120: 12% of the files differ from the real ones.
    assert texts == ["120", "JPEG", "600 × 400", "4:2:0", "95 (88%), 75 (12%)"]
    assert "Codec profile" not in [column.title for column in table.columns]  # none has one
    assert [cell.text for row in table.rows for cell in row.cells if cell.best] == ["95 (88%), 75 (12%)"]
    assert [cell.text for cell in table.rows[3].cells][3:] == [EMPTY, EMPTY]


def test_the_long_tail_of_a_distribution_is_summed_up():
    sizes = {f"{n}x{n}": 50 - n for n in range(1, 5)} | {"others": 9}  # 49 + 48 + 47 + 46 + 9
    (row,) = format_table({"s/d/real": coded(199, 0, {"95": 199}) | {"size": sizes}}).rows
    assert row.cells[2].text == "1 × 1 (25%), 2 × 2 (24%), 3 × 3 (24%), others (28%)"


def test_duplicates_within_and_across_splits(audited):
    pairs = [{"one": "s/1", "other": "s/2", "bits": 3}]
    found = {"checked": 900, "of": 1000, "pairs": 7, "examples": pairs}
    copies = {"identical_within_split": {"train": 3, "val": 0, "test": 0}, "near_across_splits": found}
    table, warning, examples = audit_blocks(audited(copies=copies))[-3:]
    assert [row.cells[0].text for row in table.rows] == ["3", "0", "0", "0", "7"]
    assert table.rows[-1].cells[0].alarm
    assert table.rows[-1].cells[1].text == "pairs among 900 of 1,000 images"
    assert warning.tone == "warning"
    assert [cell.text for cell in examples.rows[0].cells] == ["s/2", "3"]


def test_near_duplicates_that_were_not_searched_for_are_not_counted(audited):
    copies = {"identical_within_split": {"train": 0, "val": 0, "test": 0}}
    table = audit_blocks(audited(copies=copies))[-1]
    assert [cell.text for cell in table.rows[-1].cells] == [EMPTY, "not searched for"]


def test_no_audit_is_no_section(project):
    project.protocol(["a"])
    assert audit_blocks(project.results()) == []


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
    table, dropped, subsampled, overlap = count_blocks(project.results())
    assert cells(table.rows[0]) == ["1,000", "990", "x/real 1,000, x/stylegan 990"]
    assert [row.unseen for row in table.rows] == [False, False, False, True]
    assert "1,200 (straddles train and val)" in dropped.text
    assert "9,000" in subsampled.text
    assert all(number in overlap.text for number in ("59", "40", "6"))


def test_repeated_reals_are_told_where_they_are_counted(project):
    for how, notes in (("shared", 0), ("repeated", 1)):
        project.protocol(["a"], reals=how)
        project.counts(["a"])
        assert len(count_blocks(project.results())[0].notes) == notes


def test_missing_counts_are_a_warning(project):
    project.protocol(["a"])
    (block,) = count_blocks(project.results())
    assert block.tone == "warning"


def test_settings_are_side_by_side(project):
    project.protocol(["a"])
    project.metrics({"a": (0.5, 0.6, 0.7, 0.8)})
    (project.root / "metrics/p/sad.json").unlink()
    project.card("bce", settings={"seed": 0, "train": {"betas": [0.9, 0.999]}})
    project.card("joint", settings={"seed": 0, "lambda": 0.01}, sees="reals")
    (table,) = settings_table(project.results())
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


def test_what_a_cut_by_video_shares_is_set_next_to_a_cut_by_person(project):
    people = {"celeb": {"train": 59, "val": 59, "test": 56, "train_test": 56, "val_test": 50}}
    leaks = {"persons_train_val": 59, "test": 518, "test_related": 438}
    leaks |= {"real_relatives": 164, "fake_relatives": 2603}
    project.protocol(["a"])
    project.counts(["a"], identity_overlap=people, leaks={"celeb": leaks})
    project.protocol(["a"], name="strict")
    dropped = {"celeb": {"straddles": 100, "relatives": 1200}}
    project.counts(["a"], name="strict", identity_overlap=people, dropped=dropped)
    (table,) = leak_table([project.results(), project.results("strict")])
    by_video, by_person = ([cell.text for cell in row.cells] for row in table.rows)
    assert by_video == ["video", "59", "56 of 56", "438 of 518", "164", "2,603", "0"]
    assert by_person == ["person", "0", "56 of 56", "0", "0", "0", "1,300"]
    remarks = [block.text for block in count_blocks(project.results()) if isinstance(block, Text)]
    assert any("438 of 518 test videos have a relative" in text and "59 persons" in text for text in remarks)
    # What any official list shares is no fault of the cut.
    assert [cell.alarm for cell in table.rows[0].cells] == [False, True, False, True, True, True, False]
    assert not any(cell.alarm for cell in table.rows[1].cells)


def test_without_persons_nothing_is_said_about_them(project):
    project.protocol(["a"])
    project.counts(["a"])
    assert leak_table([project.results()]) == []
