import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper

from fakeforensics.errors import UserError
from fakeforensics.files import sha256_file
from fakeforensics.images.codec import encode_png
from fakeforensics.images.index import INDEX_SCHEMA
from fakeforensics.images.shards import ShardWriter
from fakeforensics.inference import export
from fakeforensics.inference.export import (
    TOLERANCE,
    Exported,
    add_onnx,
    check_images,
    export_model,
    largest_difference,
)
from fakeforensics.inference.network import open_network
from fakeforensics.inference.package import Package
from fakeforensics.inference.predict import LoadedModel
from fakeforensics.models.saving import load_detector
from tests.unit.inference.conftest import CROP, make_model, make_package
from tests.unit.splits.conftest import row

NOWHERE = Path("/nowhere")  # without crops to check on


@pytest.fixture(scope="module")
def exported(package, tmp_path_factory):
    out = tmp_path_factory.mktemp("export")
    report = export_model(package, out, "onnx", NOWHERE)
    return out, report


@pytest.fixture(scope="module")
def crops(portrait):
    """Real crops: parts of a photograph."""
    places = [(0, 0), (40, 190), (100, 200), (300, 120), (440, 440)]
    return np.stack([portrait[y : y + CROP, x : x + CROP] for y, x in places])


@pytest.mark.parametrize("count", [1, 2, 5])
def test_onnx_gives_the_models_scores_for_any_batch(exported, package, crops, count):
    session = onnxruntime.InferenceSession(exported[0] / "model.onnx")
    given = np.ascontiguousarray(crops[:count].transpose(0, 3, 1, 2))
    logit, score_sl, score_cd = session.run(["logit", "score_sl", "score_cd"], {"images": given})
    for number, scores in enumerate(LoadedModel(package).score(list(crops[:count]))):
        assert logit[number] == pytest.approx(scores["logit"], rel=1e-4, abs=1e-5)
        assert score_sl[number] == pytest.approx(1 / (1 + np.exp(-scores["logit"])), rel=1e-4)
        assert score_cd[number] == pytest.approx(scores["score_cd"], rel=1e-4)


def test_onnx_takes_pixels_as_they_are_in_batches_of_any_size(exported):
    graph = onnx.load(exported[0] / "model.onnx").graph
    (taken,) = graph.input
    assert taken.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    batch, *rest = taken.type.tensor_type.shape.dim
    assert batch.dim_param
    assert [one.dim_value for one in rest] == [3, CROP, CROP]


def test_what_is_written_names_no_place_of_this_machine(exported):
    written = (exported[0] / "model.onnx").read_bytes()
    assert b"site-packages" not in written
    assert str(Path(export.__file__).parent).encode() not in written


def test_a_package_gets_its_network_and_a_record_of_it(with_onnx):
    record = json.loads((with_onnx.directory / "onnx.json").read_text())
    assert record == {
        "weights_sha256": sha256_file(with_onnx.directory / "model.safetensors"),
        "sha256": sha256_file(with_onnx.directory / "model.onnx"),
        "reason": None,
        "heat_maps": True,
    }


def test_a_package_whose_export_differs_says_so(package, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "_write_onnx", lambda *_: None)
    monkeypatch.setattr(export, "largest_difference", lambda *_: 0.01)
    folder = shutil.copytree(package.directory, tmp_path / "joint")
    assert "0.01" in add_onnx(Package(folder), NOWHERE).reason
    assert json.loads((folder / "onnx.json").read_text())["sha256"] is None
    assert not (folder / "model.onnx").exists()


