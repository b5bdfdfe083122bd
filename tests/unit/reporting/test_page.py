"""How a page is rendered and written."""

import base64
import hashlib
import os
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakeforensics.images.codec import decode
from fakeforensics.palette import rgb
from fakeforensics.reporting.blocks import Cell, Chapter, Column, Report, Row, Section, Table, Text
from fakeforensics.reporting.page import column_groups, inline, pill, render, write_page

from .conftest import REFERENCE

VOID = {"meta", "img", "br", "hr", "input", "link"}


def test_writing_replaces_the_folder(full, tmp_path):
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "old.png").write_bytes(b"")
    page = write_page(full.page(), folder)
    assert page.name == "index.html"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    figures = {f"{name}.svg" for name in ("average-precision", "pr", "roc", "scores")}
    assert names == {"index.html", "thumbnails.jpg", *figures}


def test_a_page_that_did_not_change_keeps_its_files_and_their_times(full, tmp_path):
    folder = tmp_path / "p"
    write_page(full.page(), folder)
    for path in folder.iterdir():
        os.utime(path, (1, 1))
    write_page(full.page(), folder)
    assert {path.stat().st_mtime for path in folder.iterdir()} == {1}
    full.metrics({"stylegan_ffhq": (0.5,) * 4, "faceapp_ffhq": (0.5,) * 4})
    write_page(full.page(), folder)
    assert {path.stat().st_mtime == 1 for path in folder.iterdir()} == {False}


class Balance(HTMLParser):
    """Collects ids, and fails on a tag that closes another."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links = [], [], []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if "id" in values:
            self.ids.append(values["id"])
        if str(values.get("href", "")).startswith("#"):
            self.links.append(values["href"][1:])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def page(full):
    return render(full.page(reference=REFERENCE))


def test_the_page_needs_nothing_from_outside(page):
    assert "http:" not in page
    assert "https:" not in page
    assert "@import" not in page
    assert "url(" not in page
    sources = re.findall(r'(?:src|<image href)="([^"]*)', page)
    figures = {f"{name}.svg" for name in ("average-precision", "pr", "roc", "scores")}
    assert set(sources) == {"thumbnails.jpg", *figures}


def test_the_page_runs_its_own_script_alone(page):
    (script,) = re.findall(r"<script>(.*)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert "<script" not in render(Report("R", "L", (Chapter("p", "P", "p", ()),)))


def test_tables_are_sortable_unless_rows_belong_together():
    def table(*rows):
        return Table("", "", (Column("a"),), rows)

    one, total, head = Row("a", (Cell("1"),)), Row("all", (Cell("3"),), summary=True), Row("heading")
    assert table(one, one, one, total).is_sortable
    assert not table(one, one, total).is_sortable  # two rows need no sorting
    assert not table(head, one, one, one).is_sortable


def test_headings_are_in_order_and_pictures_have_texts(page):
    levels = [int(level) for level in re.findall(r"<h([1-6])", page)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(re.findall(r'<img [^>]*alt="([^"]*)"', page))
    assert page.count("<svg") == page.count('role="img" aria-label="')


def test_a_thumbnail_is_a_window_on_the_sheet(full, tmp_path):
    folder = write_page(full.page(), tmp_path / "p").parent
    sheet = decode((folder / "thumbnails.jpg").read_bytes())
    html = (folder / "index.html").read_text()
    windows = [tuple(map(int, box.split())) for box in re.findall(r'viewBox="([\d ]+)"', html)]
    titles = re.findall(r"<title>([^<]*)</title><image", html)
    # The contact sheet comes first: of the training images the reals 2 and 6, gray levels 42 and 46.
    assert [title.rpartition(" ")[2] for title in titles[:2]] == ["2.png", "6.png"]
    for (left, top, width, height), level in zip(windows[:2], (42, 46), strict=False):
        assert abs(sheet[top : top + height, left : left + width].mean() - level) < 2


def contrast(one, other):
    """WCAG 2.2: (L1 + 0.05) / (L2 + 0.05), with relative luminances."""

    def luminance(color):
        parts = [value / 255 for value in rgb(color)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_texts_can_be_read_on_every_ground(page):
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    css = page[page.index("<style>") : page.index("</style>")]
    light, dark = {}, {}
    for name, color in re.findall(r"--([\w-]+): (#[0-9a-f]{6})", css):
        (dark if name in light else light)[name] = color
    for colors in (light, light | dark):
        for text in ("ink", "muted", "alarm", "warning", "series-3"):
            for ground in ("paper", "page", "tint"):
                assert contrast(colors[text], colors[ground]) >= 4.5, (text, ground, colors[text])


def test_the_page_is_well_formed_and_its_links_lead_somewhere(page):
    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    assert len(set(parser.ids)) == len(parser.ids)
    assert set(parser.links) <= set(parser.ids)


def test_the_page_shows_ours_the_published_value_and_the_difference(page):
    assert ">60.00</span>" in page
    assert '<span title="the paper">68.95</span>' in page
    assert 'class="difference worse" style="--weight: 50%">−8.95</span>' in page  # 60 − 68.95
    assert '<span class="badge">unseen</span>' in page
    assert page.count(".svg") == 4


def test_text_from_files_cannot_become_markup():
    text = Text("<script>x</script> & `a<b`")
    page = render(Report("<i>R</i>", "L", (Chapter("p", "<b>title</b>", "p", (Section("S", (text,)),)),)))
    assert "<script>" not in page
    assert "<b>title" not in page
    assert "<i>R" not in page
    assert "<code>a&lt;b</code>" in page


@pytest.mark.parametrize(
    ("difference", "tone", "weight", "shown"),
    [
        (0.004, "same", 8, "±0.00"),
        (5.0, "better", 32, "+5.00"),
        (-10.0, "worse", 55, "−10.00"),
        (-40.0, "worse", 55, "−40.00"),
    ],
)
def test_a_larger_difference_has_a_deeper_color(difference, tone, weight, shown):
    # From 8 % of color to 55 % at ten points: 8 + 47 · 5 / 10 = 31.5.
    assert f'difference {tone}" style="--weight: {weight}%">{shown}<' in pill(difference)


@given(st.text(alphabet="<>&`'\"aS_CDL "))
def test_no_text_opens_a_tag_of_its_own(text):
    html = str(inline(text))
    assert "<" not in re.sub(r"</?(code|sub)>", "", html)
    assert html.count("<code>") == html.count("</code>")


def test_scores_get_their_subscripts():
    assert inline("BCE+SAD S_CD") == "BCE+SAD S<sub>CD</sub>"
    assert inline("My S_k2: `S_CD`, stylegan_ffhq") == "My S<sub>k2</sub>: <code>S_CD</code>, stylegan_ffhq"


def test_neighboring_columns_share_their_heading():
    columns = (Column("a"), Column("b", "g"), Column("c", "g"))
    assert column_groups(Table("", "", columns, ())) == [("", 1), ("g", 2)]
