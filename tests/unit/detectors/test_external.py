import hashlib
import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from fakeforensics.errors import UserError
from fakeforensics.files import sha256_file
from fakeforensics.models.card import Architecture, trained_on
from fakeforensics.models.onnx_session import run_session
from fakeforensics.models.registry import build_detector, detector_class
from fakeforensics.models.saving import load_detector
from fakeforensics.params import FacesParams, Params
from fakeforensics.scoring import score_run
from fakeforensics.training.settings import load_settings, resolve_settings
from fakeforensics.training.train import train_detector
from tests.tiny_images import tiny_project
from tests.unit.training._runs import places

# Two images, all 51 (0.2 of 255) and all 204 (0.8), as `Preprocess` normalizes them: channels in [0, 1].
NONE = Path("nothing is corrupted")
IMAGES = torch.tensor([0.2, 0.8]).view(2, 1, 1, 1).expand(2, 3, 32, 32)
CODE = """
import numpy as np

def brightness(images):
    assert images.dtype == np.uint8 and images.shape[1:] == (32, 32, 3), (images.dtype, images.shape)
    return images.mean(axis=(1, 2, 3))

def one_too_few(images):
    return images.mean(axis=(1, 2, 3))[1:]

def fails(images):
    raise RuntimeError("out of cheese")

def says_nothing(images):
    return np.full(len(images), np.nan)

number = 7
"""


@pytest.fixture
def code(tmp_path, monkeypatch):
    (tmp_path / "theirs.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path / "theirs.py"
    sys.modules.pop("theirs", None)


def network(path, kind=TensorProto.FLOAT, shape=("n", 3, 32, 32), outputs=("score",)):
    """The mean of each image, as an ONNX file; each further output is twice the one before."""
    given = helper.make_tensor_value_info("images", kind, shape)
    nodes = [
        helper.make_node("Cast", ["images"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["numbers"], ["flat"]),
        helper.make_node("ReduceMean", ["flat"], [outputs[0]], axes=[1], keepdims=0),
    ]
    nodes += [helper.make_node("Add", [before, before], [after]) for before, after in pairwise(outputs)]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ("n",)) for name in outputs]
    graph = helper.make_graph(nodes, "mean", [given], results)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return str(path)


def score(**settings):
    found = build_detector("external", Architecture(crop_size=32), settings).eval().score(IMAGES)
    return found["score_ext"].tolist()


@pytest.mark.usefixtures("code")
def test_a_function_gets_pixels_and_its_scores_are_taken_as_they_are():
    assert score(call="theirs:brightness") == pytest.approx([51, 204])
    assert score(call="theirs:brightness", higher_is_fake=False) == pytest.approx([-51, -204])


@pytest.mark.parametrize("shape", [("n", 3, 32, 32), ("n", 32, 32, 3), (None, 3, None, None)])
def test_a_file_gets_normalized_numbers_or_bytes_in_its_own_layout(tmp_path, shape):
    floats = network(tmp_path / "floats.onnx", shape=shape)
    # the mean over channels of (0.2 − 0.4) / 0.2 = −1 and (0.8 − 0.4) / 0.2 = 2
    assert score(onnx=floats, mean=(0.4,) * 3, std=(0.2,) * 3) == pytest.approx([-1, 2], abs=1e-5)
    bytes_ = network(tmp_path / "bytes.onnx", TensorProto.UINT8, shape)
    assert score(onnx=bytes_) == pytest.approx([51, 204])


