"""`dvc repro`, `dvc exp run` and a shared remote in a temporary clone, on a small demo and a thin network."""

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from fakeforensics.sums import check_sums
from tests.pipeline.conftest import DEMO, Clone, hasten_demo

pytestmark = pytest.mark.slow

DETECTORS = {"bce": ("sl",), "joint": ("sl", "cd")}
SPLITS = f"{DEMO}splits@demo"
MANIFEST = "data/manifests/demo/train.parquet"


def shrink(params):
    params["demo"]["scale"] = 0.05
    params["detectors"] = list(DETECTORS)
    params["evaluate"]["bootstrap"] = 100
    params["evaluate"]["corruptions"] = ["blur_2"]
    params["thresholds"] |= {"bootstrap": 100, "known_reals": [5], "draws": 5}


def shorten(protocol):
    protocol["params"]["train"] |= {"max_epochs": 3, "crop_size": 32}  # three: one training is killed between


@pytest.fixture(scope="module")
def clone(make_clone, warm_python, tmp_path_factory):
    """A clone in which everything ran, with a remote in a folder to which it was pushed."""
    clone = make_clone(tmp_path_factory.mktemp("clone"), warm_python)
    clone.edit("params.yaml", shrink)
    clone.edit("protocols/demo.yaml", shorten)
    hasten_demo(clone.path)
    clone.run("dvc", "remote", "add", "--default", "team", str(tmp_path_factory.mktemp("remote")))
    clone.commit()
    clone.run("dvc", "repro")
    clone.commit()
    clone.run("dvc", "push", "--run-cache")
    return clone


def failed_stages(printed: str) -> set[str]:
    return set(re.findall(r"failed to reproduce '(?:\S+:)?(.+?)'", printed))


def stages_run(printed: str) -> set[str]:
    return set(re.findall(r"Running stage '(?:\S+:)?(.+?)'", printed))


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
            "SHA256SUMS",
        }
        assert (clone.path / f"data/scores/demo/{detector}.parquet").exists()
        assert (clone.path / f"metrics/demo/{detector}.thresholds.json").exists()
        assert (clone.path / f"metrics/demo/{detector}.robustness.json").exists()
        assert (clone.path / f"data/scores/demo/{detector}.corrupted/blur_2.parquet").exists()
        assert (clone.path / f"packages/demo/{detector}/decision.json").exists()
    assert 'href="demo/index.html"' in (clone.path / "report/index.html").read_text()
    assert (clone.path / "report/demo/index.html").exists()


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
    # All that is computed of bce, and of joint what lambda decides.
    targets = (f"{DEMO}package@demo-bce", f"{DEMO}train@demo-joint")
    changed = stages_run(clone.run("dvc", "exp", "run", "-S", "lambda=0.5", *targets))
    assert changed == {"settings@demo", "train@demo-joint"}
    card = json.loads((clone.path / "models/demo/joint/model.json").read_text())
    assert card["detector"]["settings"]["lambda"] == 0.5

    restored = stages_run(clone.run("dvc", "exp", "run", "-S", "lambda=0.01", *targets))
    assert "train@demo-joint" not in restored
    card = json.loads((clone.path / "models/demo/joint/model.json").read_text())
    assert card["detector"]["settings"]["lambda"] == 0.01


def cloned(clone, path):
    """A clone from it by Git, as a colleague makes one."""
    subprocess.run(("git", "clone", "--quiet", str(clone.path), str(path)), check=True)
    return Clone(path, clone.python)


def test_a_second_clone_pulls_what_the_first_computed(clone, tmp_path):
    second = cloned(clone, tmp_path / "second")
    second.run("dvc", "pull")
    assert stages_run(second.run("dvc", "repro")) == set()
    assert second.run("git", "status", "--porcelain") == ""
    for name in (MANIFEST, "data/images/demo_dffd/shard-00000.tar", "models/demo/bce/model.safetensors"):
        assert (second.path / name).read_bytes() == (clone.path / name).read_bytes()


