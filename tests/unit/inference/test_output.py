import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fakeforensics.inference.assessment import ScoreRule
from fakeforensics.inference.crops import FileCrops, FoundCrop
from fakeforensics.inference.inputs import Inputs, Item
from fakeforensics.inference.model_card import share_text
from fakeforensics.inference.output import (
    as_dict,
    csv_columns,
    csv_lines,
    policy_line,
    print_models,
    print_predictions,
    printable_name,
    table_lines,
)
from fakeforensics.inference.package import Package
from fakeforensics.inference.predict import Prediction, combine
from fakeforensics.inference.training_data import Outside
from fakeforensics.thresholds.policy import Adapted, ConformalCut, Decision, LikelihoodRatio
from tests.score_specs import SCORES
from tests.unit.inference.conftest import TOY, make_model, make_package

JOINT = SCORES["joint"]
RULE = ScoreRule(Decision(score="sl", threshold=0.0, chosen="c"), JOINT)


def predicted(name, kind, *scores):
    frames = range(len(scores)) if kind == "video" else [-1] * len(scores)
    crops = [
        FoundCrop(b"", frame, 0 if kind == "video" else number, (1.0, 2.0, 3.0, 4.04))
        for number, frame in enumerate(frames)
    ]
    found = FileCrops(Path(name), crops, lost_frames=1)
    return combine(RULE, found, kind, [{"logit": score, "score_cd": 2.5} for score in scores])


STILL = predicted("a.png", "image", -2.0, 1.0)
VIDEO = predicted("b.mp4", "video", -4.0, 1.0)
FAILED = Prediction(Path("c.png"), "image", (), {}, "no face found")
ALL = [STILL, VIDEO, FAILED]


def test_the_table_has_a_line_for_each_face_person_and_failure():
    lines = list(table_lines([Item(one.path, one.kind) for one in ALL], ALL))
    assert len(lines) == 6
    assert lines[0].split() == ["FILE", "FACE", "SCORE", "PROBABILITY", "LOG10", "LR", "VERDICT"]
    assert lines[1].split()[:5] == ["a.png", "0", "-2.0000", "11.9%", "-"]  # σ(-2) = 0.1192
    assert lines[2].split()[:2] == ["1", "1.0000"]
    assert lines[3].startswith("b.mp4  0, mean of 2 frames")
    assert "failed: no face found" in lines[4]
    assert lines[5] == "3 files: 1 fake, 1 real, 1 failed"


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


def test_csv_per_file_has_a_row_for_each_file_about_its_most_suspicious_face():
    two = replace(VIDEO, people=VIDEO.people | {1: RULE.assess(3.0)})
    rows = list(csv.DictReader(io.StringIO("\n".join(csv_lines([STILL, two, FAILED], JOINT, "file")))))
    assert [(row["file"], row["face"], row["frame"], row["verdict"]) for row in rows] == [
        ("a.png", "1", "", "fake"),  # the scores of its faces are −2 and 1
        ("b.mp4", "1", "all", "fake"),  # those of its people −1.5 and 3
        ("c.png", "", "", ""),
    ]
    assert [row["score"] for row in rows] == ["1.0", "3.0", ""]
    assert (rows[0]["logit"], rows[0]["bottom"]) == ("1.0", "4.0")
    assert rows[2]["error"] == "no face found"
    assert rows[0].keys() == dict.fromkeys(csv_columns(JOINT)).keys()


def test_json_holds_people_frames_and_reasons():
    video = as_dict(VIDEO, JOINT)
    assert video["people"] == [
        {"face": 0, "score": -1.5, "probability": pytest.approx(1 / (1 + np.exp(1.5)))}
        | {"log10_lr": None, "verdict": "real"}
    ]
    assert [face["frame"] for face in video["faces"]] == [0, 1]
    assert video["frames_without_face"] == 1
    assert as_dict(FAILED, JOINT) == {
        "file": "c.png",
        "kind": "image",
        "outside": None,  # training is not known
        "error": "no face found",
    }
    assert as_dict(STILL, JOINT)["faces"][1]["score_cd"] == 2.5