def test_a_file_that_takes_three_images_gets_three_at_a_time(tmp_path):
    path = network(tmp_path / "three.onnx", TensorProto.UINT8, shape=(3, 3, 32, 32))
    detector = build_detector("external", Architecture(crop_size=32), {"onnx": path})
    images = torch.linspace(0, 1, 256)[[0, 51, 102, 204]].view(4, 1, 1, 1).expand(4, 3, 32, 32)
    assert detector.score(images)["score_ext"].tolist() == pytest.approx([0, 51, 102, 204])


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8])
@pytest.mark.parametrize("shape", [("n", 3, 32, 32), ("n", 32, 32, 3), (1, 3, 32, 32)])
@pytest.mark.parametrize("higher_is_fake", [True, False])
def test_it_is_written_as_a_network_from_bytes_to_its_score(tmp_path, kind, shape, higher_is_fake):
    path = network(tmp_path / "given.onnx", kind, shape)
    settings = {
        "onnx": path,
        "mean": (0.4, 0.5, 0.6),
        "std": (0.2, 0.3, 0.4),
        "higher_is_fake": higher_is_fake,
    }
    detector = build_detector("external", Architecture(crop_size=32), settings)
    detector.write_onnx(tmp_path / "written.onnx")
    Path(path).unlink()
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
    session = onnxruntime.InferenceSession(tmp_path / "written.onnx")
    (found,) = run_session(session, ["score_ext"], pixels)
    given = pixels.astype(np.float64)
    if kind != TensorProto.UINT8:
        mean, std = (np.reshape(settings[name], (1, 3, 1, 1)) for name in ("mean", "std"))
        given = (given / 255 - mean) / std
    expected = given.mean(axis=(1, 2, 3)) * (1 if higher_is_fake else -1)
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-3 if kind == TensorProto.FLOAT16 else 1e-5)