def test_a_recorded_model_travels_to_a_second_clone(clone, tmp_path):
    clone.run("git", "tag", "--annotate", "demo-joint@v1.0.0", "--message", "Register demo-joint")
    wanted = (clone.path / "packages/demo/joint/SHA256SUMS").read_bytes()
    digest = hashlib.sha256(wanted).hexdigest()
    second = cloned(clone, tmp_path / "second")

    def taken() -> list[str]:
        """The packages that arrived unchanged; they are removed."""
        found = sorted(path.relative_to(second.path) for path in second.path.glob("**/model.safetensors"))
        for path in found:
            assert (second.path / path.parent / "SHA256SUMS").read_bytes() == wanted
            check_sums(second.path / path.parent, "")
            shutil.rmtree(second.path / path.parent)
        return [str(path.parent) for path in found]

    second.run("dvc", "pull", f"{DEMO}package@demo-joint")
    assert "packages/demo/joint" in second.run("fakeforensics", "models")
    assert taken() == ["packages/demo/joint"]

    second.run("dvc", "artifacts", "get", str(clone.path), "demo-joint", "--rev", "v1.0.0", "--out", "named")
    assert taken() == ["named"]

    get = ("fakeforensics", "models", "get", "demo/joint", "--from")
    revision = ("--rev", "demo-joint@v1.0.0", "--sha256", digest)
    for origin in (("team",), (str(clone.path), *revision), (f"file://{clone.path}/.git", *revision)):
        assert digest in second.run(*get, *origin)
        assert taken() == ["packages/demo/joint"]


@pytest.fixture(scope="module")
def newcomer(clone, tmp_path_factory):
    """A clone that has no model yet, with a remote to which nothing was pushed."""
    folder = tmp_path_factory.mktemp("newcomer")
    second = cloned(clone, folder / "clone")
    (folder / "empty").mkdir()
    second.run("dvc", "remote", "add", "empty", str(folder / "empty"))
    return second


@pytest.mark.parametrize(
    ("name", "origin", "message"),
    [
        ("demo/joint", ("nowhere",), "remote 'nowhere' doesn't exist"),
        ("demo/joint", ("./nowhere.git",), "SHA256SUMS cannot be read"),
        ("demo/joint", (".", "--rev", "v9"), "unknown Git revision 'v9'"),
        ("demo/none", ("team",), "SHA256SUMS is missing"),
        ("demo/joint", ("empty",), "SHA256SUMS cannot be read"),
    ],
)
def test_a_model_that_cannot_be_had_is_explained(newcomer, name, origin, message):
    printed = newcomer.run("fakeforensics", "models", "get", name, "--from", *origin, check=False)
    assert printed.startswith("error: ")
    assert message in printed
    assert not [*newcomer.path.glob("packages/**/SHA256SUMS")]


def test_with_the_run_cache_a_state_that_nobody_committed_is_pulled(clone, tmp_path):
    def reseed(params):
        params["splits"]["seed"] = 5

    clone.edit("params.yaml", reseed)
    clone.run("dvc", "repro", SPLITS)
    clone.run("dvc", "push", "--run-cache")
    wanted = (clone.path / MANIFEST).read_bytes()
    clone.run("git", "checkout", "--quiet", ".")
    clone.run("dvc", "checkout", SPLITS)

    second = cloned(clone, tmp_path / "second")
    second.edit("params.yaml", reseed)
    assert stages_run(second.run("dvc", "repro", "--pull", SPLITS)) == set()
    assert (second.path / MANIFEST).read_bytes() == wanted
    assert (clone.path / MANIFEST).read_bytes() != wanted


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
    # What is edited and how, what runs again at once, and what may. Stages that read their outputs follow.
    (
        {
            f"{SRC}/sources/mine.py": add_copy("folder.py"),
            "stages/train.py": reword,
            f"{SRC}/images/shards.py": reword,
            f"{SRC}/models/backbone.py": reword,
            f"{SRC}/sources/base.py": reword,
        },
        set(),
        set(),
    ),
    ({f"{SRC}/metrics/registry.py": compute}, {"evaluate"}, {"compare", "page", "report"}),
    (
        {f"{SRC}/detectors/mine.py": add_copy("bce.py"), f"{SRC}/faces/align.py": compute},
        {"settings", "faces"},
        set(),
    ),
    (
        {f"{SRC}/models/backbone.py": compute, f"{SRC}/reporting/tables.py": compute},
        {"train", "score", "package", "page", "report"},
        {"settings"},
    ),
]


