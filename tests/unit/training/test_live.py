import json
import subprocess
import sys
import time

import pandas as pd
import pytest

from fakeforensics.training.live import begin_live, write_live
from fakeforensics.training.loop import Run
from tests.thin_resnet import thin_networks
from tests.unit.training._runs import history, train


@pytest.fixture(scope="module", autouse=True)
def _thin_networks():
    with thin_networks():
        yield


FIRST = {"epoch": 0, "lr": 0.001, "train_loss": 0.7, "val_loss": 0.5, "val_accuracy": None}
SECOND = {"epoch": 1, "lr": 0.0009, "train_loss": float("inf"), "val_loss": 0.25, "val_accuracy": None}


def table(folder, name):
    return pd.read_csv(folder / f"plots/metrics/{name}.tsv", sep="\t")


def test_each_column_has_its_table_and_the_last_epoch_is_the_summary(tmp_path):
    begin_live(tmp_path)
    write_live(tmp_path, [FIRST])
    write_live(tmp_path, [FIRST, SECOND])
    assert (tmp_path / "plots/metrics/val_loss.tsv").read_text() == "step\tval_loss\n0\t0.5\n1\t0.25\n"
    # JSON has no infinity; DVCLive writes it as text. val_accuracy has no value, so it has no file.
    last = {"lr": 0.0009, "train_loss": "inf", "val_loss": 0.25, "step": 1}
    assert json.loads((tmp_path / "metrics.json").read_text()) == last
    assert {path.stem for path in (tmp_path / "plots/metrics").iterdir()} == {"lr", "train_loss", "val_loss"}


def test_another_run_begins_with_nothing(tmp_path):
    begin_live(tmp_path)
    write_live(tmp_path, [FIRST, SECOND])
    begin_live(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


class Killed(Exception):
    pass


def test_every_epoch_is_shown_once_while_a_run_goes_on_and_after_it_was_killed(tmp_path, monkeypatch):
    seen = []
    show, save = Run._show, Run._save

    def watched(self):
        show(self)
        seen.append(table(tmp_path / "model.live", "val_loss")["step"].tolist())

    def killed(self):
        save(self)
        if len(self.history) == 2:  # before its second epoch is shown
            raise Killed

    monkeypatch.setattr(Run, "_show", watched)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Run, "_save", killed)
        train(tmp_path, max_epochs=3)
    assert seen == [[0]]
    model = train(tmp_path, max_epochs=3)
    # The resumed run shows at once what the checkpoint holds.
    assert seen == [[0], [0, 1], [0, 1, 2]]
    kept = history(model)
    for name in ("lr", "train_loss", "val_loss", "real_distance", "fake_distance"):
        shown = table(tmp_path / "model.live", name)
        assert shown["step"].tolist() == [0, 1, 2]
        assert shown[name].tolist() == kept[name].tolist()


def test_a_detector_that_is_fitted_at_once_shows_one_step(tmp_path):
    train(tmp_path, detector="oc_svm")
    assert json.loads((tmp_path / "model.live/metrics.json").read_text()) == {"step": 0}
    assert (tmp_path / "model.live/plots/metrics").is_dir()  # DVC wants every output


STAGE = """
import time
from pathlib import Path
from fakeforensics.training.live import begin_live, write_live
folder, history = Path("dvclive/p/d"), []
begin_live(folder)
for epoch in range(2):
    history.append({"epoch": epoch, "val_loss": 0.5 - 0.25 * epoch})
    write_live(folder, history)
Path("shown").touch()
while not Path("go").exists():
    time.sleep(0.1)
"""


@pytest.mark.slow
def test_dvc_shows_the_epochs_of_a_running_experiment(tmp_path):
    def run(*command):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("git", "init", "--quiet")
    run("git", "config", "user.name", "T")
    run("git", "config", "user.email", "t@example.org")
    run("dvc", "init", "--quiet")
    (tmp_path / "stage.py").write_text(STAGE)
    (tmp_path / "params.yaml").write_text("rate: 1\n")
    (tmp_path / ".gitignore").write_text("/dvclive/\nshown\ngo\n")
    (tmp_path / "dvc.yaml").write_text(
        f"stages:\n  train:\n    cmd: {sys.executable} stage.py\n    params: [rate]\n"
        "    metrics: [dvclive/p/d/metrics.json]\n    plots:\n      - dvclive/p/d/plots/metrics: {x: step}\n"
    )
    run("git", "add", "--all")
    run("git", "commit", "--quiet", "--message", "x")
    with subprocess.Popen(["dvc", "exp", "run", "-S", "rate=2"], cwd=tmp_path) as experiment:
        try:
            while not (tmp_path / "shown").exists():
                assert experiment.poll() is None
                time.sleep(0.2)
            shown, drawn = run("dvc", "exp", "show", "--json"), run("dvc", "plots", "show", "--json")
            changed = run("git", "status", "--porcelain")
        finally:
            (tmp_path / "go").touch()
    assert experiment.returncode == 0
    metrics = json.loads(shown)[0]["data"]["metrics"]["dvclive/p/d/metrics.json"]["data"]
    assert metrics == {"val_loss": 0.25, "step": 1}
    (plot,) = json.loads(drawn)["data"]["dvclive/p/d/plots/metrics/val_loss.tsv"]
    points = [(one["step"], one["val_loss"]) for one in plot["content"]["data"]["values"]]
    assert points == [("0", "0.5"), ("1", "0.25")]
    assert "dvclive" not in changed  # what DVC itself changes meanwhile is its own affair
