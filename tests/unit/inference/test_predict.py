"""Prediction: the same image gets the same score as in the pipeline, and the decision policy is applied."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fakeforensics.errors import UserError
from fakeforensics.faces.run import make_images
from fakeforensics.faces.still import FileMetadata
from fakeforensics.images.codec import encode_png
from fakeforensics.images.index import read_index
from fakeforensics.inference import predict
from fakeforensics.inference.assessment import ScoreRule
from fakeforensics.inference.crops import ExtractionSettings, FileCrops, FoundCrop
from fakeforensics.inference.inputs import Inputs, Item, find_inputs
from fakeforensics.inference.output import as_dict
from fakeforensics.inference.package import Package, with_inconclusive
from fakeforensics.inference.predict import (
    KnownReal,
    Prediction,
    Predictor,
    combine,
    predict_together,
    score_known_reals,
)
from fakeforensics.models.saving import load_detector
from fakeforensics.scoring import score_manifest
from fakeforensics.sources.base import RawFile
from fakeforensics.thresholds.policy import Calibrator, ConformalCut, Decision, LikelihoodRatio
from tests.score_specs import CD, SCORES, SL
from tests.unit.inference import worker_tasks
from tests.unit.inference.conftest import TOY, make_model


def score(package, items, people="stills", **options):
    settings = ExtractionSettings(package.crop, package.faces, people)
    return list(Predictor(package, settings, workers=1, **options).predict(items))


def test_workers_can_start_before_torch_is_imported():
    code = (
        "import sys, fakeforensics.inference.predict, fakeforensics.inference.output\n"
        "assert not {'torch', 'lightning', 'pandas', 'sklearn', 'captum'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def pipeline_scores(package, files, crop, root):
    """What the faces stage and the score stage store, by raw path and frame."""
    raw = root / "raw"
    raw.mkdir()
    records = []
    for number, (path, kind) in enumerate(files.items()):
        name = f"{number}{path.suffix}"
        (raw / name).write_bytes(path.read_bytes())
        records.append(RawFile(name, kind, "fake", "d", 1, f"s/{number}", "test"))
    faces = package.faces.model_copy(update={"workers": 1})
    make_images("s", raw, records, crop, faces, root / "images/s", root / "scratch")
    manifest = read_index(root / "images", "s").assign(test_set="t")
    detector, card = load_detector(package.directory)
    scores = score_manifest(detector, card, manifest, root / "images", batch_size=3)
    table = scores.merge(manifest[["key", "raw_path"]], on="key")
    names = {f"{number}{path.suffix}": path for number, path in enumerate(files)}
    return {
        (names[row["raw_path"]], row["frame"]): (row["logit"], row["score_sl"], row["score_cd"])
        for row in table.to_dict("records")
    }


def assert_equal_scores(predictions, stored):
    found = {
        (one.path, -1 if face["frame"] is None else face["frame"]): (
            *(face["logit"], face["score_sl"], face["score_cd"]),
        )
        for one in predictions
        for face in as_dict(one, SCORES["joint"])["faces"]
    }
    assert found.keys() == stored.keys()
    for key, scores in stored.items():
        assert found[key] == pytest.approx(scores, rel=1e-4), key


def test_faces_get_the_scores_that_the_pipeline_stores(package, photo, group_photo, clip, tmp_path):
    files = {photo: "image", group_photo: "image", clip: "video"}
    stored = pipeline_scores(package, files, "faces", tmp_path)
    assert len(stored) == 2 + 9
    items = [Item(path, kind) for path, kind in files.items()]
    assert_equal_scores(score(package, items, people="main"), stored)


@pytest.fixture(scope="module")
def whole_model(tmp_path_factory):
    return Package(make_model(tmp_path_factory.mktemp("m") / "models/w/joint", crop="whole"))


def test_whole_images_get_the_scores_that_the_pipeline_stores(whole_model, photo, clip, tmp_path):
    gray = tmp_path / "gray and smaller than the crop.png"
    gray.write_bytes(encode_png(np.full((40, 30, 3), 90, np.uint8)))
    files = {photo: "image", gray: "image", clip: "video"}
    stored = pipeline_scores(whole_model, files, "whole", tmp_path)
    assert len(stored) == 2 + 12
    items = [Item(path, kind) for path, kind in files.items()]
    assert_equal_scores(score(whole_model, items, batch_size=5), stored)


def test_bad_files_are_rows_and_the_others_are_scored(package, photo, tmp_path):
    empty = tmp_path / "empty.mp4"
    empty.touch()
    items = [Item(tmp_path / "no.png", "image", "no such file"), Item(photo, "image"), Item(empty, "video")]
    missing, good, bad = score(package, items)
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
    one, many = (score(whole_model, items, batch_size=size) for size in (1, 4))
    assert [found.path for found in one] == [found.path for found in many] == paths
    for left, right in zip(one, many, strict=True):
        assert left.faces[0].scores["logit"] == pytest.approx(right.faces[0].scores["logit"], rel=1e-4)


def test_a_video_is_scored_as_the_video_level_metrics_do(package, clip):
    (found,) = score(package, [Item(clip, "video")])
    assert found.people[0].score == pytest.approx(np.mean([face.scores["logit"] for face in found.faces]))
    assert found.lost_frames == 3


def test_a_file_that_kills_its_worker_costs_only_itself(package, monkeypatch):
    monkeypatch.setattr(predict, "extract_crops", worker_tasks.extract_or_die)
    names = ("kills.png", "a.png", "large.png", "b.png")
    found = score(package, [Item(Path(name), "image") for name in names])
    assert [one.reason for one in found] == [
        *("its process crashed or ran out of memory", "extracted a.png"),
        *("it needs too much memory", "extracted b.png"),
    ]


def test_a_worker_that_cannot_start_its_work_gives_the_reason(package, monkeypatch):
    monkeypatch.setattr(predict, "load_extractors", worker_tasks.refuse)
    with pytest.raises(UserError, match=r"no landmark model(.|\n)*install it"):
        score(package, [Item(Path("a.png"), "image")])


def predicted(rule, kind, *scores, column="logit"):
    """The prediction for scores given as (frame, face, score)."""
    crops = [FoundCrop(b"", frame, face, (0.0, 0.0, 9.0, 9.0)) for frame, face, _ in scores]
    return combine(rule, FileCrops(Path("f"), crops), kind, [{column: score} for _, _, score in scores])


def test_without_a_policy_the_first_score_is_shown_and_there_is_no_verdict():
    one = ScoreRule(None, (SL,)).assess(0.0)
    assert (one.score, one.probability, one.verdict) == (0.0, 0.5, None)
    # A distance is no probability.
    assert ScoreRule(None, (CD,)).assess(3.0).probability is None
    (face,) = predicted(ScoreRule(None, TOY), "image", (-1, 0, 7.0), column="gap").faces
    assert face.assessment.score == 7.0


@pytest.mark.parametrize("decision", [None, Decision(score="sl", threshold=1.0, chosen="c")])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_file_with_a_score_that_is_not_finite_fails(decision, value):
    crops = [FoundCrop(b"", frame, 0, ()) for frame in (0, 1)]
    # The score that does not decide counts as well.
    for scores in ({"logit": value, "score_cd": 1.0}, {"logit": 0.0, "score_cd": value}):
        rule = ScoreRule(decision, SCORES["joint"])
        found = combine(rule, FileCrops(Path("f"), crops), "video", [{"logit": 2.0, "score_cd": 1.0}, scores])
        assert "1 scores are not finite" in found.reason
        assert (list(found.faces), found.people) == ([], {})


def test_a_calibrator_gives_the_probability_and_the_threshold_the_verdict():
    calibrator = Calibrator(kind="platt", slope=2, intercept=-4)
    rule = ScoreRule(Decision(score="cd", threshold=3.0, chosen="c", calibrator=calibrator), SCORES["joint"])
    one = rule.assess(2.0)  # σ(2 · 2 - 4) = σ(0)
    assert (one.probability, one.verdict) == (0.5, "real")


def test_a_policy_gives_a_bounded_likelihood_ratio_if_it_has_one():
    ratio = LikelihoodRatio(kind="logistic", slope=0.5, intercept=-1, lower=-0.75, upper=2, reals=9, fakes=9)
    policy = Decision(score="cd", threshold=3.0, chosen="c", likelihood_ratio=ratio)
    rule = ScoreRule(policy, SCORES["joint"])
    assert [rule.assess(score).log10_lr for score in (0.0, 3.0, 9.0)] == [-0.75, 0.5, 2.0]
    assert ScoreRule(Decision(score="cd", threshold=3.0, chosen="c"), (CD,)).assess(3.0).log10_lr is None


CUT = ConformalCut(error_rate=0.1, fake_from=2.0, real_to=-2.0)


def asked(package, policy):
    """The package with that policy in place of its own."""
    return replace(package, policy=policy)


def test_known_reals_move_the_cut_of_fakes_verdict_alone(package):
    policy = Decision(score="sl", threshold=0.25, chosen="c", conformal=(CUT,))
    own = asked(package, policy)
    found = with_inconclusive(own, 0.1).decision
    assert (found.cut, found.known_reals) == (CUT, None)
    # Nine reals 1 … 9 and a rate of 0.1: fake above the highest of them.
    found = with_inconclusive(own, 0.1, [float(score) for score in range(1, 10)]).decision
    assert found.cut.fake_from == np.nextafter(9.0, 10)
    assert found.cut.real_to == -2.0
    assert found.known_reals == 9
    assert [found.verdict(score) for score in (-3.0, 0.0, 9.0, 9.1)] == [
        *("real", "inconclusive", "inconclusive", "fake")
    ]
    # A policy that asks for it needs no rate.
    asking = asked(package, policy.model_copy(update={"inconclusive": 0.1}))
    assert with_inconclusive(asking, None, [1.0] * 9).decision.inconclusive == 0.1


def test_what_an_inconclusive_verdict_lacks_is_said(package, tmp_path):
    policy = Decision(score="sl", threshold=0.25, chosen="c", conformal=(CUT,))
    own = asked(package, policy)
    with pytest.raises(UserError, match=r"8 known reals are too few[\s\S]*at least 9"):
        with_inconclusive(own, 0.1, [1.0] * 8)
    with pytest.raises(UserError, match=r"error rate of 0\.05[\s\S]*0\.1[\s\S]*false_positive_rates"):
        with_inconclusive(own, 0.05)
    with pytest.raises(UserError, match="known reals need the error rate"):
        with_inconclusive(own, None, [1.0] * 9)
    # Packages from before there were such verdicts load, and say what to do.
    with pytest.raises(
        UserError, match=r"one from an older version[\s\S]*pipelines/p/dvc.yaml:package@p-joint"
    ):
        with_inconclusive(package, 0.1)
    with pytest.raises(UserError, match="there are no verdicts"):
        with_inconclusive(Package(make_model(tmp_path / "models/p/joint")), 0.1)


def test_known_reals_that_cannot_be_scored_are_named():
    class Failing(Predictor):
        def __init__(self):
            pass

        def predict(self, items):
            return [Prediction(item.path, "image", [], {}, "no face found") for item in items]

    inputs = find_inputs(["no such file.png"])
    with pytest.raises(UserError, match=r"no such file\.png[\s\S]*no face found[\s\S]*--known-reals"):
        score_known_reals(Failing(), inputs)
    with pytest.raises(UserError, match="there are no known reals"):
        score_known_reals(Failing(), find_inputs([]))


class HandMade(Predictor):
    """Gives each item the score and the content that its name says, `<score>_<content>`, or fails."""

    def __init__(self, rule):
        self.model = SimpleNamespace(rule=rule)

    def predict(self, items):
        for item in items:
            if item.missing is not None:
                yield Prediction(item.path, item.kind, [], {}, item.missing)
                continue
            score, content = item.path.name.split("_")
            crops = [FoundCrop(b"pixels", 0 if item.kind == "video" else -1, 0, ())]
            found = FileCrops(item.path, crops, metadata=FileMetadata(content))
            yield combine(self.model.rule, found, item.kind, [{"logit": float(score)}])


def hand_made(score, content, kind="image"):
    return Item(Path(f"{score}_{content}"), kind)


REALS = [KnownReal(hand_made(0, f"known{number}"), 0.0, f"known{number}") for number in range(50)]


def test_known_reals_are_scored_in_order(package):
    predictor = HandMade(ScoreRule(package.decision, package.scores))
    items = [hand_made(1, "a"), hand_made(0, "b", "video")]
    found = score_known_reals(predictor, Inputs(items, 0))
    assert found == [KnownReal(items[0], 1.0, "a"), KnownReal(items[1], 0.0, "b")]


def test_known_reals_and_the_scores_of_the_files_choose_a_threshold_together(package):
    own = asked(package, package.decision.model_copy(update={"conformal": (CUT,), "inconclusive": 0.1}))
    predictor = HandMade(ScoreRule(own.decision, own.scores))
    items = [
        hand_made(0, "known7"),  # a copy of a known real has a verdict, but is no unlabeled score
        Item(Path("no.png"), "image", "no such file"),
        *(hand_made(score, number, "video") for number in range(400) for score in (0, 1)),
    ]
    adapted, found = predict_together(own, predictor, items, REALS, keeps_crops=False)
    # All known reals are 0 and half of the scores are 1: only a threshold of 1 parts them.
    assert adapted.decision.threshold == 1.0
    assert (adapted.decision.adapted.known_reals, adapted.decision.adapted.scores) == (50, 800)
    assert [one.path for one in found] == [item.path for item in items]
    assert found[1].reason == "no such file"
    verdicts = [one.most_suspicious()[1].verdict for one in found if one.reason is None]
    assert verdicts == ["real"] + 400 * ["real", "fake"]  # before, all were inconclusive
    assert [face.assessment.verdict for face in found[3].faces] == ["fake"]
    assert found[3].faces[0].crop.data == b""
    # What is scored later is judged alike, such as a re-encoding.
    (later,) = predictor.predict([hand_made(0.9, "later")])
    assert later.most_suspicious()[1].verdict == "real"


def test_few_files_are_judged_by_known_reals_alone(package):
    predictor = HandMade(ScoreRule(package.decision, package.scores))
    items = [hand_made(0, "a"), hand_made(0.1, "b")]
    adapted, found = predict_together(package, predictor, items, REALS, keeps_crops=True)
    assert "2 unlabeled scores" in adapted.decision.adapted.fallback
    assert adapted.decision.threshold == np.nextafter(0.0, 1)  # above the known reals, which are all 0
    assert [one.most_suspicious()[1].verdict for one in found] == ["real", "fake"]
    assert found[0].faces[0].crop.data == b"pixels"
    with pytest.raises(UserError, match="there is no known real"):
        predict_together(package, predictor, items, [], keeps_crops=True)


def test_without_a_policy_no_threshold_is_chosen(tmp_path):
    bare = Package(make_model(tmp_path / "models/p/joint"))
    predictor = HandMade(ScoreRule(None, bare.scores))
    with pytest.raises(UserError, match="there are no verdicts"):
        predict_together(bare, predictor, [hand_made(0, "a")], REALS, keeps_crops=True)


def test_a_person_gets_the_mean_of_their_frames_and_a_file_its_highest_score():
    rule = ScoreRule(Decision(score="sl", threshold=0.0, chosen="c"), (SL,))
    scores = [(0, 0, -1.0), (0, 1, 8.0), (5, 0, -1.0), (9, 0, 5.0)]
    video = predicted(rule, "video", *scores)
    # (-1 - 1 + 5) / 3 = 1: fake, though two of three frames are real
    assert [(one.score, one.verdict) for one in video.people.values()] == [(1.0, "fake"), (8.0, "fake")]
    assert video.most_suspicious() == (1, video.people[1])
    still = predicted(rule, "image", (-1, 0, -2.0), (-1, 1, 1.0))
    assert still.people == {}
    assert still.most_suspicious() == (1, still.faces[1].assessment)


@pytest.mark.parametrize(
    ("name", "calibrator", "probability"),
    [
        ("share", None, 0.75),  # a probability is its own
        ("gap", None, None),
        ("edge", None, None),
        ("edge", Calibrator(kind="platt", slope=4, intercept=-3), 0.5),  # σ(4 · 0.75 - 3) = σ(0)
    ],
)
def test_each_scale_gives_the_probability_that_it_has(name, calibrator, probability):
    decision = Decision(score=name, threshold=2.0, chosen="c", calibrator=calibrator)
    assert ScoreRule(decision, TOY).assess(0.75).probability == probability


def test_a_policy_for_an_unknown_score_is_an_error():
    with pytest.raises(KeyError, match="cd"):
        ScoreRule(Decision(score="cd", threshold=0.0, chosen="c"), (SL,))
