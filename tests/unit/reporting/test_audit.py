"""The audit in the report: what stands out, and what is merely listed."""

import pytest

from fakeforensics.reporting.audit import audit_blocks
from fakeforensics.reporting.contents import EMPTY, Chapter, Report, Section, Table, Text
from fakeforensics.reporting.format_table import format_table
from fakeforensics.reporting.html import write_html
from fakeforensics.reporting.markdown import write_markdown

CLEAN = {"real": 60, "fake": 40, "auc": 0.5012, "p_value": 0.4, "is_biased": False, "telling": []}
BIASED = {
    "real": 109,
    "fake": 119,
    "auc": 0.554,
    "p_value": 0.006,
    "is_biased": True,
    "telling": ["JPEG quality: real 95 (100%), fake 95 (88%) / 75 (12%)"],
}
FEW = {"real": 8, "fake": 8, "auc": None, "p_value": None, "is_biased": False, "telling": []}


def coded(files, label, quality, form="JPEG"):
    same = {"files": files, "label": label, "format": {form: files}, "size": {"600x400": files}}
    return same | {"jpeg_quality": quality, "chroma_sampling": {"" if form == "PNG" else "4:2:0": files}}


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


def test_a_format_that_gives_fakes_away_is_told_first_and_its_p_value_stands_out(audited):
    warning, bias, *_ = audit_blocks(audited())
    assert warning.tone == "warning"
    assert "alone tells real from fake in photoshop: `p = 0.006`, AUC 0.55" in warning.text
    assert "fake 95 (88%) / 75 (12%)" in warning.text
    assert {row.label: [cell.text for cell in row.cells] for row in bias.rows} == {
        "Training": ["60", "40", "0.50", "0.4"],
        "photoshop": ["109", "119", "0.55", "0.006"],
        "a": ["8", "8", EMPTY, EMPTY],
    }
    assert [cell.text for row in bias.rows for cell in row.cells if cell.alarm] == ["0.006"]
    assert any("too few to test" in note for note in bias.notes)
    assert any(note.endswith("nothing but fakes: b.") for note in bias.notes)


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
    assert texts == ["120", "JPEG", "600 × 400", "95 (88 %), 75 (12 %)", "4:2:0"]
    assert [cell.text for row in table.rows for cell in row.cells if cell.best] == ["95 (88 %), 75 (12 %)"]
    assert [cell.text for cell in table.rows[3].cells][3:] == [EMPTY, EMPTY]


def test_the_long_tail_of_a_distribution_is_summed_up():
    sizes = {f"{n}x{n}": 50 - n for n in range(1, 5)} | {"others": 9}  # 49 + 48 + 47 + 46 + 9
    (row,) = format_table({"s/d/real": coded(199, 0, {"95": 199}) | {"size": sizes}}).rows
    assert row.cells[2].text == "1 × 1 (25 %), 2 × 2 (24 %), 3 × 3 (24 %), others (28 %)"


def test_copies_within_and_across_splits(audited):
    pairs = [{"one": "s/1", "other": "s/2", "bits": 3}]
    found = {"checked": 900, "of": 1000, "pairs": 7, "examples": pairs}
    copies = {"identical_within_split": {"train": 3, "val": 0, "test": 0}, "near_across_splits": found}
    table, warning, examples = audit_blocks(audited(copies=copies))[-3:]
    assert [row.cells[0].text for row in table.rows] == ["3", "0", "0", "0", "7"]
    assert table.rows[-1].cells[0].alarm
    assert table.rows[-1].cells[1].text == "pairs among 900 of 1,000 images"
    assert warning.text.startswith("7 pairs of images in different splits look alike")
    assert [cell.text for cell in examples.rows[0].cells] == ["s/2", "3"]
    assert examples.caption == "Near copies across splits, the first 1."


def test_near_copies_that_were_not_looked_for_are_not_counted(audited):
    copies = {"identical_within_split": {"train": 0, "val": 0, "test": 0}}
    table = audit_blocks(audited(copies=copies))[-1]
    assert [cell.text for cell in table.rows[-1].cells] == [EMPTY, "not looked for"]


def test_no_audit_is_no_section(project):
    project.protocol(["a"])
    assert audit_blocks(project.results()) == []


def test_what_stands_out_does_so_in_both_formats(audited, tmp_path):
    blocks = tuple(audit_blocks(audited()))
    chapter = Chapter("p", "Title", "p", (), (Section("Audit", blocks),))
    report = Report("Title", "Lead", "", (chapter,))
    write_html(report, tmp_path)
    write_markdown(report, tmp_path)
    assert '<span class="alarm">0.006</span>' in (tmp_path / "report.html").read_text()
    assert "| ⚠ **0.006** |" in (tmp_path / "report.md").read_text()
    assert isinstance(blocks[1], Table)
