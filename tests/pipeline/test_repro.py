"""`dvc repro` and `dvc exp run` in a temporary clone, on a small demo and for one epoch."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

DETECTORS = {"bce": ("sl",), "sad": ("cd",), "joint": ("sl", "cd")}


def shrink(params):
    params["demo"]["scale"] = 0.1
    params["train"]["max_epochs"] = 1
    params["evaluate"]["bootstrap"] = 100
    params["evaluate"]["corruptions"] = ["jpeg_50", "blur_2"]
    params["thresholds"] |= {"bootstrap": 100, "known_reals": [5], "draws": 5}


def shorten(protocol):
    protocol["params"]["train"] |= {"max_epochs": 1, "crop_size": 64}


@pytest.fixture(scope="module")
def clone(make_clone, tmp_path_factory):
    clone = make_clone(tmp_path_factory.mktemp("clone"))
    clone.edit("params.yaml", shrink)
    clone.edit("protocols/demo.yaml", shorten)
    clone.commit()
    clone.run("dvc", "repro")
    clone.commit()
    return clone


def failed_stages(printed: str) -> set[str]:
    return set(re.findall(r"failed to reproduce '(.+?)'", printed))


def stages_run(printed: str) -> set[str]:
    return set(re.findall(r"Running stage '(.+?)'", printed))


def test_it_leaves_every_file_of_the_contract(clone):
    for source in ("demo_celeb_df", "demo_dffd", "demo_cnn_synth"):
        folder = clone.path / "data/images" / source
        assert (folder / "shard-00000.tar").exists()
        assert (folder / "index.parquet").exists()
        assert (folder / "rejected.csv").exists()
    for split in ("train", "val", "test"):
        assert len(pd.read_parquet(clone.path / f"data/manifests/demo/{split}.parquet")) > 0
    for detector in DETECTORS:
        assert {path.name for path in (clone.path / "models/demo" / detector).iterdir()} == {
            "model.safetensors",
            "model.json",
            "history.csv",
        }
        assert (clone.path / f"data/scores/demo/{detector}.parquet").exists()
        assert (clone.path / f"metrics/demo/{detector}.thresholds.json").exists()
        assert (clone.path / f"metrics/demo/{detector}.robustness.json").exists()
        assert (clone.path / f"data/scores/demo/{detector}.corrupted/blur_2.parquet").exists()
        assert (clone.path / f"packages/demo/{detector}/decision.json").exists()
    assert (clone.path / "report/report.html").exists()


@pytest.mark.parametrize("detector", DETECTORS)
def test_metrics_have_every_test_set_and_both_means(clone, detector):
    metrics = json.loads((clone.path / f"metrics/demo/{detector}.json").read_text())
    scores = pd.read_parquet(clone.path / f"data/scores/demo/{detector}.parquet")
    for measure in ("ap", "auc", "eer"):
        assert tuple(metrics[measure]) == DETECTORS[detector]
        for values in metrics[measure].values():
            assert set(values) == {*scores["test_set"], "mean", "mean_unseen"}
            assert all(0 <= value <= 1 for value in values.values())


def test_again_nothing_runs(clone):
    assert stages_run(clone.run("dvc", "repro")) == set()
    assert clone.run("git", "status", "--porcelain") == ""


def test_lambda_retrains_joint_alone_and_going_back_trains_nothing(clone):
    changed = stages_run(clone.run("dvc", "exp", "run", "-S", "lambda=0.5"))
    assert "train@demo-joint" in changed
    assert not {"train@demo-bce", "train@demo-sad", "demo", "splits@demo"} & changed
    card = json.loads((clone.path / "models/demo/joint/model.json").read_text())
    assert card["detector"]["settings"]["lambda"] == 0.5

    restored = stages_run(clone.run("dvc", "exp", "run", "-S", "lambda=0.01"))
    assert not {name for name in restored if name.startswith(("train", "score"))}
    card = json.loads((clone.path / "models/demo/joint/model.json").read_text())
    assert card["detector"]["settings"]["lambda"] == 0.01


def reword(path: Path) -> None:
    """Change what people read: the docstring, the comments, help texts and error messages."""
    text = path.read_text()
    changed = text.replace('"""', '"""Reworded. ', 1).replace('help="', 'help="Reworded. ')
    changed = re.sub(r'(UserError\(\s*f?")', r"\1Reworded: ", changed)
    path.write_text(changed + "# reworded\n")


def compute(path: Path) -> None:
    """Change what the module does."""
    path.write_text(path.read_text() + "\nEDITED = True\n")


def add_copy(of: str) -> Callable[[Path], None]:
    """Add a module that is like another one in its folder."""

    def write(path: Path) -> None:
        path.write_text((path.parent / of).read_text())

    return write


SRC = "src/fakeforensics"
EDITS = [
    # What is edited, how, what runs again at once, and what may. Stages that read their outputs follow.
    ([f"{SRC}/sources/mine.py"], add_copy("folder.py"), set(), set()),
    ([f"{SRC}/detectors/mine.py"], add_copy("bce.py"), {"settings"}, set()),
    ([f"{SRC}/metrics/registry.py"], compute, {"evaluate"}, {"compare", "report"}),
    (
        [
            "stages/train.py",
            *(f"{SRC}/{name}.py" for name in ("images/shards", "models/backbone", "sources/base")),
        ],
        reword,
        set(),
        set(),
    ),
    ([f"{SRC}/reporting/tables.py"], compute, {"report"}, set()),
    ([f"{SRC}/models/backbone.py"], compute, {"train", "score"}, {"settings"}),
    ([f"{SRC}/faces/align.py"], compute, {"faces"}, set()),
]


@pytest.mark.slow
@pytest.mark.parametrize(("files", "edit", "must", "may"), EDITS, ids=lambda value: str(value)[:40])
def test_an_edit_runs_what_it_concerns_and_nothing_else(clone, files, edit, must, may):
    for name in files:
        edit(clone.path / name)
    clone.run("dvc", "repro", "code")
    changed = {name.partition("@")[0] for name in json.loads(clone.run("dvc", "status", "--json"))}
    clone.run("git", "checkout", "--quiet", ".")
    clone.run("git", "clean", "--quiet", "--force", SRC)
    clone.run("dvc", "repro", "code")
    assert must <= changed <= must | may


@pytest.mark.slow
def test_a_killed_repro_resumes_and_ends_with_the_same_weights(clone):
    clone.edit("protocols/demo.yaml", lambda protocol: protocol["params"]["train"].update(max_epochs=3))
    clone.kill("dvc", "repro", "train@demo-bce", after="epoch 1")
    assert "resuming after" in clone.run("dvc", "repro", "train@demo-bce")
    apart = ("--out", "apart", "--plots", "apart", "--scratch", "apart")
    train = ("python", "-m", "stages.train", "--protocol", "demo", "--detector", "bce")
    assert "resuming after" not in clone.run(*train, *apart)
    killed, whole = (clone.path / folder / "demo/bce/model.safetensors" for folder in ("models", "apart"))
    assert killed.read_bytes() == whole.read_bytes()
    clone.run("git", "checkout", "--quiet", ".")


def test_a_faulty_lambda_is_refused_before_any_work(clone):
    printed = clone.run("dvc", "exp", "run", "-S", "lambda=abc", check=False)
    assert "`lambda`: input should be a valid number, found 'abc'" in printed
    assert not {name for name in stages_run(printed) if name.startswith(("train", "demo", "faces"))}
    clone.run("git", "checkout", "--quiet", "params.yaml")


def test_an_unconfigured_or_missing_source_is_explained_and_spoils_no_other_protocol(clone):
    clone.edit("params.yaml", lambda params: params.update(protocols=["mff_4_4", "demo"]))
    printed = clone.run("dvc", "repro", "--keep-going", check=False)
    assert "needs the source dffd, which params.yaml does not configure" in printed
    assert failed_stages(printed) == {"splits@mff_4_4"}

    nowhere = {"layout": "dffd", "root": "/nowhere/DFFD"}
    clone.edit("params.yaml", lambda params: params["sources"].update(dffd=nowhere))
    printed = clone.run("dvc", "repro", "--keep-going", check=False)
    assert "raw data is missing: dffd" in printed
    for part in ("the folder /nowhere/DFFD does not exist", "docs/data.md", "data check dffd --update"):
        assert part in printed
    assert failed_stages(printed) == {"splits@mff_4_4"}
    assert "splits@demo" in stages_run(printed)
    clone.run("git", "checkout", "--quiet", "params.yaml", "dvc.lock")
