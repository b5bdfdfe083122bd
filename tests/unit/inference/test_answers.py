import csv
import io
from pathlib import Path

import numpy as np
import pytest

from fakeforensics.inference.answers import (
    TextTable,
    as_dict,
    csv_columns,
    csv_lines,
    policy_line,
    shown,
    worst,
)
from fakeforensics.inference.cutting import Cut
from fakeforensics.inference.inputs import Item
from fakeforensics.inference.judgement import Judgement, Policy
from fakeforensics.thresholds.policy import Decision
from tests.score_specs import SCORES
from tests.unit.inference.conftest import TOY

JOINT = SCORES["joint"]
POLICY = Policy(Decision(score="sl", threshold=0.0, chosen="c"), JOINT)


def judged(name, kind, *scores):
    frames = range(len(scores)) if kind == "video" else [-1] * len(scores)
    cuts = [
        Cut(b"", frame, 0 if kind == "video" else number, (1.0, 2.0, 3.0, 4.04))
        for number, frame in enumerate(frames)
    ]
    faces = POLICY.faces(cuts, [{"logit": score, "score_cd": 2.5} for score in scores])
    return Judgement(Path(name), kind, faces, POLICY.people(faces) if kind == "video" else {}, None, 1)


STILL = judged("a.png", "image", -2.0, 1.0)
VIDEO = judged("b.mp4", "video", -4.0, 1.0)
FAILED = Judgement(Path("c.png"), "image", (), {}, "no face found")
ALL = [STILL, VIDEO, FAILED]


def test_a_still_is_as_fake_as_its_fakest_face_and_a_video_as_its_mean():
    assert (worst(STILL).score, worst(STILL).verdict) == (1.0, "fake")
    assert (worst(VIDEO).score, worst(VIDEO).verdict) == (-1.5, "real")


def test_the_table_has_a_line_for_each_face_person_and_failure():
    table = TextTable([Item(one.path, one.kind) for one in ALL])
    lines = [line for one in ALL for line in table.lines(one)]
    assert len(lines) == 4
    assert lines[0].split()[:4] == ["a.png", "0", "-2.0000", "0.119"]  # σ(−2) = 0.1192
    assert lines[1].split()[:2] == ["1", "1.0000"]
    assert lines[2].startswith("b.mp4  0 in 2 frames")
    assert "not judged: no face found" in lines[3]
    assert table.footer() == "3 files: 1 fake, 1 real, 1 failed"


def test_csv_holds_every_face_and_every_failure():
    rows = list(csv.DictReader(io.StringIO("\n".join(csv_lines(ALL, JOINT)))))
    assert [(row["file"], row["face"], row["frame"], row["verdict"]) for row in rows] == [
        ("a.png", "0", "", "real"),
        ("a.png", "1", "", "fake"),
        ("b.mp4", "0", "all", "real"),
        ("b.mp4", "0", "0", "real"),
        ("b.mp4", "0", "1", "fake"),
        ("c.png", "", "", ""),
    ]
    assert rows[0]["bottom"] == "4.0"  # tenths of a pixel
    assert rows[-1]["error"] == "no face found"
    assert float(rows[1]["logit"]) == 1.0
    assert float(rows[1]["score_sl"]) == pytest.approx(0.7310586)  # σ(1)


def test_json_holds_people_frames_and_reasons():
    video = as_dict(VIDEO, JOINT)
    assert video["people"] == [
        {"face": 0, "score": -1.5, "probability": pytest.approx(1 / (1 + np.exp(1.5))), "verdict": "real"}
    ]
    assert [face["frame"] for face in video["faces"]] == [0, 1]
    assert video["frames_without_face"] == 1
    assert as_dict(FAILED, JOINT) == {"file": "c.png", "kind": "image", "error": "no face found"}
    assert as_dict(STILL, JOINT)["faces"][1]["score_cd"] == 2.5


def test_names_cannot_disturb_the_terminal():
    assert shown(Path("a\x1b[31m\nb.png")) == "a\\x1b[31m\\x0ab.png"
    assert shown(Path("caf\udce9.png")) == "caf\\xe9.png"


def test_the_policy_is_said_in_a_line(trained):
    assert policy_line(trained) == (
        "model p/joint: fake from 0.25 (S_SL, logit of the classifier; highest accuracy on the "
        "validation images)"
    )


@pytest.mark.parametrize(
    ("detector", "columns"),
    [
        ("bce", ("score_sl", "logit")),
        ("sad", ("score_cd",)),
        ("joint", ("score_sl", "logit", "score_cd")),
    ],
)
def test_the_csv_columns_are_those_of_the_models_scores(detector, columns):
    assert csv_columns(SCORES[detector]) == (
        *("file", "kind", "face", "frame", "left", "top", "right", "bottom"),
        *columns,
        *("score", "probability", "verdict", "error"),
    )


@pytest.mark.parametrize(
    ("deciding", "score", "probability"),
    [
        ("gap", 4.0, None),  # a distance is no probability
        ("share", 0.25, 0.25),  # a probability is its own
        ("edge", -3.0, None),
    ],
)
def test_scores_of_any_scale_go_through_table_json_and_csv(deciding, score, probability):
    policy = Policy(Decision(score=deciding, threshold=0.25, chosen="c"), TOY)
    values = {"gap": 4.0, "share": 0.25, "edge": -3.0}
    faces = policy.faces([Cut(b"", -1, 0, ())], [values])
    judgement = Judgement(Path("a.png"), "image", faces, {})
    verdict = "real" if deciding == "edge" else "fake"

    (line,) = TextTable([Item(judgement.path, "image")]).lines(judgement)
    shown_probability = "-" if probability is None else "0.250"
    assert line.split()[:4] == ["a.png", "whole", f"{score:.4f}", shown_probability]

    (face,) = as_dict(judgement, TOY)["faces"]
    answer = {"score": score, "probability": probability, "verdict": verdict}
    assert face == {"face": 0, "frame": None, "box": None} | values | answer

    head, row = csv_lines([judgement], TOY)
    assert head == (
        "file,kind,face,frame,left,top,right,bottom,gap,share,edge,score,probability,verdict,error"
    )
    assert row == (
        f"a.png,image,0,,,,,,4.0,0.25,-3.0,{score},{'' if probability is None else 0.25},{verdict},"
    )
