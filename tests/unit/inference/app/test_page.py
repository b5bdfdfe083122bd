"""What the page's components show, without a server."""

from pathlib import Path

import numpy as np
import pytest

from fakeforensics.inference.app.page import (
    failure,
    gallery,
    header,
    outlined,
    outside,
    probabilities,
    ratio_text,
    scores_by_frame,
    summary,
)
from fakeforensics.inference.app.predictor import ExplainedFace, UploadResult
from fakeforensics.inference.assessment import ScoreRule
from fakeforensics.inference.crops import FileCrops, FoundCrop
from fakeforensics.inference.inputs import UploadLimits, View
from fakeforensics.inference.pictures import VERDICT_COLORS
from fakeforensics.inference.predict import Prediction, combine
from fakeforensics.inference.training_data import Outside
from fakeforensics.thresholds.policy import ConformalCut, Decision, LikelihoodRatio
from tests.score_specs import CD, SL

RULE = ScoreRule(Decision(score="sl", threshold=0.25, chosen="c"), (SL,))
BOX = (10.0, 20.0, 50.0, 60.0)


def predicted(kind, *scores, rule=RULE, box=BOX):
    """The prediction for scores given as (frame, face, score)."""
    crops = [FoundCrop(b"", frame, face, box) for frame, face, _ in scores]
    found = FileCrops(Path("f"), crops, lost_frames=3)
    return combine(rule, found, kind, [{rule.spec.column: score} for _, _, score in scores])


def test_a_clip_gets_the_mean_of_its_frames():
    text = summary(predicted("video", (0, 0, 1.0), (5, 0, 3.0)))
    # σ(2) = 0.8808
    head, detail = text.split("\n\n")
    assert head == "## Fake"
    assert detail.startswith("This video: score 2, probability of fake 88.1%, ")
    assert detail.endswith("mean over 2 frames (3 more without a face).")


def test_several_faces_are_listed_and_the_most_suspicious_decides():
    text = summary(predicted("image", (-1, 0, -2.0), (-1, 1, 1.0)))
    assert text.startswith("## Fake")
    assert "face 1 is the most suspicious of 2" in text
    assert text.endswith("- face 0: real p 11.9%, score -2\n- face 1: fake p 73.1%, score 1")  # σ(-2), σ(1)


def test_the_likelihood_ratio_is_stated_with_its_meaning_or_why_there_is_none():
    ratio = LikelihoodRatio(kind="logistic", slope=0.5, lower=-1, upper=1.5, reals=9, fakes=9)
    policy = Decision(score="sl", threshold=0.25, chosen="c", likelihood_ratio=ratio)
    text = summary(predicted("image", (-1, 0, 2.0), rule=ScoreRule(policy, (SL,))))
    assert "log10 likelihood ratio +1.00" in text
    assert "from -1.00 to 1.50" in ratio_text(policy)
    assert "log10" not in summary(predicted("image", (-1, 0, 2.0)))
    none = Decision(score="sl", threshold=0.25, chosen="c", no_likelihood_ratio="no fakes here")
    assert "no fakes here" in ratio_text(none)
    assert ratio_text(None) == ""


CUT = ConformalCut(error_rate=0.05, fake_from=2.5, real_to=-1.5)


def test_an_inconclusive_verdict_is_stated_with_what_bounds_it():
    policy = Decision(score="sl", threshold=0.25, chosen="c", conformal=(CUT,), inconclusive=0.05)
    video = predicted("video", (0, 0, 1.0), (5, 0, 2.0), rule=ScoreRule(policy, (SL,)))
    assert summary(video).startswith("## Inconclusive")
    frames = scores_by_frame(video, policy)
    limits = frames[~frames["series"].str.startswith("person")]
    assert limits["series"].tolist() == ["fake from", "fake from", "real up to", "real up to"]
    assert limits["score"].tolist() == [2.5, 2.5, -1.5, -1.5]
    assert VERDICT_COLORS["inconclusive"] not in (VERDICT_COLORS["real"], VERDICT_COLORS["fake"])


