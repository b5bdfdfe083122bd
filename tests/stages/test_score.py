"""The stage `score` on a few noise images and detectors that nobody trained."""

import os
import subprocess
import sys

import pandas as pd
import pytest

from fakeforensics import scoring
from fakeforensics.errors import UserError
from fakeforensics.files import write_json
from fakeforensics.metrics.table import read_scores
from stages import score
from tests.score_specs import SCORES
from tests.scored_project import make_project
from tests.thin_resnet import thin_networks

ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
SETTINGS = """protocols: [p]
detectors: [bce, sad, joint]
compare: {baseline: bce}
sources: {}
evaluate: {batch_size: 8, workers: 0, bootstrap: 100, corruptions: [%s]}
"""


def ask_for(root, corruptions):
    (root / "params.yaml").write_text(SETTINGS % corruptions)


@pytest.fixture(scope="module", autouse=True)
def _thin_networks():
    with thin_networks():
        yield


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        root = make_project(tmp_path_factory.mktemp("score"))
        patch.chdir(root)
        ask_for(root, "blur_4")
        for detector in SCORES:
            score.main("p", detector)
        yield root


@pytest.mark.parametrize(
    ("detector", "columns"),
    [
        ("bce", ["score_sl", "logit"]),
        ("sad", ["score_cd"]),
        ("joint", ["score_sl", "logit", "score_cd"]),
    ],
)
def test_tables_follow_the_contract(scored, detector, columns):
    table, specs, trained_on = read_scores(scored / f"data/scores/p/{detector}.parquet")
    assert trained_on == "unknown machine"  # that of a card without one
    assert specs == SCORES[detector]
    identity = ["key", "test_set", "method", "domain", "source", "label", "group", "video", "frame"]
    assert list(table.columns) == identity + columns
    assert len(table) == 24  # two sets of 6 reals and 6 fakes
    assert table.equals(table.sort_values(["test_set", "key"], ignore_index=True))
    validation, specs, _ = read_scores(scored / f"data/scores/p/{detector}.val.parquet")
    assert specs == SCORES[detector]
    assert validation["test_set"].unique().tolist() == ["validation"]
    assert len(validation) == 8
    blurred, specs, _ = read_scores(scored / f"data/scores/p/{detector}.corrupted/blur_4.parquet")
    assert specs == SCORES[detector]
    assert blurred[identity].equals(table[identity])
    assert (blurred[columns[-1]] != table[columns[-1]]).all()


def test_a_shared_image_has_one_score(scored):
    table = pd.read_parquet(scored / "data/scores/p/joint.parquet")
    reals = table[table["label"] == 0].groupby("key")
    assert reals.size().eq(2).all()
    assert reals[["logit", "score_cd"]].nunique().eq(1).all(axis=None)


@pytest.fixture
def project(tmp_path, monkeypatch):
    root = make_project(tmp_path, detectors=("bce",))
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def runs(monkeypatch):
    """The corruption of each manifest that is really scored."""
    found = []
    real = scoring.score_manifest

    def counted(*arguments, **others):
        found.append(arguments[6])
        return real(*arguments, **others)

    monkeypatch.setattr(scoring, "score_manifest", counted)
    return found


def test_only_what_is_new_is_scored(project, runs):
    ask_for(project, "jpeg_50, blur_1")
    score.main("p", "bce")
    assert runs == ["clean", "clean", "jpeg_50", "blur_1"]  # validation and test, then test again
    first = (project / "data/scores/p/bce.parquet").read_bytes()
    ask_for(project, "jpeg_50, blur_2")
    score.main("p", "bce")
    assert runs[4:] == ["blur_2"]
    assert (project / "data/scores/p/bce.parquet").read_bytes() == first
    folder = project / "data/scores/p/bce.corrupted"
    assert {path.name for path in folder.iterdir()} == {*("jpeg_50.parquet", "blur_2.parquet", "SHA256SUMS")}
    # The manifests differ: all but validation is scored again.
    for name in ("test", "corrupted"):
        path = project / f"data/manifests/p/{name}.parquet"
        manifest = pd.read_parquet(path)
        manifest["domain"] = "other"
        manifest.to_parquet(path)
    score.main("p", "bce")
    assert runs[5:] == ["clean", "jpeg_50", "blur_2"]


def test_a_damaged_table_in_the_store_is_scored_again(project, runs):
    ask_for(project, "jpeg_50")
    score.main("p", "bce")
    whole = (project / "data/scores/p/bce.parquet").read_bytes()
    for path in (project / ".scratch/scores/p/bce").glob("*.parquet"):
        path.write_bytes(path.read_bytes()[:-50])
    score.main("p", "bce")
    assert runs == ["clean", "clean", "jpeg_50"] * 2
    assert (project / "data/scores/p/bce.parquet").read_bytes() == whole


def test_an_interrupted_run_resumes(project, runs):
    ask_for(project, "jpeg_50, wobble_3")
    with pytest.raises(UserError, match="unknown corruption 'wobble_3'"):
        score.main("p", "bce")
    assert not (project / "data/scores/p/bce.parquet").exists()
    ask_for(project, "jpeg_50, blur_1")
    score.main("p", "bce")
    assert runs == ["clean", "clean", "jpeg_50", "wobble_3", "blur_1"]


def test_the_store_keeps_the_tables_used_last(project, monkeypatch):
    monkeypatch.setattr(scoring, "KEPT_RUNS", 1)
    ask_for(project, "jpeg_50")
    score.main("p", "bce")
    ask_for(project, "blur_1")
    score.main("p", "bce")
    assert len(list((project / ".scratch/scores/p/bce").iterdir())) == 3  # not jpeg_50's


def test_where_all_is_stored_torch_is_not_imported(project):
    ask_for(project, "jpeg_50")
    score.main("p", "bce")
    code = "import sys; from stages import score; score.main('p', 'bce'); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=project, env=ENVIRONMENT)


def test_a_missing_manifest_says_what_to_run(project):
    (project / "data/manifests/p/val.parquet").unlink()
    with pytest.raises(UserError, match=r"val\.parquet: no such (file|manifest)[\s\S]*run the splits stage"):
        score.main("p", "bce")


def test_a_detector_that_the_protocol_leaves_out_has_outputs_without_a_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_json(tmp_path / "data/settings/p/sad.json", {"left_out": "p trains bce alone"})
    score.main("p", "sad")
    for name in ("sad.parquet", "sad.val.parquet"):
        assert (tmp_path / "data/scores/p" / name).read_bytes() == b""
    assert (tmp_path / "data/scores/p/sad.corrupted/left_out").is_file()