def test_a_file_outside_of_the_training_data_is_told_everywhere():
    webp = Outside(property="format", found="WEBP", trained_on="JPEG")
    odd = replace(STILL, outside=(webp,))
    assert as_dict(odd, JOINT)["outside"] == [{"property": "format", "found": "WEBP", "trained_on": "JPEG"}]
    rows = list(csv.DictReader(io.StringIO("\n".join(csv_lines([odd], JOINT)))))
    assert [row["outside"] for row in rows] == ["format WEBP, trained on JPEG"] * 2
    lines = list(table_lines([Item(odd.path, odd.kind)], [odd]))
    assert "format WEBP, trained on JPEG" in lines[3]  # below the header and two faces
    failed = replace(FAILED, outside=(webp,))
    assert "format WEBP" in list(table_lines([Item(failed.path, failed.kind)], [failed]))[2]


def test_names_cannot_disturb_the_terminal():
    assert printable_name(Path("a\x1b[31m\nb.png")) == "a\\x1b[31m\\x0ab.png"
    assert printable_name(Path("caf\udce9.png")) == "caf\\xe9.png"


def test_one_line_names_threshold_score_and_origin(package):
    assert policy_line(package) == (
        "model p/joint: fake from 0.25 (S_SL, logit of the classifier; highest accuracy on validation)"
    )


def test_with_inconclusive_verdicts_the_line_states_their_error_rates(package):
    cut = ConformalCut(error_rate=0.05, fake_from=2.5, real_to=-1.5)
    policy = Decision(score="sl", threshold=0.25, chosen="c", conformal=(cut,), inconclusive=0.05)
    line = policy_line(replace(package, policy=policy))
    assert "fake from 2.5, real up to -1.5, otherwise inconclusive: at most 5% of reals" in line
    known = policy.model_copy(update={"known_reals": 30})
    assert "the 30 known ones" in policy_line(replace(package, policy=known))
    gap = policy.model_copy(update={"conformal": (cut.model_copy(update={"real_to": 4.0}),)})
    assert "fake above 4, real below 2.5" in policy_line(replace(package, policy=gap))


ADAPTED = {"known_reals": 50, "scores": 800, "fake_share": 0.3, "fake_share_interval": (0.204, 0.41)}


@pytest.mark.parametrize("style", ["table", "json", "csv"])
def test_the_share_of_fakes_and_the_rule_are_told_next_to_every_output(package, capsys, style):
    def printed(fallback):
        adapted = Adapted(**ADAPTED, fallback=fallback)
        policy = Decision(score="sl", threshold=0.25, chosen="c", adapted=adapted)
        judged = replace(package, policy=policy)
        inputs = Inputs([Item(STILL.path, STILL.kind)], 0)
        assert print_predictions(judged, inputs, [STILL], style, is_cropped=False)
        return capsys.readouterr()

    known, open_ = printed(""), printed("the scores leave it open")
    assert "30%, 95% interval 20.4% to 41.0%" in known.err
    assert "conformal" not in known.err
    assert "30%, 95% interval 20.4% to 41.0%; the scores leave it open" in open_.err
    assert "conformal" in open_.err
    if style == "json":
        stored = json.loads(known.out)["decision"]["adapted"]
        assert stored == ADAPTED | {"fake_share_interval": [0.204, 0.41], "fallback": ""}


def test_an_unknown_share_of_fakes_is_called_unknown():
    unknown = Adapted(known_reals=9, scores=9, fake_share=None, fake_share_interval=None, fallback="few")
    assert "unknown; few" in share_text(unknown)


def test_inconclusive_verdicts_are_shown_and_counted():
    cut = ConformalCut(error_rate=0.05, fake_from=2.5, real_to=-1.5)
    policy = Decision(score="edge", threshold=0.25, chosen="c", conformal=(cut,), inconclusive=0.05)
    rule = ScoreRule(policy, TOY)
    found = FileCrops(Path("a.png"), [FoundCrop(b"", -1, 0, ())])
    predictions = [
        combine(rule, found, "image", [{"gap": 4.0, "share": 0.25, "edge": edge}]) for edge in (0.0, 3.0)
    ]
    _, first, second, total = table_lines([Item(found.path, "image")], predictions)
    assert "inconclusive" in first
    assert "fake" in second
    assert total == "2 files: 1 fake, 1 inconclusive"
    assert as_dict(predictions[0], TOY)["verdict"] == "inconclusive"