@pytest.mark.parametrize(("edits", "must", "may"), EDITS, ids=["nothing", "metric", "detector", "backbone"])
def test_an_edit_runs_what_it_concerns_and_nothing_else(clone, edits, must, may):
    for name, edit in edits.items():
        edit(clone.path / name)
    clone.run("dvc", "repro", "code")
    addresses = json.loads(clone.run("dvc", "status", "--json"))
    changed = {address.rpartition(":")[2].partition("@")[0] for address in addresses}
    clone.run("git", "checkout", "--quiet", ".")
    clone.run("git", "clean", "--quiet", "--force", SRC)
    assert must <= changed <= must | may


def test_a_killed_repro_resumes_and_ends_with_the_same_weights(clone):
    path = clone.path / "models/demo/bce/model.safetensors"
    whole = path.read_bytes()
    # Without force, DVC would restore the weights in place of training.
    train = ("dvc", "repro", "--force", "--single-item", f"{DEMO}train@demo-bce")
    clone.kill(*train, after="epoch 1")
    assert not path.exists()
    assert "resuming after" in clone.run(*train)
    assert path.read_bytes() == whole
    clone.run("git", "checkout", "--quiet", ".")


def test_a_faulty_lambda_is_refused_before_any_work(clone):
    printed = clone.run("dvc", "exp", "run", "-S", "lambda=abc", check=False)
    assert "`lambda` should be a number, found 'abc'" in printed
    assert not {name for name in stages_run(printed) if name.startswith(("train", "demo", "faces"))}
    clone.run("git", "checkout", "--quiet", "params.yaml")


STILLS = """
title: Trained on PGGAN's stills alone
train: [{source: demo_dffd, methods: [real, pggan]}]
test: {stargan: [{source: demo_dffd, methods: [real, stargan]}]}
"""


def restore(clone):
    """Undo what was edited, and what DVC recorded of it."""
    clone.run("git", "checkout", "--quiet", ".")
    clone.run("git", "clean", "--quiet", "--force", "-d", "pipelines", "protocols")


def test_a_changed_source_redoes_the_splits_of_the_protocols_that_use_it(clone):
    (clone.path / "protocols/stills.yaml").write_text(STILLS)
    clone.run("python", "-m", "stages.pipeline", "--protocol", "stills", "--no-run")
    both = (SPLITS, "pipelines/stills/dvc.yaml:splits@stills")
    clone.run("dvc", "repro", *both)
    clone.edit("params.yaml", lambda params: params["sources"]["demo_celeb_df"].update(crop="whole"))
    changed = stages_run(clone.run("dvc", "repro", *both))
    assert {"faces@demo_celeb_df", "inputs@demo", "splits@demo"} <= changed
    assert not {"faces@demo_dffd", "splits@stills"} & changed
    restore(clone)


def test_an_unconfigured_or_missing_source_is_explained_and_spoils_no_other_protocol(clone):
    clone.edit("params.yaml", lambda params: params.update(protocols=["mff_4_4", "demo"]))
    printed = clone.run("dvc", "repro", "--keep-going", check=False)
    assert "needs the source dffd, which params.yaml does not configure" in printed
    # Its pipeline is new: it runs within the stage that writes it.
    assert failed_stages(printed) == {"splits@mff_4_4", "pipeline@mff_4_4"}

    nowhere = {"layout": "dffd", "root": "/nowhere/DFFD"}
    clone.edit("params.yaml", lambda params: params["sources"].update(dffd=nowhere))
    printed = clone.run("dvc", "repro", "--keep-going", check=False)
    assert "raw data is missing: dffd" in printed
    for part in ("the folder /nowhere/DFFD does not exist", "docs/data.md", "data check dffd --update"):
        assert part in printed
    assert failed_stages(printed) == {"splits@mff_4_4"}
    assert "contents" in stages_run(printed)  # a source more,
    assert "splits@demo" not in stages_run(printed)  # which the demo does not use
    restore(clone)
