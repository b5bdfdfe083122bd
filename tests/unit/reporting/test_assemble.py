import pytest

from fakeforensics.errors import UserError
from fakeforensics.params import Params
from fakeforensics.reporting.assemble import build_report
from fakeforensics.reporting.write import write_report


def params(*protocols):
    return Params(protocols=protocols, sources={})


def test_a_full_run_has_every_section(full):
    overview, chapter = build_report(full.root, params("p")).chapters
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
    report = build_report(project.root, params("p"))
    assert report.banner.startswith("`p` runs on the embedded demo")
    assert "nothing about real forgeries" in report.banner
    assert report.chapters[1].tags == ("demo, not real forgeries",)


def test_real_data_has_no_demo_banner(full):
    assert build_report(full.root, params("p")).banner == ""


def test_a_protocol_that_has_not_run_does_not_hide_the_others(full):
    full.protocol(["a"], name="later")
    overview, _, later = build_report(full.root, params("p", "later")).chapters
    warning = overview.sections[0].blocks[-1]
    assert "metrics/later/bce.json" in warning.text
    assert [section.title for section in later.sections] == ["Class counts"]


def test_nothing_evaluated_is_an_error(project):
    project.protocol(["a"])
    with pytest.raises(UserError, match="nothing to report"):
        build_report(project.root, params("p"))


def test_writing_replaces_the_folder(full, tmp_path):
    folder = tmp_path / "report"
    (folder / "pictures").mkdir(parents=True)
    (folder / "pictures/old.png").write_bytes(b"")
    write_report(build_report(full.root, params("p")), folder)
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    assert {"report.md", "report.html", "pictures/p/pr.png", "pictures/p/stylegan_ffhq-misses.jpg"} <= names
    assert "pictures/old.png" not in names
    text = (folder / "report.md").read_text()
    assert all(f"]({name})" in text for name in names if name.startswith("pictures/"))
