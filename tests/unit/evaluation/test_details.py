"""Frame and video level."""

import numpy as np
import pytest

from fakeforensics.errors import UserError
from fakeforensics.evaluation.details import details
from fakeforensics.scores.table import video_level
from tests.score_tables import make_scores


def test_a_video_has_the_mean_of_its_frames():
    table = make_scores({"celeb_df": 0}, "joint", images=6, video_frames=3)
    table["logit"] = [1.0, 2.0, 6.0, -1.0, -1.0, 2.0]
    videos = video_level(table)
    assert videos["logit"].tolist() == [3.0, 0.0]
    assert videos["label"].tolist() == [1, 0]
    assert videos["group"].tolist() == ["synthetic/celeb_df/0", "synthetic/celeb_df/1"]


def test_stills_have_no_video_level():
    assert video_level(make_scores({"a": 0}, images=4)).empty


def test_a_video_with_two_labels_is_refused():
    table = make_scores({"celeb_df": 0}, images=6, video_frames=3)
    table.loc[0, "label"] = 0
    with pytest.raises(UserError, match="different labels"):
        video_level(table)


def test_both_levels_are_measured():
    table = make_scores({"celeb_df": 0}, "bce", images=400, video_frames=10, gap=1.0)
    validation = make_scores({"validation": 0}, "bce", images=400, video_frames=10, gap=1.0, seed=1)
    frame, video = details(table, validation, seed=0, replicates=100)
    assert (frame["level"], frame["count"], frame["groups"]) == ("frame", 400, 40)
    assert (video["level"], video["count"], video["reals"], video["fakes"]) == ("video", 40, 20, 20)
    assert video["threshold_chosen_by"] == "video"
    # The mean of ten frames has a third of the noise: classes √10 deviations apart instead of 1.
    assert video["ap"] > frame["ap"] + 0.1
    assert video["accuracy"] > 0.85
    for row in (frame, video):
        low, high = row["ap_interval"]
        assert low <= row["ap"] <= high
        assert 0 <= row["tpr_at_fpr_1"] <= row["tpr_at_fpr_5"] <= 1


def test_stills_in_validation_lend_videos_their_threshold():
    table = make_scores({"celeb_df": 0}, "bce", images=100, video_frames=10)
    rows = details(table, make_scores({"validation": 0}, "bce"), seed=0, replicates=100)
    assert [row["threshold_chosen_by"] for row in rows] == ["frame", "frame"]
    assert rows[0]["threshold"] == rows[1]["threshold"]


def test_accuracy_is_at_validations_threshold():
    table = make_scores({"moved": -20}, "bce", images=50)
    row = details(table, make_scores({"validation": 0}, "bce", seed=1), 0, 100)[0]
    assert row["accuracy"] == 0.5  # all is called real
    assert np.isfinite(row["threshold"])


def test_sets_with_one_class_have_no_row():
    table = make_scores({"a": 0}, "bce", images=10, share=1.0)
    assert details(table, make_scores({"validation": 0}, "bce"), 0, 100) == []
