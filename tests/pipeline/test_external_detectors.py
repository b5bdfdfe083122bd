"""Somebody else's detector, as a file and as a function, through every stage of the pipeline."""

import json
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from torchvision import models as zoo

from fakeforensics.images.codec import decode
from fakeforensics.images.shards import ShardReader
from fakeforensics.metrics.table import read_scores
from fakeforensics.models.card import read_card
from fakeforensics.models.preprocess import Preprocess
from tests.pipeline.test_plugins import prepare, run_stages
from tests.thin_resnet import thin_resnet
from tests.unit.detectors.test_external import network

pytestmark = pytest.mark.slow

CODE = """
import numpy as np

calls = 0


def brightness(images):
    return images.mean(axis=(1, 2, 3))


def fails_later(images):
    global calls
    calls += 1
    if calls > 2:
        raise RuntimeError("out of cheese")
    return brightness(images)
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    prepare(tmp_path, ["bce", "external"])
    (tmp_path / "their_module.py").write_text(CODE)
    monkeypatch.setattr(zoo, "get_model", thin_resnet)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("their_module", None)


def take(project, **settings):
    """Write the settings of `external`, as docs/detectors.md says."""
    path = project / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params["detector_settings"] = {"external": settings | {"train": {"crop_size": 32}}}
    params["evaluate"]["batch_size"] = 4
    path.write_text(yaml.safe_dump(params))


def brightness(project):
    """The mean of the center of each test image, computed from the stored images alone."""
    rows = pd.read_parquet(project / "data/manifests/p/test.parquet").drop_duplicates("key")
    reader = ShardReader(project / "data/images")
    crop = Preprocess(crop_size=32).crop
    return {
        row.key: crop(decode(reader.read(row.source, row.shard, row.offset, row.size))).mean()
        for row in rows.itertuples()
    }


def check_outputs(project):
    """What every stage wrote."""
    table = read_scores(project / "data/scores/p/external.parquet").rows.set_index("key")["score_ext"]
    assert table.to_dict() == pytest.approx(brightness(project), rel=1e-5)
    metrics = json.loads((project / "metrics/p/external.json").read_text())
    assert set(metrics["ap"]["ext"]) == {"stargan", "faceapp", "mean", "mean_unseen"}
    robustness = json.loads((project / "metrics/p/external.robustness.json").read_text())
    assert {row["corruption"] for row in robustness["ap"]} == {"clean", "blur_2"}
    assert json.loads((project / "metrics/p/external.decision.json").read_text())["score"] == "ext"
    compared = json.loads((project / "metrics/p/comparison.json").read_text())
    assert {row["first"] for row in compared["ap_difference"]} == {"external/ext"}
    assert "images that are not known here" in (project / "packages/p/external/README.md").read_text()
    html = (project / "report/index.html").read_text()
    assert "External" in html
    assert "images that are not known here" in html


def test_a_file_and_a_function_give_the_same_figures(project):
    shutil.move(network(project / "mean.onnx", 2, ("n", "h", "w", 3)), project / "their.onnx")  # 2: UInt8
    take(project, onnx="their.onnx")
    run_stages(["bce", "external"])
    check_outputs(project)
    assert "their.onnx" in json.dumps(read_card(project / "models/p/external"))
    of_file = (project / "metrics/p/external.json").read_text()
    take(project, call="their_module:brightness")
    run_stages(["external"])
    check_outputs(project)
    assert (project / "metrics/p/external.json").read_text() == of_file


def test_a_crash_is_a_crash_and_leaves_no_score(project):
    take(project, call="their_module:fails_later")
    with pytest.raises(RuntimeError, match="out of cheese"):
        run_stages(["external"])
    assert not list(Path("data/scores").rglob("external*"))
    assert not Path("metrics/p/external.json").exists()
