"""Error rates of a decision policy by method, and their intervals."""

import pandas as pd

from fakeforensics.thresholds.errors import error_rates
from fakeforensics.thresholds.policy import ConformalCut, Decision
from tests.score_specs import SL

POLICY = Decision(score="sl", threshold=0.0, chosen="by hand")


def table(*rows):
    """Rows (test set, key, method, group, video, logit)."""
    columns = ("test_set", "key", "method", "group", "video", "logit")
    made = pd.DataFrame(rows, columns=columns)
    label = (made["method"] != "real").astype("int8")
    return made.assign(source="s", domain="celeba", frame=-1, label=label)


def test_each_method_and_each_domain_of_reals_has_its_rate():
    rows = table(
        ("a", "r1", "real", "g1", "", -1.0),
        ("a", "r2", "real", "g2", "", 1.0),  # a real called fake
        ("b", "r2", "real", "g2", "", 1.0),  # the same image in a second test set counts once
        ("a", "f1", "pggan", "g3", "", 2.0),
        ("b", "f2", "stargan", "g1", "", -2.0),  # a fake called real
    )
    seen = {"real": {"celeba"}, "fake": {"pggan"}}
    real, pggan, stargan = error_rates({"clean": rows}, POLICY, SL, seen)
    assert (real.label, real.name, real.count, real.groups, real.rate) == ("real", "celeba", 2, 2, 0.5)
    assert real.test_sets == ("a", "b")
    assert (pggan.label, pggan.name, pggan.rate, pggan.seen) == ("fake", "pggan", 0.0, True)
    assert (stargan.name, stargan.rate, stargan.seen) == ("stargan", 1.0, False)
    assert {one.corruption for one in (real, pggan, stargan)} == {"clean"}


def test_a_video_is_judged_by_the_mean_of_its_frames():
    rows = table(
        ("a", "v#1", "swap", "g", "v", -1.0),
        ("a", "v#2", "swap", "g", "v", 3.0),  # the mean is 1: fake
    )
    frames, video = error_rates({"clean": rows}, POLICY, SL, None)
    assert (frames.level, frames.count, frames.groups, frames.rate) == ("frame", 2, 1, 0.5)
    assert (video.level, video.count, video.rate, video.seen) == ("video", 1, 0.0, None)


def test_a_verdict_that_is_inconclusive_is_no_error():
    cut = ConformalCut(error_rate=0.1, fake_from=1.0, real_to=-1.0)
    decision = POLICY.model_copy(update={"conformal": (cut,)})
    rows = table(
        ("a", "f1", "pggan", "g1", "", 2.0),  # fake
        ("a", "f2", "pggan", "g2", "", -0.5),  # real by the threshold, inconclusive by the cut
        ("a", "f3", "pggan", "g3", "", -2.0),  # real by both
        ("a", "f4", "pggan", "g4", "", 0.5),  # fake by the threshold, inconclusive by the cut
    )
    by_threshold, by_cut = error_rates({"clean": rows}, decision, SL, None)
    assert (by_threshold.asked, by_threshold.rate, by_threshold.inconclusive) == (None, 0.5, 0.0)
    assert (by_cut.asked, by_cut.rate, by_cut.inconclusive) == (0.1, 0.25, 0.5)


def test_corruptions_are_kept_apart():
    clean = table(("a", "f", "pggan", "g", "", 2.0))
    blurred = clean.assign(logit=-2.0)
    rates = error_rates({"clean": clean, "blur_2": blurred}, POLICY, SL, None)
    assert [(one.corruption, one.rate) for one in rates] == [("clean", 0.0), ("blur_2", 1.0)]
