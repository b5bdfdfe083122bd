"""The page of a protocol: which sections it has, and what stands first."""

import pytest

from fakeforensics.palette import series_color
from fakeforensics.reporting.blocks import Figure, Text

from .conftest import REFERENCE


def titles(chapter):
    return [section.title for section in chapter.sections if section.blocks]


def warnings(chapter):
    blocks = [block for section in chapter.sections for block in section.blocks]
    return [block.text for block in blocks if isinstance(block, Text) and block.tone != "plain"]


def test_a_full_run_has_every_section(full):
    (chapter,) = full.page(reference=REFERENCE).chapters
    assert chapter.tags == ("paper, table 7",)
    assert titles(chapter) == [
        "In short",
        "Average precision",
        "Machine and seeds",
        "Which threshold to use",
        "Scores and thresholds in pictures",
        "Curves",
        "Samples",
        "Worst errors",
        "Class counts",
        "Settings and versions",
    ]
    open_ = [section.title for section in chapter.sections if section.blocks and not section.folded]
    assert open_ == [
        *("In short", "Average precision", "Machine and seeds"),
        *("Which threshold to use", "Samples"),
    ]


def test_sets_of_fakes_alone_go_through_the_same_sections(project):
    project.fakes_alone({"a": 0.5})
    (chapter,) = project.page().chapters
    wanted = ["Test sets of fakes alone", "Machine and seeds", "Class counts", "Settings and versions"]
    assert titles(chapter) == ["In short", *wanted]


@pytest.mark.parametrize("demo", [True, False])
def test_a_demo_has_a_banner(full, demo):
    full.protocol(["stylegan_ffhq"], demo=demo)
    (chapter,) = full.page().chapters
    assert bool(chapter.banner) is demo


def test_a_page_names_the_files_that_are_missing(full):
    full.protocol(["a"], name="later")
    (later,) = full.page("later").chapters
    assert any("metrics/later/bce.json" in text for text in warnings(later))
    assert titles(later) == ["In short", "Class counts"]


def test_a_detector_that_a_protocol_leaves_out_is_listed_with_the_reason(full):
    full.protocol(["a"], name="q")
    full.metrics({"a": (0.5, 0.6, 0.7, 0.8)}, name="q")
    full.write("metrics/q/bce.json", {"left_out": "it needs no comparison"})
    (chapter,) = full.page("q").chapters
    assert any("bce" in text and "it needs no comparison" in text for text in warnings(chapter))
    # A score keeps its color on all pages: the place of the detector that is left out stays free.
    figure = next(
        block for section in chapter.sections for block in section.blocks if isinstance(block, Figure)
    )
    colors = [line.get_color() for line in figure.canvas.legends[0].get_lines()]
    assert colors == [series_color(n) for n in (1, 2, 3)]


def test_the_lead_cites_the_publication(full):
    assert "Somebody" in full.page(reference=REFERENCE).lead