def test_a_training_folder_leads_to_its_package(tmp_path):
    line = policy_line(Package(make_model(tmp_path / "models/p/joint")))
    assert "no verdicts" in line
    assert "`dvc repro pipelines/p/dvc.yaml:package@p-joint`" in line
    assert line.endswith("packages/p/joint")


@pytest.mark.parametrize(
    "metrics", ["", "[]", '{"ap": 3}', '{"ap": {"sl": {"mean": "high"}}}', '{"ap": null}']
)
def test_the_table_of_models_has_each_score_and_the_damaged_ones(package, tmp_path, capsys, metrics):
    model = make_model(tmp_path / "models/q/joint", protocol="q")
    ap = {"sl": {"a": 0.5, "mean": 0.5}, "cd": {"a": 0.25, "mean": 0.25}}
    make_package(tmp_path / "packages/q/joint", model, {"metrics.json": {"ap": ap}}, demo=True)
    shutil.copytree(package.directory, tmp_path / "packages/p/joint")
    (tmp_path / "packages/r/sad").mkdir(parents=True)
    (tmp_path / "packages/r/sad/model.json").write_text("{")
    folder = shutil.copytree(package.directory, tmp_path / "packages/s/joint")
    (folder / "metrics.json").write_text(metrics)
    print_models(tmp_path / "packages")
    printed = capsys.readouterr()
    head, joint, first, second, damaged, measured = printed.out.replace(f"{tmp_path}/", "").splitlines()
    assert head.split() == ["MODEL", "TAKES", "SCORE", "MEAN", "AP", "CHANCE", "UNSEEN", "AP", "CHANCE"]
    assert joint.split() == ["packages/p/joint", "faces", "S_SL", "80.06", "-", "61.00", "-"]
    assert first.split() == ["packages/q/joint", "faces", "S_SL", "50.00", "-", "-", "-", "demo"]
    assert second.split() == ["S_CD", "25.00", "-", "-", "-", "demo"]
    assert "not valid JSON" in damaged
    assert "packages/s/joint" in measured
    assert "metrics.json: " in measured
    assert "Demo model" in printed.err


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
        *("score", "probability", "log10_lr", "verdict", "outside", "error"),
    )


RATIO = LikelihoodRatio(kind="logistic", slope=0.5, lower=-1.0, upper=1.25, reals=9, fakes=9)


@pytest.mark.parametrize(
    ("deciding", "score", "probability"),
    [
        ("gap", 4.0, None),  # a distance is no probability
        ("share", 0.25, 0.25),  # a probability is its own
        ("edge", -3.0, None),
    ],
)
def test_scores_of_any_scale_go_through_table_json_and_csv(deciding, score, probability):
    policy = Decision(score=deciding, threshold=0.25, chosen="c", likelihood_ratio=RATIO)
    rule = ScoreRule(policy, TOY)
    log10_lr = {"gap": 1.25, "share": 0.125, "edge": -1.0}[deciding]  # half of 4, 0.25 and −3, bounded
    values = {"gap": 4.0, "share": 0.25, "edge": -3.0}
    prediction = combine(rule, FileCrops(Path("a.png"), [FoundCrop(b"", -1, 0, ())]), "image", [values])
    verdict = "real" if deciding == "edge" else "fake"

    _, line, _ = table_lines([Item(prediction.path, "image")], [prediction])
    shown_probability = "-" if probability is None else "25.0%"
    assert line.split()[:5] == ["a.png", "whole", f"{score:.4f}", shown_probability, f"{log10_lr:.2f}"]
    assert verdict in line

    (face,) = as_dict(prediction, TOY)["faces"]
    answer = {"score": score, "probability": probability, "log10_lr": log10_lr, "verdict": verdict}
    assert face == {"face": 0, "frame": None, "box": None} | values | answer

    head, row = csv_lines([prediction], TOY)
    assert head == (
        "file,kind,face,frame,left,top,right,bottom,gap,share,edge,score,probability,log10_lr,verdict,outside,"
        "error"
    )
    assert row == (
        f"a.png,image,0,,,,,,4.0,0.25,-3.0,{score},{'' if probability is None else 0.25},{log10_lr},"
        f"{verdict},,"
    )