def test_the_bars_are_those_of_the_most_suspicious_face():
    values = probabilities(predicted("image", (-1, 0, -2.0), (-1, 1, 1.0)))
    assert values == {"fake": pytest.approx(0.7310586), "real": pytest.approx(0.2689414)}  # σ(1), σ(-1)
    # A distance without a calibrator has no probability.
    assert probabilities(predicted("image", (-1, 0, 2.0), rule=ScoreRule(None, (CD,)))) == {}


def test_the_frame_with_the_highest_score_is_shown_with_its_boxes():
    prediction = predicted("video", (0, 0, 1.0), (5, 0, -3.0), (5, 1, 4.0), (9, 0, 9.0))
    views = [View(frame, np.full((40, 30, 3), frame, np.uint8), 0.5) for frame in (0, 5)]
    image, outlines, colors = outlined(UploadResult(prediction, views))
    assert (image == 5).all()  # 4 is the highest among the views; frame 9 is none of them
    assert [label for _, label in outlines] == ["face 0: real", "face 1: fake"]
    assert colors == {"face 0: real": VERDICT_COLORS["real"], "face 1: fake": VERDICT_COLORS["fake"]}
    # Half of BOX: columns 5 to 25, rows 10 to 30; a frame of 3 pixels around 14 x 14.
    mask = outlines[0][0]
    assert mask.sum() == 20 * 20 - 14 * 14
    assert mask[10:30, 5:25].sum() == mask.sum()


@pytest.mark.parametrize("box", [(-8.0, -8.0, 99.0, 99.0), ()])  # partly outside; a whole image
def test_outlines_stay_inside_the_image(box):
    view = View(-1, np.zeros((40, 30, 3), np.uint8), 1.0)
    _, ((mask, _),), _ = outlined(UploadResult(predicted("image", (-1, 0, 1.0), box=box), [view]))
    assert mask.shape == (40, 30)
    assert mask[0].all()
    assert mask[:, 0].all()


def test_each_crop_stands_before_its_heat_map():
    prediction = predicted("image", (-1, 0, 1.0))
    crop, heat = (np.full((8, 8, 3), value, np.uint8) for value in (1, 2))
    both = gallery(UploadResult(prediction, (), [ExplainedFace(prediction.faces[0], crop, heat)]))
    assert [(pixels[0, 0, 0], text) for pixels, text in both] == [
        (1, "face 0: fake p 73.1%"),
        (2, "heat map"),
    ]
    alone = gallery(UploadResult(prediction, (), [ExplainedFace(prediction.faces[0], crop, None)]))
    assert len(alone) == 1
    clip = predicted("video", (7, 0, -2.0))
    ((_, text),) = gallery(UploadResult(clip, (), [ExplainedFace(clip.faces[0], crop, None)]))
    assert text == "frame 7: real p 11.9%"  # σ(-2)


def test_the_timeline_has_a_series_per_person_and_one_for_the_threshold():
    frames = scores_by_frame(predicted("video", (0, 0, 1.0), (0, 1, 2.0), (7, 0, 3.0)), RULE.decision)
    assert [tuple(row) for row in frames.to_numpy()] == [
        *((0, 1.0, "person 0"), (0, 2.0, "person 1"), (7, 3.0, "person 0")),
        *((0, 0.25, "threshold"), (7, 0.25, "threshold")),
    ]
    assert scores_by_frame(predicted("image", (-1, 0, 1.0)), RULE.decision) is None


def test_reasons_cannot_bring_markup():
    text = failure(Prediction(Path("f"), "image", (), {}, "<script>alert(1)</script> [x](http://y)"))
    assert "<script>" not in text
    assert "](" not in text


def test_a_file_outside_of_the_training_data_is_called_that():
    webp = Outside(property="format", found="WEBP", trained_on="JPEG")
    told = Prediction(Path("f"), "image", (), {}, "no face found", outside=(webp,))
    assert "WEBP" in outside(told)
    assert outside(told) in failure(told)
    assert outside(Prediction(Path("f"), "image", (), {}, outside=())) == ""


def test_the_header_names_model_and_limits(package):
    text = header(package, UploadLimits(max_mb=7, max_seconds=9))
    assert "p/joint" in text
    assert "7 MB and 9 seconds" in text
