"""The report stage on a small project's files."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path):
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
    return tmp_path


def report(folder):
    return subprocess.run(
        [sys.executable, "-m", "stages.report"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )


def test_the_report_holds_each_average_precision(project):
    done = report(project)
    assert done.returncode == 0, done.stderr
    text = (project / "report/report.md").read_text()
    assert "| Testing set | First |" in text
    assert "| seen | 98.77 |" in text
    assert "| new † | 50.00 |" in text
    assert "metrics/tiny/second.json" in text  # said to be missing


def test_a_report_without_any_metrics_says_what_to_run(project):
    (project / "metrics/tiny/first.json").unlink()
    done = report(project)
    assert done.returncode == 1
    assert "metrics/tiny/first.json" in done.stderr
    assert "metrics/tiny/second.json" in done.stderr
    assert "dvc repro" in done.stderr
    assert not (project / "report").exists()


def test_a_protocol_with_an_unknown_reference_is_refused(project):
    path = project / "protocols/tiny.yaml"
    path.write_text(yaml.safe_dump(json.loads(path.read_text()) | {"reference": "table_9_9"}))
    done = report(project)
    assert done.returncode == 1
    assert "table_9_9" in done.stderr
    assert "table_4_6" in done.stderr
