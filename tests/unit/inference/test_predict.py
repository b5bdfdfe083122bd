"""Parity with the pipeline: the same image, the same score."""

import subprocess
import sys

import numpy as np
import pytest

from fakeforensics.faces.run import make_images
from fakeforensics.images.images import encode_png
from fakeforensics.images.schema import read_index
from fakeforensics.inference.answers import as_dict
from fakeforensics.inference.cutting import Recipe
from fakeforensics.inference.inputs import Item
from fakeforensics.inference.predict import Options, Predictor
from fakeforensics.inference.trained import Trained
from fakeforensics.models.saving import load_detector
from fakeforensics.scoring import score_manifest
from fakeforensics.sources.record import RawFile
from tests.score_specs import SCORES
from tests.unit.inference.conftest import make_model


def judge(trained, items, people="stills", **options):
    recipe = Recipe(trained.crop, trained.faces, people)
    return list(Predictor(trained, Options(recipe, workers=1, **options)).predict(items))


def test_workers_can_start_before_torch_is_imported():
    code = (
        "import sys, fakeforensics.inference.run, fakeforensics.inference.predict\n"
        "assert not {'torch', 'lightning', 'pandas', 'sklearn', 'captum'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def pipeline_scores(trained, files, crop, root):
    """What the faces stage and the evaluate stage store, by raw path and frame."""
    raw = root / "raw"
    raw.mkdir()
    records = []
    for number, (path, kind) in enumerate(files.items()):
        name = f"{number}{path.suffix}"
        (raw / name).write_bytes(path.read_bytes())
        records.append(RawFile(name, kind, "fake", "d", 1, f"s/{number}", "test"))
    faces = trained.faces.model_copy(update={"workers": 1})
    make_images("s", raw, records, crop, faces, root / "images/s", root / "scratch")
    manifest = read_index(root / "images", "s").assign(test_set="t")
    detector, card = load_detector(trained.directory)
    scores = score_manifest(detector, card, manifest, root / "images", batch_size=3)
    table = scores.merge(manifest[["key", "raw_path"]], on="key")
    names = {f"{number}{path.suffix}": path for number, path in enumerate(files)}
    return {
        (names[row["raw_path"]], row["frame"]): (row["logit"], row["score_sl"], row["score_cd"])
        for row in table.to_dict("records")
    }


def assert_equal_scores(judgements, stored):
    found = {
        (one.path, -1 if face["frame"] is None else face["frame"]): (
            *(face["logit"], face["score_sl"], face["score_cd"]),
        )
        for one in judgements
        for face in as_dict(one, SCORES["joint"])["faces"]
    }
    assert found.keys() == stored.keys()
    for key, scores in stored.items():
        assert found[key] == pytest.approx(scores, rel=1e-4), key


def test_faces_get_the_scores_that_the_pipeline_stores(trained, photo, group_photo, clip, tmp_path):
    files = {photo: "image", group_photo: "image", clip: "video"}
    stored = pipeline_scores(trained, files, "faces", tmp_path)
    assert len(stored) == 2 + 9
    items = [Item(path, kind) for path, kind in files.items()]
    assert_equal_scores(judge(trained, items, people="main"), stored)


@pytest.fixture(scope="module")
def whole_model(tmp_path_factory):
    return Trained(make_model(tmp_path_factory.mktemp("m") / "models/w/joint", crop="whole"))


def test_whole_images_get_the_scores_that_the_pipeline_stores(whole_model, photo, clip, tmp_path):
    gray = tmp_path / "gray and smaller than the crop.png"
    gray.write_bytes(encode_png(np.full((40, 30, 3), 90, np.uint8)))
    files = {photo: "image", gray: "image", clip: "video"}
    stored = pipeline_scores(whole_model, files, "whole", tmp_path)
    assert len(stored) == 2 + 12
    items = [Item(path, kind) for path, kind in files.items()]
    assert_equal_scores(judge(whole_model, items, batch_size=5), stored)


def test_bad_files_are_rows_and_the_others_are_judged(trained, photo, tmp_path):
    empty = tmp_path / "empty.mp4"
    empty.touch()
    items = [Item(tmp_path / "no.png", "image", "no such file"), Item(photo, "image"), Item(empty, "video")]
    missing, good, bad = judge(trained, items)
    assert (missing.reason, good.reason, bad.reason) == ("no such file", None, "empty file")
    assert len(good.faces) == 1
    assert not missing.faces
    assert not bad.people


def test_the_batch_size_changes_no_score(whole_model, photo, tmp_path):
    rng = np.random.default_rng(0)
    paths = [photo]
    for number in range(6):
        paths.append(tmp_path / f"{number}.png")
        paths[-1].write_bytes(encode_png(rng.integers(0, 255, (70, 70, 3)).astype(np.uint8)))
    items = [Item(path, "image") for path in paths]
    one, many = (judge(whole_model, items, batch_size=size) for size in (1, 4))
    assert [found.path for found in one] == [found.path for found in many] == paths
    for left, right in zip(one, many, strict=True):
        assert left.faces[0].scores["logit"] == pytest.approx(right.faces[0].scores["logit"], rel=1e-4)


def test_a_video_is_judged_as_the_video_level_metrics_do(trained, clip):
    (found,) = judge(trained, [Item(clip, "video")])
    assert found.people[0].score == pytest.approx(np.mean([face.scores["logit"] for face in found.faces]))
    assert found.lost_frames == 3