def test_an_operator_that_onnx_lacks_is_a_reason(package, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise torch.onnx.OnnxExporterError("no operator for it\nand a long report")

    monkeypatch.setattr(torch.onnx, "export", refuse)
    folder = shutil.copytree(package.directory, tmp_path / "joint")
    assert add_onnx(Package(folder), NOWHERE).reason.endswith("found: no operator for it")


def external(tmp_path, own):
    """A package of a detector that was trained elsewhere."""
    model = make_model(tmp_path / "models/p/external", "external", own=own)
    return make_package(tmp_path / "packages/p/external", model, {})


def brightness(path):
    """Write the mean of one image's pixels as a network."""
    taken = helper.make_tensor_value_info("x", onnx.TensorProto.UINT8, (1, 3, CROP, CROP))
    given = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, (1, 1))
    nodes = [
        helper.make_node("Cast", ["x"], ["numbers"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Flatten", ["numbers"], ["flat"]),
        helper.make_node("ReduceMean", ["flat"], ["y"], axes=[1]),
    ]
    graph = helper.make_graph(nodes, "brightness", [taken], [given])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_a_python_function_has_no_onnx_form(tmp_path):
    found = add_onnx(external(tmp_path, {"call": "theirs:score"}), NOWHERE)  # of code that is not run
    assert "Python function" in found.reason


@pytest.mark.parametrize("gpu", [False, True])
def test_a_network_from_elsewhere_is_in_its_package(tmp_path, crops, monkeypatch, gpu):
    path = brightness(tmp_path / "given.onnx")
    package = external(tmp_path, {"onnx": str(path)})
    assert add_onnx(package, NOWHERE).reason is None
    path.unlink()
    monkeypatch.setattr("fakeforensics.inference.network.has_gpu", lambda: gpu)
    network = open_network(Package(package.directory))
    assert network.score(list(crops))["score_ext"] == pytest.approx(crops.mean(axis=(1, 2, 3)), rel=1e-5)


def test_a_network_from_elsewhere_that_is_too_large_is_left_out_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr("fakeforensics.detectors.external.MOST_BYTES", 100)
    package = external(tmp_path, {"onnx": str(brightness(tmp_path / "given.onnx"))})
    assert "too large" in add_onnx(package, NOWHERE).reason
    assert not (package.directory / "model.onnx").exists()


def test_the_report_names_outputs_and_images(exported):
    assert "outputs logit, score_sl, score_cd; checked on 16 noise images" in exported[1]


def test_card_and_policy_go_with_the_model(exported):
    out = exported[0]
    assert json.loads((out / "model.json").read_text())["protocol"] == "p"
    assert json.loads((out / "decision.json").read_text())["threshold"] == 0.25
    readme = (out / "README.md").read_text()
    assert "model.onnx" in readme
    assert "model.pt2" not in readme  # it is not there


@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        ("bce", ("logit", "score_sl")),
        ("sad", ("score_cd",)),
        ("joint", ("logit", "score_sl", "score_cd")),
    ],
)
def test_the_outputs_are_the_detectors_scores_and_their_probabilities(tmp_path, name, outputs):
    model = Package(make_model(tmp_path / "m", name))
    network = Exported(load_detector(model.directory)[0], model.preprocess)
    assert network.outputs == outputs
    values = network(torch.zeros(2, 3, CROP, CROP, dtype=torch.uint8))
    assert len(values) == len(outputs)
    assert all(value.shape == (2,) for value in values)


def test_torch_export_gives_the_models_scores(package, crops, tmp_path):
    export_model(package, tmp_path, "torch", NOWHERE)
    program = torch.export.load(tmp_path / "model.pt2").module()
    values = program(torch.from_numpy(crops).permute(0, 3, 1, 2).contiguous())
    expected = [scores["score_cd"] for scores in LoadedModel(package).score(list(crops))]
    assert values[2].detach().numpy() == pytest.approx(expected, rel=1e-4)


def test_a_folder_with_another_models_export_is_refused(package, tmp_path):
    card = json.loads((package.directory / "model.json").read_text())
    other = card | {"weights_sha256": "0" * 64, "protocol": "q"}
    (tmp_path / "model.json").write_text(json.dumps(other))
    with pytest.raises(UserError, match=r"export of another model(.|\n)*found: q/joint"):
        export_model(package, tmp_path, "torch", NOWHERE)
    assert json.loads((tmp_path / "model.json").read_text()) == other


def test_a_folder_with_an_export_of_an_earlier_version_is_refused(package, tmp_path):
    card = json.loads((package.directory / "model.json").read_text())
    card["format"]["version"] = 1
    (tmp_path / "model.json").write_text(json.dumps(card))
    with pytest.raises(UserError, match=r"another format(.|\n)*remove this one"):
        export_model(package, tmp_path, "torch", NOWHERE)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_an_exported_score_that_is_not_finite_is_no_agreement(tmp_path, wrong):
    package = Package(make_model(tmp_path / "m", "sad"))
    network = Exported(load_detector(package.directory)[0], package.preprocess)
    images = torch.zeros(2, 3, CROP, CROP, dtype=torch.uint8)
    difference = largest_difference(
        network, lambda batch: {"score_cd": np.full(len(batch), wrong, np.float32)}, images
    )
    assert not difference <= TOLERANCE


@pytest.mark.parametrize("difference", [0.01, np.nan])
def test_an_export_that_differs_is_not_kept(package, tmp_path, monkeypatch, difference):
    monkeypatch.setattr(export, "largest_difference", lambda *_: difference)
    with pytest.raises(UserError, match=rf"not the model's(.|\n)*found: {difference}"):
        export_model(package, tmp_path, "torch", NOWHERE)
    assert not list(tmp_path.iterdir())


def test_crops_of_the_sources_check_the_export_if_there_are_any(tmp_path, portrait):
    package = Package(make_model(tmp_path / "m"))
    folder = tmp_path / "src"
    folder.mkdir(parents=True)
    rows = []
    with ShardWriter(folder, 2**20) as writer:
        for number in range(20):
            data = encode_png(np.ascontiguousarray(portrait[number : number + CROP, :CROP]))
            place = writer.add(f"{number}", data)._asdict()
            rows.append(row("src", f"{number}", **place, sha256=hashlib.sha256(data).hexdigest()))
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(rows, INDEX_SCHEMA), folder / "index.parquet")
    images, origin = check_images(package, package.preprocess, tmp_path)
    assert origin == "real crops of its sources"
    assert images.shape == (16, 3, CROP, CROP)
    assert np.array_equal(images[0].permute(1, 2, 0).numpy(), portrait[:CROP, :CROP])
