"""The report as a whole, and the page that shows it."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakeforensics.palette import series_color
from fakeforensics.reporting.blocks import EMPTY, Chapter, Column, Figure, Report, Section, Table, Text
from fakeforensics.reporting.page import build_report, column_groups, inline, pill, render, write_report

from .conftest import REFERENCE, make_params

VOID = {"meta", "img", "br", "hr", "input", "link"}


def titles(chapter):
    return [section.title for section in chapter.sections if section.blocks]


def warnings(chapter):
    blocks = [block for section in chapter.sections for block in section.blocks]
    return [block.text for block in blocks if isinstance(block, Text) and block.tone != "plain"]


def test_a_full_run_has_every_section(full):
    overview, chapter = full.report("p", reference=REFERENCE).chapters
    assert overview.anchor == "overview"
    assert chapter.tags == ("paper, table 7",)
    assert titles(chapter) == [
        "Average precision",
        "Machine and seeds",
        "Curves",
        "Scores and thresholds",
        "Worst errors",
        "Class counts",
        "Samples",
        "Settings and versions",
    ]


def test_a_view_shows_the_samples_of_the_protocols_that_it_covers(full):
    view = Chapter("study", "A study", "Study", (), covers=("p",))
    params = make_params("p")
    _, study, chapter = build_report([full.results()], params, [view]).chapters
    assert titles(study) == ["Samples"]
    assert "Samples" not in titles(chapter)


def test_sets_of_fakes_alone_go_through_the_same_sections(project):
    project.fakes_alone({"a": 0.5})
    overview, chapter = project.report("p").chapters
    wanted = ["Test sets of fakes alone", "Machine and seeds", "Class counts", "Settings and versions"]
    assert titles(chapter) == wanted
    (table,) = overview.sections[0].blocks
    assert [(row.label, row.cells[0].text) for row in table.rows] == [("p: a", "50.00")]


@pytest.mark.parametrize("demo", [True, False])
def test_a_demo_has_a_banner_in_its_chapter_and_the_overview_names_it(full, demo):
    full.protocol(["stylegan_ffhq"], name="q", demo=demo)
    overview, real, other = full.report("p", "q").chapters
    assert real.banner == ""
    assert bool(other.banner) is demo
    assert ("`q`" in overview.banner) is demo
    assert "`p`" not in overview.banner


def test_a_protocol_that_has_not_run_does_not_hide_the_others(full):
    full.protocol(["a"], name="later")
    overview, _, later = full.report("p", "later").chapters
    assert any("metrics/later/bce.json" in text for text in warnings(overview))
    assert titles(later) == ["Class counts"]


def test_a_detector_that_a_protocol_leaves_out_is_listed_with_the_reason(full):
    full.protocol(["a"], name="q")
    full.metrics({"a": (0.5, 0.6, 0.7, 0.8)}, name="q")
    full.write("metrics/q/bce.json", {"left_out": "it needs no comparison"})
    overview, _, chapter = full.report("p", "q").chapters
    for one in (overview, chapter):
        assert any("bce" in text and "it needs no comparison" in text for text in warnings(one))
    of_p, of_q = overview.sections[0].blocks[0].rows
    assert [cell.text for cell in of_q.cells] == [EMPTY, "60.00", "70.00", "80.00"]
    assert EMPTY not in [cell.text for cell in of_p.cells]
    # A score keeps its color in the chapters of all protocols: that of its place among all of them.
    figure = next(
        block for section in chapter.sections for block in section.blocks if isinstance(block, Figure)
    )
    colors = [line.get_color() for line in figure.canvas.legends[0].get_lines()]
    assert colors == [series_color(n) for n in (1, 2, 3)]


def test_the_overview_averages_the_unseen_sets(full):
    (table,) = full.report("p", reference=REFERENCE).chapters[0].sections[0].blocks
    (row,) = table.rows
    assert [cell.text for cell in row.cells] == ["60.00", "70.00", "65.00", "72.00"]
    assert row.cells[0].reference == "68.95"
    assert row.link == "p"


def test_a_view_over_protocols_takes_their_place_in_the_overview(project):
    project.fakes_alone({"a": 0.5}, name="p")
    project.fakes_alone({"a": 0.6}, name="q")
    params = make_params("p", "q")
    everything = [project.results("p"), project.results("q")]
    view = Chapter("both", "Both", "Both", (), covers=("p",))
    overview, second, *_ = build_report(everything, params, [view]).chapters
    assert second.anchor == view.anchor
    table = next(block for block in overview.sections[0].blocks if isinstance(block, Table))
    assert [row.label for row in table.rows] == ["q: a"]


def test_the_lead_describes_each_detector_and_what_it_sees(full):
    lead = full.report("p", reference=REFERENCE).lead
    for text in ("BCE: what bce is", "S_SL (logit of the classifier)", "BCE+SAD: what joint is", "Somebody"):
        assert text in lead


def test_a_table_says_what_each_detector_saw(full):
    full.card("bce", counts={"train": {"one": {"real": 1200, "pggan": 30}, "two": {"real": 1, "stargan": 4}}})
    counts = {"train": {"one": {"real": 7}, "objects": {"reference": 5}}}
    full.card("sad", sees="reals+reference", counts=counts)
    full.card("joint", sees="reals+simulated")
    table = full.report("p").chapters[0].sections[1].blocks[0]
    assert [column.title for column in table.columns] == ["Trained on", "Training images"]
    assert {row.label: [cell.text for cell in row.cells] for row in table.rows} == {
        "BCE": ["real and fake images", "1,201 real, 34 fake"],
        "SAD": ["real images and a labeled reference set, no fakes (objects)", "7 real, 5 reference"],
        "BCE+SAD": ["real images alone, and fakes that it makes of them itself", EMPTY],
    }


def test_writing_replaces_the_folder(full, tmp_path):
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "old.png").write_bytes(b"")
    page = write_report(full.report("p"), folder)
    assert page.name == "report.html"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    figures = {f"figures/p/{name}.png" for name in ("average-precision", "pr", "roc", "scores")}
    assert names == {"report.html", *figures}


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
    return render(full.report("p", reference=REFERENCE))


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


def test_the_page_shows_ours_the_published_value_and_the_difference(page):
    assert ">60.00</span>" in page
    assert '<span title="the paper">68.95</span>' in page
    assert 'class="difference worse" style="--weight: 50%">−8.95</span>' in page  # 60 − 68.95
    assert '<span class="badge">unseen</span>' in page
    assert page.count("<svg") == 4


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
