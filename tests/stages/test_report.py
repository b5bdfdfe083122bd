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

    write("params.yaml", {"protocols": ["tiny"], "sources": {}})
    protocol = {
        "title": "Trained on one method",
        "train": [{"source": "dffd"}],
        "test": {"seen": [{"source": "dffd"}], "new": [{"source": "dffd"}]},
        "unseen": ["new"],
    }
    write("protocols/tiny.yaml", protocol)
    write("metrics/tiny/bce.json", {"ap": {"sl": {"seen": 0.987654, "new": 0.5}}})
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
    assert "| seen | 98.77 | – | – | – |" in text
    assert "| new † | 50.00 | – | – | – |" in text


def test_a_report_without_any_metrics_says_what_to_run(project):
    (project / "metrics/tiny/bce.json").unlink()
    done = report(project)
    assert done.returncode == 1
    assert "metrics/tiny/bce.json" in done.stderr
    assert "dvc repro" in done.stderr
    assert not (project / "report").exists()


def test_a_protocol_with_an_unknown_reference_is_refused(project):
    path = project / "protocols/tiny.yaml"
    path.write_text(yaml.safe_dump(json.loads(path.read_text()) | {"reference": "table_9_9"}))
    done = report(project)
    assert done.returncode == 1
    assert "table_9_9" in done.stderr
    assert "table_4_6" in done.stderr
