"""The choice of what computes the scores, and that the score does not depend on it."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from fakeforensics.errors import UserError
from fakeforensics.files import sha256_file
from fakeforensics.inference import network
from fakeforensics.inference.network import OnnxNetwork, choose_runtime, open_network
from fakeforensics.inference.package import Package
from fakeforensics.inference.torch_network import TorchNetwork
from fakeforensics.sums import write_sums
from tests.unit.inference.conftest import CROP, rewrite


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch):
    monkeypatch.setattr(network, "has_gpu", lambda: False)


@pytest.fixture
def copied(with_onnx, tmp_path):
    """A copy of the package, to change."""
    return Package(shutil.copytree(with_onnx.directory, tmp_path / "joint"))


@pytest.fixture(scope="module")
def crops(portrait):
    places = [(0, 0), (40, 190), (100, 200), (300, 120), (440, 440)]
    return [portrait[y : y + CROP, x : x + CROP] for y, x in places]


def changed_record(package, **values):
    path = package.directory / "onnx.json"
    rewrite(path.parent, path.name, json.loads(path.read_text()) | values)
    return Package(package.directory)


def test_both_runtimes_give_the_same_scores(with_onnx, crops):
    torch_scores, onnx_scores = (kind(with_onnx).score(crops) for kind in (TorchNetwork, OnnxNetwork))
    assert torch_scores.keys() == onnx_scores.keys() == {"logit", "score_cd"}
    for column, values in torch_scores.items():
        assert onnx_scores[column] == pytest.approx(values, rel=1e-4, abs=1e-5)


def test_a_score_does_not_depend_on_the_batch(with_onnx, crops):
    onnx = OnnxNetwork(with_onnx)
    together = onnx.score(crops * 7)["logit"]  # 35 crops: not a multiple of any batch
    for number, crop in enumerate(crops):
        assert together[number::5] == pytest.approx(onnx.score([crop])["logit"] * 7, rel=1e-5, abs=1e-6)


def test_a_network_says_what_it_runs_on_and_whether_it_has_heat_maps(with_onnx):
    import onnxruntime
    import torch

    onnx, other = OnnxNetwork(with_onnx), TorchNetwork(with_onnx)
    assert (onnx.runtime, onnx.device) == (f"onnxruntime {onnxruntime.__version__}", "cpu")
    assert other.runtime == f"torch {torch.__version__}"
    assert onnx.has_heat_maps
    assert other.has_heat_maps


def test_onnxruntime_is_chosen_where_there_is_a_network_for_it(with_onnx, package):
    assert choose_runtime(with_onnx) == ("onnxruntime", None)
    assert isinstance(open_network(with_onnx), OnnxNetwork)
    assert choose_runtime(with_onnx, "torch") == ("torch", None)
    runtime, why_not = choose_runtime(package)  # as a package of an earlier version
    assert runtime == "torch"
    assert "dvc repro pipelines/p/dvc.yaml:package@p-joint" in why_not
    with pytest.raises(UserError, match=r"cannot run on onnxruntime(.|\n)*no model\.onnx"):
        choose_runtime(package, "onnxruntime")


def test_a_detector_without_an_onnx_form_takes_torch_and_says_why(copied):
    (copied.directory / "model.onnx").unlink()
    changed = changed_record(copied, sha256=None, reason="it has a kernel")
    write_sums(copied.directory)
    assert choose_runtime(changed) == ("torch", "it has a kernel")
    assert isinstance(open_network(changed), TorchNetwork)


def test_without_onnxruntime_torch_is_taken(with_onnx, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as if it were not installed
    assert choose_runtime(with_onnx).runtime == "torch"
    assert "not installed" in choose_runtime(with_onnx).why_not_onnx


def test_a_gpu_is_used_unless_onnxruntime_is_asked_for(with_onnx, monkeypatch):
    monkeypatch.setattr(network, "has_gpu", lambda: True)
    assert choose_runtime(with_onnx) == ("torch", None)
    assert choose_runtime(with_onnx, "onnxruntime") == ("onnxruntime", None)


def test_a_changed_network_is_refused(copied):
    path = copied.directory / "model.onnx"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1  # one bit of one weight
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"not the network that onnx\.json(.|\n)*package@p-joint"):
        open_network(copied)
    path.unlink()
    with pytest.raises(UserError, match=r"model\.onnx: no such file"):
        open_network(copied)


def test_the_network_of_other_weights_is_refused(copied):
    with pytest.raises(UserError, match="describes the network of other weights"):
        open_network(changed_record(copied, weights_sha256="0" * 64))


def test_a_file_that_is_no_network_is_refused(copied):
    path = copied.directory / "model.onnx"
    path.write_text("no network")
    with pytest.raises(UserError, match=r"ONNX Runtime cannot load it"):
        open_network(changed_record(copied, sha256=sha256_file(path)))


@pytest.mark.parametrize("values", [{"sha256": None}, {"reason": "both"}, {"more": 1}])
def test_a_damaged_record_is_refused(copied, values):
    with pytest.raises(UserError, match=r"onnx\.json"):
        choose_runtime(changed_record(copied, **values))


def test_a_photograph_is_scored_without_torch(with_onnx, photo):
    code = (
        "import sys; from fakeforensics.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'pandas', 'sklearn', 'matplotlib', 'lightning', 'captum'}\n"
        "sys.exit(repr(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    options = ["--runtime", "onnxruntime", "--workers", "1", "--model", str(with_onnx.directory), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", code, "predict", str(photo), *options],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (face,) = json.loads(done.stdout)["files"][0]["faces"]
    assert np.isfinite(face["logit"])
