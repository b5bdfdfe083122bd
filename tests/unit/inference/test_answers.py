import csv
import io
from pathlib import Path

import numpy as np
import pytest

from fakeforensics.inference.answers import TextTable, as_dict, csv_lines, policy_line, shown, worst
from fakeforensics.inference.cutting import Cut
from fakeforensics.inference.decision import Decision
from fakeforensics.inference.inputs import Item
from fakeforensics.inference.judgement import Judgement, Policy
from fakeforensics.inference.scores import Scores

POLICY = Policy(Decision(score="sl", threshold=0.0, chosen="c"), "sl")


def judged(name, kind, *scores):
    frames = range(len(scores)) if kind == "video" else [-1] * len(scores)
    cuts = [
        Cut(b"", frame, 0 if kind == "video" else number, (1.0, 2.0, 3.0, 4.04))
        for number, frame in enumerate(frames)
    ]
    faces = POLICY.faces(cuts, [Scores(score, 2.5) for score in scores])
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
    rows = list(csv.DictReader(io.StringIO("\n".join(csv_lines(ALL)))))
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


def test_json_holds_people_frames_and_reasons():
    video = as_dict(VIDEO)
    assert video["people"] == [
        {"face": 0, "score": -1.5, "probability": pytest.approx(1 / (1 + np.exp(1.5))), "verdict": "real"}
    ]
    assert [face["frame"] for face in video["faces"]] == [0, 1]
    assert video["frames_without_face"] == 1
    assert as_dict(FAILED) == {"file": "c.png", "kind": "image", "error": "no face found"}
    assert as_dict(STILL)["faces"][1]["score_cd"] == 2.5


def test_names_cannot_disturb_the_terminal():
    assert shown(Path("a\x1b[31m\nb.png")) == "a\\x1b[31m\\x0ab.png"
    assert shown(Path("caf\udce9.png")) == "caf\\xe9.png"


def test_the_policy_is_said_in_a_line(trained):
    assert policy_line(trained) == (
        "model p/joint: fake from 0.25 (S_SL as a logit; highest accuracy on the validation images)"
    )
