"""Scoring uploads, and deleting them."""

import os
import shutil
import struct
import time
import zlib

import cv2
import pytest

from fakeforensics.inference.app.predictor import UploadPredictor, UploadResult
from fakeforensics.inference.app.server import predict_and_delete
from fakeforensics.inference.inputs import UploadLimits
from fakeforensics.inference.predict import Prediction
from fakeforensics.models.detector import Detector
from tests.unit.inference.conftest import CROP


@pytest.fixture(scope="module")
def predictor(package):
    started = UploadPredictor(package, UploadLimits(max_seconds=120))
    yield started
    started.close()


def test_an_upload_is_scored_and_deleted(predictor, photo, tmp_path):
    upload = tmp_path / "up/abc/photo.png"
    upload.parent.mkdir(parents=True)
    shutil.copy(photo, upload)
    result = predict_and_delete(predictor, tmp_path / "up", str(upload))
    assert result.prediction.faces[0].assessment.verdict in ("real", "fake")
    assert [view.pixels.shape for view in result.views] == [(512, 512, 3)]
    (explained,) = result.explained
    assert explained.crop.shape == explained.heat.shape == (CROP, CROP, 3)
    assert not upload.exists()


def test_a_clip_gives_frames_spread_over_it_and_its_most_suspicious_ones(predictor, clip):
    result = predictor.predict(clip)
    assert [view.frame for view in result.views] == [0, 4, 8]  # of the nine frames with a face
    scores = [one.face.assessment.score for one in result.explained]
    assert scores == sorted((face.assessment.score for face in result.prediction.faces), reverse=True)[:4]


def test_a_path_outside_the_uploads_is_neither_scored_nor_deleted(predictor, photo, tmp_path):
    (tmp_path / "up").mkdir()
    link = tmp_path / "up/link.png"
    link.symlink_to(photo)
    climbing = f"{tmp_path}/up/../../{photo.parent.name}/{photo.name}"
    for path in (str(photo), climbing, str(link), "/etc/passwd"):
        result = predict_and_delete(predictor, tmp_path / "up", path)
        assert result.prediction.reason == "that is not an uploaded file"
    assert photo.exists()


def test_a_bad_upload_gets_its_reason_and_is_deleted(predictor, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_text("<script>alert(1)</script>")
    result = predict_and_delete(predictor, tmp_path, str(bad))
    assert "not an image in a format we read" in result.prediction.reason
    assert not bad.exists()


def test_an_image_with_too_many_pixels_is_refused_before_it_is_decoded(predictor, tmp_path):
    # A PNG whose header promises 30,000 x 30,000 pixels.
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(10_000_000))), chunk(b"IEND", b"")]
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    assert "megapixels" in predictor.predict(bomb).prediction.reason


def test_a_detector_without_heat_maps_shows_the_crop(package, photo, monkeypatch):
    monkeypatch.setattr(Detector, "heat_layer", None)
    predictor = UploadPredictor(package, UploadLimits(max_seconds=120))
    result = predictor.predict(photo)
    predictor.close()
    assert [(one.crop.shape, one.heat) for one in result.explained] == [((CROP, CROP, 3), None)]
    assert not predictor.has_heat


def test_what_takes_too_long_is_stopped(package, photo, tmp_path):
    # The pool looks at its clock ten times a second: finding a face here must take longer on any machine.
    large = tmp_path / "large.jpg"
    cv2.imwrite(str(large), cv2.resize(cv2.imread(str(photo)), (5000, 5000)))
    predictor = UploadPredictor(package, UploadLimits(max_seconds=0.01))
    assert predictor.predict(large).prediction.reason == "it took longer than 0.01 s"
    predictor.close()


class RefusingPredictor(UploadPredictor):
    def __init__(self):
        pass

    def predict(self, path):
        return UploadResult(Prediction(path, "image", (), {}, "not an image"))


def test_old_files_are_removed_after_an_upload(tmp_path):
    predictor = RefusingPredictor()
    for name, age in (("old", 700), ("new", 0)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    predict_and_delete(predictor, tmp_path, "/etc/passwd")
    assert (tmp_path / "old").exists()  # only the end of an upload removes
    (tmp_path / "bad.png").write_text("no image")
    predict_and_delete(predictor, tmp_path, str(tmp_path / "bad.png"))
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