def test_weights_beside_the_given_file_are_written_into_one(tmp_path):
    path = tmp_path / "given.onnx"
    weights = numpy_helper.from_array(np.full((1, 3, 32, 32), 2, np.float32), "weights")
    nodes = [
        helper.make_node("Mul", ["x", "weights"], ["product"]),
        helper.make_node("Flatten", ["product"], ["y"]),
    ]
    nodes.append(helper.make_node("ReduceMean", ["y"], ["score"], axes=[1], keepdims=1))
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)]
        for name, shape in (("x", ("n", 3, 32, 32)), ("score", ("n", 1)))
    )
    graph = helper.make_graph(nodes, "twice", inputs, outputs, [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert (tmp_path / "weights.bin").is_file()
    own = resolve({"onnx": str(path), "mean": (0.0,) * 3, "std": (1.0,) * 3}).own
    both = sha256_file(path) + sha256_file(tmp_path / "weights.bin")
    assert own["sha256"] == hashlib.sha256(both.encode()).hexdigest()
    build_detector("external", Architecture(crop_size=32), own).write_onnx(tmp_path / "written.onnx")
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(UserError, match=r"weights\.bin: no such file"):
        resolve({"onnx": str(path)})
    session = onnxruntime.InferenceSession(tmp_path / "written.onnx")
    (found,) = run_session(session, ["score_ext"], np.full((2, 3, 32, 32), 51, np.uint8))
    assert found == pytest.approx([0.4, 0.4])  # twice 51 / 255


def test_a_file_of_an_old_version_is_written_too_without_notes_on_its_origin(tmp_path):
    path = tmp_path / "given.onnx"
    (pixels, score_), weights = (
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in (("x", ("n", 3, 32, 32)), ("score", ("n",)))
        ],
        numpy_helper.from_array(np.full((1, 3, 32, 32), 2, np.float32), "weights"),
    )
    nodes = [
        helper.make_node("Mul", ["x", "weights"], ["product"]),
        helper.make_node("ReduceMean", ["product"], ["score"], axes=[1, 2, 3], keepdims=0),
    ]
    nodes[0].metadata_props.add(key="stack", value="/home/somebody/train.py")
    # Up to version 3 an initializer is one of the inputs.
    also = helper.make_tensor_value_info("weights", TensorProto.FLOAT, (1, 3, 32, 32))
    graph = helper.make_graph(nodes, "twice", [pixels, also], [score_], [weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 8)], ir_version=3), path)
    settings = {"onnx": str(path), "mean": (0.0,) * 3, "std": (1.0,) * 3}
    build_detector("external", Architecture(crop_size=32), settings).write_onnx(tmp_path / "written.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "written.onnx")
    (found,) = run_session(session, ["score_ext"], np.full((2, 3, 32, 32), 51, np.uint8))
    assert found == pytest.approx([0.4, 0.4])  # twice 51 / 255
    assert b"somebody" not in (tmp_path / "written.onnx").read_bytes()


@pytest.mark.parametrize(("fake_class", "sign"), [(1, 1), (0, -1)])
def test_of_two_numbers_the_difference_is_the_score(tmp_path, fake_class, sign):
    """The network gives each image its brightness x for the class 0, and 3x for the class 1."""
    path = tmp_path / "given.onnx"
    pixels = helper.make_tensor_value_info("x", TensorProto.UINT8, ("n", 3, 32, 32))
    nodes = [
        helper.make_node("Cast", ["x"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["float"], ["flat"]),
        helper.make_node("ReduceMean", ["flat"], ["score"], axes=[1], keepdims=1),
        helper.make_node("Add", ["score", "score"], ["twice"]),
        helper.make_node("Add", ["score", "twice"], ["thrice"]),
        helper.make_node("Concat", ["score", "thrice"], ["both"], axis=1),
    ]
    both = helper.make_tensor_value_info("both", TensorProto.FLOAT, ("n", 2))
    graph = helper.make_graph(nodes, "two classes", [pixels], [both])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    with pytest.raises(UserError, match="fake_class"):
        score(onnx=str(path))
    assert score(onnx=str(path), fake_class=fake_class) == pytest.approx([sign * 102, sign * 408])
    settings = {"onnx": str(path), "fake_class": fake_class}
    build_detector("external", Architecture(crop_size=32), settings).write_onnx(tmp_path / "written.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "written.onnx")
    (found,) = run_session(session, ["score_ext"], np.full((3, 3, 32, 32), 51, np.uint8))
    assert found == pytest.approx([sign * 102] * 3)
    with pytest.raises(UserError, match="two numbers"):
        score(onnx=network(tmp_path / "one.onnx", TensorProto.UINT8), fake_class=1)


def test_one_of_several_outputs_is_named(tmp_path):
    path = network(tmp_path / "two.onnx", TensorProto.UINT8, outputs=("once", "twice"))
    assert score(onnx=path, output="twice") == pytest.approx([102, 408])
    with pytest.raises(UserError, match="once, twice"):
        score(onnx=path)
    with pytest.raises(UserError, match="no output 'thrice'"):
        score(onnx=path, output="thrice")


def test_what_the_file_refuses_is_said_with_both_shapes(tmp_path):
    path = network(tmp_path / "large.onnx", shape=("n", 3, 64, 64))
    with pytest.raises(UserError, match=r"64(.|\n)*crop_size"):
        score(onnx=path)
    (tmp_path / "text.onnx").write_text("not a network")
    with pytest.raises(UserError, match=r"text\.onnx: not an ONNX file"):
        score(onnx=str(tmp_path / "text.onnx"))


@pytest.mark.usefixtures("code")
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ("theirs:one_too_few", UserError, "2 numbers for 2 images"),
        ("theirs:fails", RuntimeError, "out of cheese"),
        ("theirs:absent", UserError, "is not found"),
        ("absent:brightness", UserError, "is not found"),
        ("theirs:number", UserError, "is not a function"),
    ],
)
def test_a_crash_is_a_crash(call, error, message):
    with pytest.raises(error, match=message):
        score(call=call)


@pytest.mark.parametrize("own", [{}, {"onnx": "a.onnx", "call": "a:b"}, {"onnx": "a.onnx", "std": [0, 1, 1]}])
def test_settings_that_name_no_single_detector_are_refused(own):
    with pytest.raises(UserError, match="external"):
        resolve(own)


def resolve(own):
    needed = {"protocols": ["p"], "sources": {}, "detectors": ["external"], "compare": {"baseline": "bce"}}
    params = Params.model_validate(needed | {"detector_settings": {"external": own}})
    overrides = {"train": {"crop_size": 32}, "augment": {}}
    return resolve_settings(params, "p", "external", where="p.yaml", overrides=overrides)


def test_the_settings_hold_the_hash_and_a_changed_file_is_noticed(code):
    own = resolve({"call": "theirs:brightness"}).own
    assert own["sha256"] == sha256_file(code)
    code.write_text(CODE + "\n# changed\n")
    with pytest.raises(UserError, match="has changed"):
        score(**own)


def test_a_changed_file_that_the_function_reads_is_noticed_too(code, tmp_path):
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"one")
    own = resolve({"call": "theirs:brightness", "files": [str(weights)]}).own
    both = sha256_file(code) + sha256_file(weights)
    assert own["sha256"] == hashlib.sha256(both.encode()).hexdigest()
    assert score(**own) == pytest.approx([51, 204])
    weights.write_bytes(b"two")
    with pytest.raises(UserError, match=r"theirs\.py: the file, or one of .*weights\.bin, has changed"):
        score(**own)
    weights.unlink()
    with pytest.raises(UserError, match=r"weights\.bin: no such file(?s:.*)external\.files"):
        resolve({"call": "theirs:brightness", "files": [str(weights)]})


