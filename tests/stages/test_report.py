"""The stages of the report on a small project's files."""

import json

import pytest
import yaml

from fakeforensics.errors import UserError
from stages import page, report


@pytest.fixture
def project(tmp_path, monkeypatch):
    def write(name, value):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))  # JSON is YAML

    detectors = {"detectors": ["first", "second"], "compare": {"baseline": "first"}}
    write("params.yaml", {"protocols": ["tiny"], "sources": {}} | detectors)
    protocol = {
        "title": "Trained on one method",
        "train": [{"source": "dffd"}],
        "test": {"seen": [{"source": "dffd"}], "new": [{"source": "dffd"}]},
        "unseen": ["new"],
    }
    write("protocols/tiny.yaml", protocol)
    write("metrics/tiny/first.json", {"ap": {"odds": {"seen": 0.987654, "new": 0.5}}})
    score = {"name": "odds", "label": "S_O", "title": "log odds", "column": "logit", "scale": "logit"}
    detector = {"name": "first", "label": "First", "title": "a classifier", "sees": "reals+fakes"}
    card = {
        "format": {"name": "fake-forensics detector", "version": 2},
        "weights_sha256": "0" * 64,
        "detector": detector | {"scores": [score]},
    }
    write("models/tiny/first/model.json", card)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_report_holds_each_average_precision(project):
    page.main("tiny")
    report.main()
    html = (project / "report/tiny/index.html").read_text()
    assert ">98.77<" in html
    assert ">50.00<" in html
    assert "metrics/tiny/second.json" in html  # among the missing files
    index = (project / "report/index.html").read_text()
    assert 'href="tiny/index.html"' in index
    assert ">50.00<" in index
    assert "Pilot study" not in index
    assert list((project / "report/views").iterdir()) == []


def test_the_index_names_protocols_whose_page_is_not_made_yet(project):
    params = project / "params.yaml"
    params.write_text(params.read_text().replace('["tiny"]', '["tiny", "later"]'))
    page.main("tiny")
    report.main()
    assert "No page yet: <code>later</code>" in (project / "report/index.html").read_text()


def test_protocols_of_the_pilot_study_get_a_page_together(project):
    for folder in ("protocols", "metrics", "models"):
        (project / folder).joinpath("tiny").with_suffix(".yaml" if folder == "protocols" else "").rename(
            project / folder / ("pilot_mmdgan_n2" + (".yaml" if folder == "protocols" else ""))
        )
    path = project / "protocols/pilot_mmdgan_n2.yaml"
    protocol = json.loads(path.read_text()) | {"test": {"pggan": [{"source": "pilot"}]}, "unseen": []}
    path.write_text(json.dumps(protocol))
    (project / "metrics/pilot_mmdgan_n2/first.json").write_text('{"accuracy": {"odds": {"pggan": 0.125}}}')
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("tiny", "pilot_mmdgan_n2"))
    page.main("pilot_mmdgan_n2")
    report.main()
    assert 'href="views/pilot-study/index.html"' in (project / "report/index.html").read_text()
    study = project / "report/views/pilot-study"
    assert ">12.50<" in (study / "index.html").read_text()
    assert (study / "table-3-4.svg").is_file()


def test_a_report_without_any_metrics_says_what_to_run(project):
    (project / "metrics/tiny/first.json").unlink()
    with pytest.raises(UserError, match="dvc repro") as caught:
        report.main()
    assert "data/pages/tiny.json" in str(caught.value)
    page.main("tiny")
    with pytest.raises(UserError, match="dvc repro") as caught:
        report.main()
    assert "metrics/tiny/first.json" in str(caught.value)
    assert "metrics/tiny/second.json" in str(caught.value)
    assert not (project / "report/index.html").exists()


def test_a_protocol_with_an_unknown_reference_is_refused(project):
    path = project / "protocols/tiny.yaml"
    path.write_text(yaml.safe_dump(json.loads(path.read_text()) | {"reference": "table_9_9"}))
    with pytest.raises(UserError, match="table_9_9") as caught:
        page.main("tiny")
    assert "table_4_6" in str(caught.value)
