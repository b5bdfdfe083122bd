"""Frame and video level."""

import numpy as np
import pytest

from fakeforensics.errors import UserError
from fakeforensics.metrics.details import details
from fakeforensics.metrics.table import video_level
from tests.score_specs import SCORES
from tests.score_tables import make_scores


def test_a_video_has_the_mean_of_its_frames():
    table = make_scores({"celeb_df": 0}, "joint", images=6, video_frames=3)
    table["logit"] = [1.0, 2.0, 6.0, -1.0, -1.0, 2.0]
    videos = video_level(table, SCORES["joint"])
    assert videos["logit"].tolist() == [3.0, 0.0]
    assert videos["label"].tolist() == [1, 0]
    assert videos["group"].tolist() == ["synthetic/celeb_df/0", "synthetic/celeb_df/1"]


def test_stills_have_no_video_level():
    assert video_level(make_scores({"a": 0}, images=4), SCORES["joint"]).empty


def test_a_video_with_two_labels_is_refused():
    table = make_scores({"celeb_df": 0}, images=6, video_frames=3)
    table.loc[0, "label"] = 0
    with pytest.raises(UserError, match="different labels"):
        video_level(table, SCORES["joint"])


def test_both_levels_are_measured():
    table = make_scores({"celeb_df": 0}, "bce", images=400, video_frames=10, gap=1.0)
    validation = make_scores({"validation": 0}, "bce", images=400, video_frames=10, gap=1.0, seed=1)
    frame, video = details(table, validation, SCORES["bce"], seed=0, replicates=100)
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
    rows = details(table, make_scores({"validation": 0}, "bce"), SCORES["bce"], seed=0, replicates=100)
    assert [row["threshold_chosen_by"] for row in rows] == ["frame", "frame"]
    assert rows[0]["threshold"] == rows[1]["threshold"]


def test_accuracy_is_at_validations_threshold():
    table = make_scores({"moved": -20}, "bce", images=50)
    row = details(table, make_scores({"validation": 0}, "bce", seed=1), SCORES["bce"], 0, 100)[0]
    assert row["accuracy"] == 0.5  # all is called real
    assert np.isfinite(row["threshold"])


def test_sets_with_one_class_have_no_row():
    table = make_scores({"a": 0}, "bce", images=10, share=1.0)
    assert details(table, make_scores({"validation": 0}, "bce"), SCORES["bce"], 0, 100) == []


def test_videos_without_a_face_count_as_called_real():
    # Four videos of one frame, told apart at 0; of two more fakes and a real no face was found.
    table = make_scores({"celeb_df": 0}, "bce", images=4, video_frames=1)
    table["logit"] = [2.0, 1.0, -1.0, -2.0]
    validation = table.assign(test_set="validation")
    undetected = {"celeb_df": {"real_videos": 1, "fake_videos": 2, "real_stills": 9, "fake_stills": 9}}
    frame, video = details(table, validation, SCORES["bce"], 0, 100, undetected)
    assert "undetected" not in frame
    assert video["undetected"] == {"reals": 1, "fakes": 2}
    assert (video["ap"], video["accuracy"], video["count"]) == (1, 1, 4)
    found = video["with_undetected"]
    # Half of the four fakes come first; the rest is tied at the end, where 4 of 7 are fakes.
    assert found["ap"] == pytest.approx(0.5 * 1 + 0.5 * 4 / 7, abs=1e-6)
    assert found["accuracy"] == pytest.approx(5 / 7, abs=1e-6)
    # Both found fakes beat all three reals; each lost one loses to two and ties with one: (6 + 1) / 12.
    assert found["auc"] == pytest.approx(7 / 12, abs=1e-6)


def test_without_undetected_videos_nothing_changes():
    table = make_scores({"celeb_df": 0}, "bce", images=40, video_frames=4, gap=1.0)
    _, video = details(table, table.assign(test_set="validation"), SCORES["bce"], 0, 100)
    assert video["undetected"] == {"reals": 0, "fakes": 0}
    assert video["with_undetected"] == {key: video[key] for key in video["with_undetected"]}