def test_a_missing_file_is_named_when_settings_are_resolved(tmp_path):
    with pytest.raises(UserError, match=r"absent\.onnx: no such file"):
        resolve({"onnx": str(tmp_path / "absent.onnx")})
    (tmp_path / "text.onnx").write_text("not a network")
    with pytest.raises(UserError, match=r"text\.onnx: not an ONNX file"):
        resolve({"onnx": str(tmp_path / "text.onnx")})


def test_it_is_scored_through_the_stages_and_trained_on_nothing(code):
    root = code.parent
    own = resolve({"call": "theirs:brightness"}).own
    path = tiny_project(root, [0, 1, 0, 1], [0, 1], detector="external", own=own)
    settings = json.loads(path.read_text())
    train_detector(load_settings(path), places(root), FacesParams())
    card = json.loads((root / "model/model.json").read_text())
    assert card["detector"]["sees"] == detector_class("external").sees == "elsewhere"
    assert card["counts"] == {"train": {}, "val": {}}
    assert trained_on(card) == "elsewhere"
    assert card["images"]["crop"] == {"src_train": "whole"}
    manifest = pd.read_parquet(root / "data/manifests/tiny/val.parquet")
    needed = {"domain": "d", "group": manifest["key"], "video": "", "frame": -1}
    manifest.assign(**needed).to_parquet(root / "val.parquet")
    tables = score_run(
        root / "model", {"val": root / "val.parquet"}, NONE, [], root / "data/images", root / "store", 2
    )
    scores = pd.read_parquet(tables["val", "clean"])["score_ext"]
    assert np.isfinite(scores).all()
    assert scores.nunique() == 2
    assert settings["own"]["call"] == "theirs:brightness"
    with pytest.raises(UserError, match="never runs code"):
        load_detector(root / "model")


@pytest.mark.usefixtures("code")
def test_a_score_that_is_no_number_ends_the_stage(tmp_path):
    own = resolve({"call": "theirs:says_nothing"}).own
    path = tiny_project(tmp_path, [0, 1, 0, 1], [0, 1], detector="external", own=own)
    train_detector(load_settings(path), places(tmp_path), FacesParams())
    manifest = pd.read_parquet(tmp_path / "data/manifests/tiny/val.parquet")
    manifest.assign(domain="d", group=manifest["key"], video="", frame=-1).to_parquet(
        tmp_path / "val.parquet"
    )
    with pytest.raises(UserError, match=r"theirs:says_nothing gives . of . images a score that is not"):
        score_run(
            tmp_path / "model",
            {"val": tmp_path / "val.parquet"},
            NONE,
            [],
            tmp_path / "data/images",
            tmp_path / "s",
        )
