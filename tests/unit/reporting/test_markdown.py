import numpy as np
import pytest

from fakeforensics.images.images import decode
from fakeforensics.reporting.contents import (
    Cell,
    Chapter,
    Column,
    Gallery,
    Report,
    Row,
    Section,
    Strip,
    Table,
    Text,
    Thumbnail,
)
from fakeforensics.reporting.markdown import signed, write_markdown
from fakeforensics.reporting.thumbnails import to_jpeg


def written(tmp_path, *blocks, banner=""):
    chapter = Chapter("p", "A title", "p", ("demo",), (Section("A section", blocks),))
    path = write_markdown(Report("Report", "Lead.", banner, (chapter,)), tmp_path)
    return path.read_text()


def table(*rows):
    return Table("Caption.", "Set", (Column("BCE"), Column("S_SL", "BCE+SAD")), rows, ("A note.",))


def test_a_table_reads_as_github_s_markdown(tmp_path):
    row = Row("new|set", (Cell("70.00", "68.0 … 72.0", best=True), Cell("60.00")), "40 images", unseen=True)
    text = written(tmp_path, table(row))
    assert "| Set | BCE | BCE+SAD S_SL | Images |\n| --- | ---: | ---: | --- |" in text
    assert "| new\\|set † | **70.00** (68.0 … 72.0) | 60.00 | 40 images |" in text
    assert "† unseen." in text
    assert "A note." in text
    assert "thesis" not in text


def test_the_thesis_s_table_follows_with_differences(tmp_path):
    row = Row("a", (Cell("70.00", reference="68.95", difference=1.05), Cell("60.00")))
    text = written(tmp_path, table(row))
    assert "| a | 68.95 (+1.05) | – |" in text


@pytest.mark.parametrize(
    ("difference", "shown"), [(1.05, "+1.05"), (-0.514, "−0.51"), (0.004, "±0.00"), (-0.004, "±0.00")]
)
def test_differences_carry_their_sign(difference, shown):
    assert signed(difference) == shown


def test_warnings_and_banners_stand_out(tmp_path):
    text = written(tmp_path, Text("Careful.", "warning"), banner="Only a demo.")
    assert "> ⚠ Careful." in text
    assert "> **Only a demo.**" in text


def test_a_strip_becomes_one_picture(tmp_path):
    jpeg = to_jpeg(np.full((112, 112, 3), 90, np.uint8))
    strip = Strip(
        "p/a-misses",
        "a: fakes",
        (Thumbnail(jpeg, "1.png", "0.1", True), Thumbnail(jpeg, "2.png", "9", False)),
    )
    text = written(tmp_path, Gallery("The worst.", (strip,)))
    assert "a: fakes: 1 of 2 wrong. From the left, with scores: 1.png (0.1), 2.png (9)." in text
    sheet = decode((tmp_path / "pictures/p/a-misses.jpg").read_bytes())
    assert sheet.shape == (112, 2 * 112 + 4, 3)  # a gap of four pixels between
