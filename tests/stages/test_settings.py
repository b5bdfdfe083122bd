"""The settings stage."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stages.settings", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
    )


def test_the_resolved_settings_are_written(tmp_path: Path) -> None:
    (tmp_path / "protocols").mkdir()
    (tmp_path / "protocols/p.yaml").write_text(
        "title: t\ntrain: [{source: a}]\ntest: {x: [{source: a}]}\nparams: {train: {batch_size: 4}}\n"
    )
    (tmp_path / "params.yaml").write_text("protocols: [p]\nsources: {}\nlambda: 0.5\n")
    done = run(tmp_path, "--protocol", "p", "--objective", "joint")
    assert done.returncode == 0, done.stderr
    settings = json.loads((tmp_path / "data/settings/p/joint.json").read_text())
    assert (settings["lambda"], settings["train"]["batch_size"]) == (0.5, 4)
    assert run(tmp_path, "--protocol", "q", "--objective", "joint").returncode == 1


def test_a_faulty_lambda_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("protocols: [p]\nsources: {}\nlambda: abc\n")
    done = run(tmp_path, "--protocol", "p", "--objective", "joint")
    assert done.returncode == 1
    assert "lambda" in done.stderr
    assert "Traceback" not in done.stderr
