import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakeforensics.reporting.assemble import build_report
from fakeforensics.reporting.contents import Chapter, Column, Report, Section, Table, Text
from fakeforensics.reporting.html import column_groups, inline, pill, write_html

from .conftest import make_params

VOID = {"meta", "img", "br", "hr", "input", "link"}


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
def page(full, tmp_path):
    report = build_report(full.root, make_params("p"))
    return write_html(report, tmp_path).read_text()


def test_the_page_needs_nothing_from_outside(page):
    assert "http:" not in page
    assert "https:" not in page
    assert "<script" not in page
    assert "@import" not in page
    sources = re.findall(r'src="([^"]{0,30})', page)
    assert sources
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", page))


def test_the_page_is_well_formed_and_its_links_lead_somewhere(page):
    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    assert len(set(parser.ids)) == len(parser.ids)
    assert set(parser.links) <= set(parser.ids)


def test_the_page_shows_ours_the_thesis_and_the_difference(page):
    assert ">60.00</span>" in page
    assert '<span title="the thesis">68.95</span>' in page
    assert 'class="difference worse" style="--weight: 50%">−8.95</span>' in page  # 60 − 68.95
    assert '<span class="badge">unseen</span>' in page
    assert page.count("<svg") == 4
    assert "Settings and versions" in page


def test_text_from_files_cannot_become_markup(tmp_path):
    chapter = Chapter("p", "<b>title</b>", "p", (), (Section("S", (Text("<script>x</script> & `a<b`"),)),))
    page = write_html(Report("<i>R</i>", "L", "", (chapter,)), tmp_path).read_text()
    assert "<script>" not in page
    assert "<b>title" not in page
    assert "<i>R" not in page
    assert "<code>a&lt;b</code>" in page


@pytest.mark.parametrize(
    ("difference", "tone", "weight"),
    [(0.0, "same", 8), (5.0, "better", 32), (-10.0, "worse", 55), (-40.0, "worse", 55)],
)
def test_a_larger_difference_has_a_deeper_color(difference, tone, weight):
    # From 8 % of color to 55 % at ten points: 8 + 47 · 5 / 10 = 31.5.
    assert f'difference {tone}" style="--weight: {weight}%"' in pill(difference)


@given(st.text(alphabet="<>&`'\"aS_CDL "))
def test_no_text_opens_a_tag_of_its_own(text):
    html = str(inline(text))
    assert "<" not in re.sub(r"</?(code|sub)>", "", html)
    assert html.count("<code>") == html.count("</code>")


def test_scores_get_their_subscripts():
    assert inline("BCE+SAD S_CD") == "BCE+SAD S<sub>CD</sub>"
    assert inline("My S_k2: `S_CD`, stylegan_ffhq") == "My S<sub>k2</sub>: <code>S_CD</code>, stylegan_ffhq"


def test_neighbouring_columns_share_their_heading():
    columns = (Column("a"), Column("b", "g"), Column("c", "g"))
    assert column_groups(Table("", "", columns, ())) == [("", 1), ("g", 2)]
