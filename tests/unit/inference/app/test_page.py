"""What the page shows, without a server."""

import os
import re
import shutil
import struct
import time
import zlib

import pytest

from fakeforensics.inference.app.desk import Desk, Reply
from fakeforensics.inference.app.page import header_html, problem_html, reply_html
from fakeforensics.inference.app.scale import label_rows, score_scale
from fakeforensics.inference.app.uploads import judged
from fakeforensics.inference.judgement import Answer, Judgement, Policy
from fakeforensics.inference.limits import Limits
from fakeforensics.thresholds.policy import Decision
from tests.score_specs import SL
from tests.unit.inference.conftest import CROP, TOY


@pytest.fixture(scope="module")
def desk(trained):
    return Desk(trained, Limits(max_seconds=120))


def test_an_upload_is_judged_and_deleted(desk, trained, photo, tmp_path):
    upload = tmp_path / "up/abc/photo.png"
    upload.parent.mkdir(parents=True)
    shutil.copy(photo, upload)
    page = judged(desk, trained, tmp_path / "up", str(upload))
    assert re.search(r'data-verdict="(real|fake)"', page)
    assert page.count("<img") == 2  # the photo with its box, and the face with its heat map
    assert "threshold 0.25" in page
    assert not upload.exists()


def test_a_path_outside_the_uploads_is_neither_judged_nor_deleted(desk, trained, photo, tmp_path):
    (tmp_path / "up").mkdir()
    link = tmp_path / "up/link.png"
    link.symlink_to(photo)
    for path in (
        str(photo),
        f"{tmp_path}/up/../../{photo.parent.name}/{photo.name}",
        str(link),
        "/etc/passwd",
    ):
        assert "not an uploaded file" in judged(desk, trained, tmp_path / "up", path)
    assert photo.exists()


def test_a_bad_upload_gets_its_reason_and_is_deleted(desk, trained, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_text("<script>alert(1)</script>")
    page = judged(desk, trained, tmp_path, str(bad))
    assert 'data-verdict="failed"' in page
    assert "Not an image in a format we read" in page
    assert not bad.exists()


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(desk, tmp_path):
    # A PNG whose header promises 30,000 x 30,000 pixels.
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10_000_000)))
        + chunk(b"IEND", b"")
    )
    assert "megapixels" in desk.reply(bomb).judgement.reason


@pytest.fixture(scope="module")
def reply(desk, clip):
    return desk.reply(clip)


def test_a_clip_is_shown_with_its_frames(trained, reply):
    assert len(reply.views) == 3
    assert len(reply.explained) == 4  # the fakest frames
    page = reply_html(reply, Policy(trained.decision, trained.scores))
    assert "Score by frame" in page
    assert "mean over 9 frames (3 more without a face)" in page


def test_names_and_reasons_cannot_bring_markup():
    assert "<script>" not in problem_html("<script>alert(1)</script>")


def test_the_scale_has_the_threshold_in_its_middle_and_fakes_to_the_right():
    decision = Decision(score="sl", threshold=2.0, chosen="c")
    answers = [(0, Answer(5.0, 0.9, "fake")), (1, Answer(-1.0, 0.2, "real"))]
    drawn = score_scale(answers, Policy(decision, (SL,)))
    fake, real = (float(x) for x in re.findall(r'<circle cx="([\d.]+)"', drawn))
    # Both are 3 from the threshold, the scale reaches 1.25 times as far: 0.8 of half of 760 less the edge.
    assert (fake, real) == pytest.approx((380 + 0.8 * 356, 380 - 0.8 * 356))
    assert 'x1="380.0" x2="380.0"' in drawn


def test_the_scale_of_a_probability_is_not_wider_than_its_answers():
    decision = Decision(score="share", threshold=0.5, chosen="c")
    drawn = score_scale([(0, Answer(0.9, 0.9, "fake"))], Policy(decision, TOY))
    # 1.25 times the distance 0.4 to both sides of the threshold.
    assert "0 · more like real" in drawn
    assert "more like fake · 1<" in drawn


def test_one_score_at_zero_without_threshold_has_a_scale():
    assert 'cx="380.0"' in score_scale([(0, Answer(0.0, None, None))], Policy(None, TOY))


def test_a_detector_without_heat_maps_is_served(trained, photo, monkeypatch):
    from fakeforensics.models.detector import Detector

    monkeypatch.setattr(Detector, "heat_layer", None)
    reply = Desk(trained, Limits(max_seconds=120)).reply(photo)
    (explained,) = reply.explained
    assert explained.picture.shape == (CROP, CROP, 3)
    page = reply_html(reply, Policy(trained.decision, trained.scores))
    assert "no heat maps" in page
    assert "Grad-CAM" not in page


def test_the_head_says_model_and_limits(trained):
    head = header_html(trained, Limits(max_mb=7, max_seconds=9))
    assert "p/joint" in head
    assert "7 MB and 9 seconds" in head


def test_the_page_of_a_face_without_threshold_gives_no_verdict(reply, trained):
    assert "no threshold, so there is no verdict" in reply_html(reply, Policy(None, trained.scores))


def test_the_page_says_at_which_probability_the_verdict_turns(reply, trained):
    # 1 / (1 + exp(-0.25)) of the threshold 0.25
    page = reply_html(reply, Policy(trained.decision, trained.scores))
    assert "Fake from 0.25 in S_SL, logit of the classifier, a probability of 56.2 %;" in page


class RefusingDesk(Desk):
    def __init__(self):
        pass

    def reply(self, path):
        return Reply(Judgement(path, "image", (), {}, "not an image"))


def test_what_an_earlier_upload_left_behind_is_swept(trained, tmp_path):
    desk = RefusingDesk()
    for name, age in (("old", 700), ("new", 0)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    judged(desk, trained, tmp_path, "/etc/passwd")
    assert (tmp_path / "old").exists()  # only an upload's end sweeps
    (tmp_path / "bad.png").write_text("no image")
    judged(desk, trained, tmp_path, str(tmp_path / "bad.png"))
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_in_a_crowd_the_labels_of_faces_do_not_meet():
    # 100 and 101 cannot share a row, 118 is 18 right of 100 and can; a fourth within 18 finds no room.
    assert label_rows([100, 101, 118]) == [0, 1, 0]
    assert label_rows([103, 100, 102, 101]) == [None, 0, 2, 1]
    assert label_rows([]) == []
