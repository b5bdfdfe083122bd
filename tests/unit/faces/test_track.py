"""Continuity, interpolation and changes of shot, with a detector that sees what the test says."""

import math

import numpy as np
import pytest

from fakeforensics.faces.detect import Box, Detection
from fakeforensics.faces.track import Allowance, Tracker
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
        self.searched = []

    def all(self, gray):
        return [Detection(at, 1.0) for at in self.seen[gray[0, 0]]]

    def near(self, gray, at, margin, face, threshold):
        hints = [Detection(hint, -0.5) for hint in self.hints] if threshold <= -0.5 else []
        return [hit for hit in self.all(gray) + hints if at.distance(hit.box) < margin / 2]

    def at_scale(self, gray, scale, threshold=0.0):
        self.searched.append((int(gray[0, 0]), scale))
        return [hit for hit in self.all(gray) if hit.box.width * scale >= 80]

    def scales(self, gray, fraction):
        # As for frames of 480 lines and faces of 40 pixels: 80 / (0.31 * 480), doubled, and 80 / 40.
        return [0.54, 1.08, 2.0]


def follow(seen, tracks="all", step=0.3, lights=None, hints=None, pixels=1e9):
    """Run a tracker over frames that show the given boxes."""
    every = [at for boxes in seen for at in boxes]
    script = Script(seen, every if hints is None else hints)
    return run(script, tracks, step, lights, pixels)


def run(script, tracks="main", step=0.3, lights=None, pixels=1e9):
    """Run a tracker whose searches may cover so many pixels; what it observes."""
    tracker = Tracker(script, tracks, Allowance(pixels, len(script.seen)))
    observations = []
    for number in range(len(script.seen)):
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


def test_who_returns_to_the_same_place_within_three_seconds_is_the_same():
    # The gaps last 5 and 11 steps of 0.3 seconds: 1.5 and 3.3 seconds.
    seen = [[box(100)], *[[]] * 4, [box(110)], *[[]] * 10, [box(100)]]
    assert tracklets_of(follow(seen)) == {0: [0, 5], 1: [16]}


def test_a_face_that_was_too_faint_at_first_is_followed_back():
    # Frames 1 to 6 show it only to a search near its place; frame 0 does not show it at all. 7 is searched.
    class Faint(Script):
        def near(self, gray, at, margin, face, threshold):
            faint = [Detection(box(100), -0.1)] if 1 <= gray[0, 0] <= 6 and threshold < 0 else []
            return super().near(gray, at, margin, face, threshold) + faint

    assert tracklets_of(run(Faint([*[[]] * 7, [box(100)]]))) == {0: list(range(1, 8))}


def test_following_back_passes_a_gap_of_two_frames_and_stops_at_one_of_three():
    class Faint(Script):
        def near(self, gray, at, margin, face, threshold):
            faint = [Detection(box(100), -0.1)] if gray[0, 0] in (0, 4) and threshold < 0 else []
            return super().near(gray, at, margin, face, threshold) + faint

    assert tracklets_of(run(Faint([[], [], [], [], [], [], [], [box(100)]]))) == {0: [4, 7]}


def test_following_back_does_not_take_another_persons_face():
    # Two people in one place, one after the other, whose sizes differ: neither continues the other's track.
    seen = [[box(100, width=60)], [box(100, width=60)], [box(100, width=110)]]
    assert tracklets_of(follow(seen)) == {0: [0, 1], 1: [2]}


def test_following_back_ends_at_a_change_of_shot():
    class Faint(Script):
        def near(self, gray, at, margin, face, threshold):
            return [Detection(box(100), -0.1)]

    observations = run(Faint([[], [], [box(100)]]), lights=[200, 50, 50])
    assert tracklets_of(observations) == {0: [1, 2]}


def test_a_face_that_appears_is_found_though_the_search_pauses():
    # Pauses of 1, 2, 4 and 8 frames: frames 0, 1, 3, 7 and 15 are searched, and 15 is followed back.
    script = Script([*[[]] * 9, *[[box(100)]] * 11])
    assert tracklets_of(run(script)) == {0: list(range(9, 20))}
    assert sorted({number for number, _ in script.searched}) == [0, 1, 3, 7, 15, 16]


def test_the_search_for_lost_faces_keeps_to_its_allowance():
    script = Script([[]] * 200)
    run(script, pixels=20 * FRAME[0] * FRAME[1])
    assert 10 < sum(scale**2 for _, scale in script.searched) <= 20


def test_after_a_change_of_shot_it_is_searched_at_once_as_finely_as_allowed():
    # The first frame takes 0.54^2 + 1.08^2 = 1.46 of 5 / 2 frames; 1 / 24 is added for each of the next.
    lights = [50] * 30 + [150] * 30
    script = Script([*[[]] * 30, *[[box(100, width=90)]] * 30])
    observations = run(script, lights=lights, pixels=5 * FRAME[0] * FRAME[1])
    assert tracklets_of(observations) == {0: list(range(30, 60))}


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


def test_a_change_of_shot_between_dark_pictures_ends_every_tracklet():
    # By 30 levels, less than the 40 that are enough alone; but no pixel keeps its bin of 8 levels.
    assert tracklets_of(follow([[box(100)]] * 4, lights=[20, 20, 50, 50])) == {0: [0, 1], 1: [2, 3]}


def test_motion_is_no_change_of_shot():
    # Two halves of 50 and 80 levels change places: 30 levels on average, the same histogram.
    halves = np.repeat([50, 80], FRAME[1] // 2)
    lights = [halves, halves, halves[::-1], halves[::-1]]
    assert tracklets_of(follow([[box(100)]] * 4, lights=lights)) == {0: [0, 1, 2, 3]}


def test_main_follows_one_person_though_another_is_larger():
    script = [[box(150)]] + [[box(150), box(450, width=140)]] * 6
    first = [s for s in follow(script, "main") if s.tracklet == 0]
    assert [s.frame.number for s in first] == list(range(7))
    assert {s.box.center[0] for s in first} == {150}
