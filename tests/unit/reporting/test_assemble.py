import pytest

from fakeforensics.errors import UserError
from fakeforensics.reporting.assemble import build_report
from fakeforensics.reporting.contents import EMPTY, Figure, Text
from fakeforensics.reporting.drawing import series_color
from fakeforensics.reporting.write import write_report

from .conftest import make_params


def test_a_full_run_has_every_section(full):
    overview, chapter = build_report(full.root, make_params("p")).chapters
    assert overview.anchor == "overview"
    assert chapter.tags == ("thesis, table 4.4",)
    assert [section.title for section in chapter.sections] == [
        "Average precision",
        "Curves",
        "Scores and thresholds",
        "Worst errors",
        "Class counts",
        "Settings and versions",
    ]


def test_a_demo_is_called_so_in_the_banner_and_at_its_chapter(project):
    project.protocol(["a"], source="demo_dffd")
    project.metrics({"a": (0.5, 0.6, 0.7, 0.8)})
    report = build_report(project.root, make_params("p"))
    assert report.banner.startswith("`p` runs on the embedded demo")
    assert "nothing about real forgeries" in report.banner
    assert report.chapters[1].tags == ("demo, not real forgeries",)


def test_real_data_has_no_demo_banner(full):
    assert build_report(full.root, make_params("p")).banner == ""


def test_a_protocol_that_has_not_run_does_not_hide_the_others(full):
    full.protocol(["a"], name="later")
    overview, _, later = build_report(full.root, make_params("p", "later")).chapters
    warning = overview.sections[0].blocks[-1]
    assert "metrics/later/bce.json" in warning.text
    assert [section.title for section in later.sections] == ["Class counts"]


def test_nothing_evaluated_is_an_error(project):
    project.protocol(["a"])
    with pytest.raises(UserError, match="nothing to report") as error:
        build_report(project.root, make_params("p", detectors=("mine", "yours")))
    assert "metrics/p/mine.json, metrics/p/yours.json" in str(error.value)


def test_metrics_without_a_model_s_card_are_nothing_to_report(project):
    project.protocol(["a"])
    project.write("metrics/p/mine.json", {"ap": {"x": {"a": 0.5}}})
    with pytest.raises(UserError, match=r"models/p/mine/model\.json"):
        build_report(project.root, make_params("p", detectors=("mine",)))


def test_a_detector_that_a_protocol_leaves_out_is_told_with_the_reason(full):
    full.protocol(["a"], name="q")
    full.metrics({"a": (0.5, 0.6, 0.7, 0.8)}, name="q")
    full.write("metrics/q/bce.json", {"left_out": "it needs no comparison"})
    overview, _, chapter = build_report(full.root, make_params("p", "q")).chapters
    for sections in (overview.sections, chapter.sections):
        texts = [block.text for section in sections for block in section.blocks if isinstance(block, Text)]
        assert any("bce" in text and "it needs no comparison" in text for text in texts)
    of_p, of_q = overview.sections[0].blocks[0].rows
    assert [cell.text for cell in of_q.cells] == [EMPTY, "60.00", "70.00", "80.00"]
    assert EMPTY not in [cell.text for cell in of_p.cells]
    # A score keeps its color in the chapters of all protocols: that of its place among all of them.
    legends = [figure.canvas.legends[0] for figure in figures(chapter)]
    assert [line.get_color() for line in legends[0].get_lines()] == [series_color(n) for n in (1, 2, 3)]


def figures(chapter):
    return [block for section in chapter.sections for block in section.blocks if isinstance(block, Figure)]


def test_the_lead_says_what_each_detector_is_and_sees(full):
    full.card("sad", sees="reals")
    lead = build_report(full.root, make_params("p")).lead
    for text in ("BCE: what bce is", "S_SL (logit of the classifier)", "BCE+SAD: what joint is", "Liou"):
        assert text in lead
    assert "real images alone: SAD." in lead
    full.card("sad")
    assert "real images alone" not in build_report(full.root, make_params("p")).lead


def test_writing_replaces_the_folder(full, tmp_path):
    folder = tmp_path / "report"
    (folder / "pictures").mkdir(parents=True)
    (folder / "pictures/old.png").write_bytes(b"")
    write_report(build_report(full.root, make_params("p")), folder)
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    assert {"report.md", "report.html", "pictures/p/pr.png", "pictures/p/stylegan_ffhq-misses.jpg"} <= names
    assert "pictures/old.png" not in names
    text = (folder / "report.md").read_text()
    assert all(f"]({name})" in text for name in names if name.startswith("pictures/"))
