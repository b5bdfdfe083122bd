"""Continuity, interpolation and changes of shot, with a detector that sees what the test says; identities."""

import math

import numpy as np
import pytest

from fakeforensics.faces.detect import Box, Detection
from fakeforensics.faces.track import Tracker, Tracklet, select_identities
from fakeforensics.faces.video import Frame

FRAME = (480, 640)


def box(x, y=200, width=100):
    return Box(x - width / 2, y - width / 2, x + width / 2, y + width / 2)


class Script:
    """Stands for the detector: a frame's first pixel is its number, which says what is seen in it.

    Args:
        seen: The boxes of each frame.
        hints: Boxes that the detector would see in any frame if it asked for little evidence.
    """

    def __init__(self, seen, hints=()):
        self.seen, self.hints = seen, hints

    def all(self, gray):
        return [Detection(at, 1.0) for at in self.seen[gray[0, 0]]]

    def near(self, gray, at, margin, face, threshold):
        hints = [Detection(hint, -0.5) for hint in self.hints] if threshold <= -0.5 else []
        return [hit for hit in self.all(gray) + hints if at.distance(hit.box) < margin / 2]

    def at_scale(self, gray, scale, threshold=0.0):
        return self.all(gray)

    def coarse(self, gray, fraction):
        return self.all(gray)

    def largest(self, gray, fraction):
        return sorted(self.all(gray), key=lambda hit: -hit.box.area)[:1]


def follow(seen, tracks="all", step=0.3, lights=None, hints=None):
    """Run a tracker over frames that show the given boxes."""
    every = [at for boxes in seen for at in boxes]
    tracker = Tracker(Script(seen, every if hints is None else hints), tracks)
    observations = []
    for number in range(len(seen)):
        gray = np.full(FRAME, 100 if lights is None else lights[number], np.uint8)
        gray[0, 0] = number
        observations += tracker.observe(Frame(gray, lambda: None, number, number * step))
    return observations


def tracklets_of(observations):
    return {
        track: sorted(s.frame.number for s in observations if s.tracklet == track)
        for track in {s.tracklet for s in observations}
    }


def test_two_people_who_swap_sizes_stay_two_tracklets():
    script = [[box(150, width=100 + 20 * (n % 2)), box(450, width=120 - 20 * (n % 2))] for n in range(8)]
    observations = follow(script)
    for track in (0, 1):
        centers = {round(s.box.center[0]) for s in observations if s.tracklet == track}
        assert len(centers) == 1
    assert tracklets_of(observations) == {0: list(range(8)), 1: list(range(8))}


def test_a_gap_of_two_frames_is_interpolated_and_marked():
    observations = follow([[box(100)], [], [], [box(160)]])
    assert [(s.frame.number, s.interpolated) for s in sorted(observations, key=lambda s: s.frame.number)] == [
        (0, False), (1, True), (2, True), (3, False),
    ]  # fmt: skip
    interpolated = {s.frame.number: s for s in observations if s.interpolated}
    assert interpolated[1].box.center[0] == pytest.approx(120)  # a third of the way
    assert interpolated[2].box.center[0] == pytest.approx(140)
    assert all(math.isnan(s.score) for s in interpolated.values())


def test_a_longer_gap_is_not_interpolated():
    observations = follow([[box(100)], [], [], [], [box(100)]])
    assert not any(s.interpolated for s in observations)
    assert tracklets_of(observations) == {0: [0], 1: [4]}


def test_a_gap_of_more_than_a_second_is_not_interpolated():
    assert not any(s.interpolated for s in follow([[box(100)], [], [box(100)]], step=0.7))


def test_a_gap_without_a_hint_of_a_face_is_not_interpolated():
    observations = follow([[box(100)], [], [box(100)]], hints=[])
    assert [s.frame.number for s in observations] == [0, 2]


def test_a_jump_begins_another_tracklet():
    assert tracklets_of(follow([[box(100)], [box(100)], [box(500)]])) == {0: [0, 1], 1: [2]}


def test_a_face_of_another_size_in_the_same_place_is_another():
    assert len(tracklets_of(follow([[box(100, width=60)], [box(100, width=200)]]))) == 2


def test_a_change_of_shot_ends_every_tracklet():
    # The face stays in its place, but the whole picture changes by 100 levels.
    assert tracklets_of(follow([[box(100)]] * 4, lights=[50, 50, 150, 150])) == {0: [0, 1], 1: [2, 3]}


def test_main_follows_one_person_though_another_is_larger():
    script = [[box(150)]] + [[box(150), box(450, width=140)]] * 6
    first = [s for s in follow(script, "main") if s.tracklet == 0]
    assert [s.frame.number for s in first] == list(range(7))
    assert {s.box.center[0] for s in first} == {150}


def tracklet(number, seen, weight, code=None):
    return Tracklet(number, seen, weight, embedding=None if code is None else np.full(128, code / 128**0.5))


def names(identities):
    return [[tracklet.number for tracklet in identity.tracklets] for identity in identities]


def test_the_main_person_is_seen_longest_and_largest():
    assert names(select_identities([tracklet(0, 5, 500, 0), tracklet(1, 20, 1800, 9)], 32)) == [[1], [0]]


def test_tracklets_of_one_face_are_joined():
    # Embeddings 0 and 0.3 lie 0.3 apart, below dlib's 0.6; 5 lies far off.
    identities = select_identities(
        [tracklet(0, 5, 500, 0), tracklet(1, 8, 700, 5), tracklet(2, 5, 400, 0.3)], 32
    )
    assert names(identities) == [[0, 2], [1]]


def test_a_face_seen_once_is_a_false_detection():
    assert names(select_identities([tracklet(0, 10, 900, 0), tracklet(1, 1, 300, 5)], 32)) == [[0]]


def test_a_face_seen_once_that_is_the_main_persons_stays():
    assert names(select_identities([tracklet(0, 10, 900, 0), tracklet(1, 1, 90, 0.1)], 32)) == [[0, 1]]


def test_in_one_sampled_frame_one_observation_is_enough():
    assert names(select_identities([tracklet(0, 1, 90)], 1)) == [[0]]


def test_nobody():
    assert select_identities([], 32) == []
