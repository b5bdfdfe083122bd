"""Continuity, bridging and cuts, with a detector that sees what the test says."""

import math

import numpy as np
import pytest

from fakeforensics.faces.detect import Detection
from fakeforensics.faces.geometry import Box
from fakeforensics.faces.picture import Picture
from fakeforensics.faces.track import Tracker

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

    def all(self, luma):
        return [Detection(at, 1.0) for at in self.seen[luma[0, 0]]]

    def near(self, luma, at, margin, face, threshold):
        hints = [Detection(hint, -0.5) for hint in self.hints] if threshold <= -0.5 else []
        return [hit for hit in self.all(luma) + hints if at.distance(hit.box) < margin / 2]

    def at_scale(self, luma, scale, threshold=0.0):
        return self.all(luma)

    def coarse(self, luma, fraction):
        return self.all(luma)

    def largest(self, luma, fraction):
        return sorted(self.all(luma), key=lambda hit: -hit.box.area)[:1]


def follow(seen, tracks="all", step=0.3, lights=None, hints=None):
    """Run a tracker over frames that show the given boxes."""
    every = [at for boxes in seen for at in boxes]
    tracker = Tracker(Script(seen, every if hints is None else hints), tracks)
    sightings = []
    for number in range(len(seen)):
        luma = np.full(FRAME, 100 if lights is None else lights[number], np.uint8)
        luma[0, 0] = number
        sightings += tracker.observe(Picture(luma, lambda: None, number, number * step))
    return sightings


def tracks_of(sightings):
    return {
        track: sorted(s.picture.frame for s in sightings if s.track == track)
        for track in {s.track for s in sightings}
    }


def test_two_people_who_swap_sizes_stay_two_tracks():
    script = [[box(150, width=100 + 20 * (n % 2)), box(450, width=120 - 20 * (n % 2))] for n in range(8)]
    sightings = follow(script)
    for track in (0, 1):
        centres = {round(s.box.centre[0]) for s in sightings if s.track == track}
        assert len(centres) == 1
    assert tracks_of(sightings) == {0: list(range(8)), 1: list(range(8))}


def test_a_blink_of_two_frames_is_bridged_and_marked():
    sightings = follow([[box(100)], [], [], [box(160)]])
    assert [(s.picture.frame, s.bridged) for s in sorted(sightings, key=lambda s: s.picture.frame)] == [
        (0, False), (1, True), (2, True), (3, False),
    ]  # fmt: skip
    bridged = {s.picture.frame: s for s in sightings if s.bridged}
    assert bridged[1].box.centre[0] == pytest.approx(120)  # a third of the way
    assert bridged[2].box.centre[0] == pytest.approx(140)
    assert all(math.isnan(s.score) for s in bridged.values())


def test_a_longer_blink_is_not_bridged():
    sightings = follow([[box(100)], [], [], [], [box(100)]])
    assert not any(s.bridged for s in sightings)
    assert tracks_of(sightings) == {0: [0], 1: [4]}


def test_a_blink_of_more_than_a_second_is_not_bridged():
    assert not any(s.bridged for s in follow([[box(100)], [], [box(100)]], step=0.7))


def test_a_blink_without_a_hint_of_a_face_is_not_bridged():
    sightings = follow([[box(100)], [], [box(100)]], hints=[])
    assert [s.picture.frame for s in sightings] == [0, 2]


def test_a_jump_begins_another_track():
    assert tracks_of(follow([[box(100)], [box(100)], [box(500)]])) == {0: [0, 1], 1: [2]}


def test_a_face_of_another_size_in_the_same_place_is_another():
    assert len(tracks_of(follow([[box(100, width=60)], [box(100, width=200)]]))) == 2


def test_a_cut_ends_every_track():
    # The face stays in its place, but the whole picture changes by 100 levels.
    assert tracks_of(follow([[box(100)]] * 4, lights=[50, 50, 150, 150])) == {0: [0, 1], 1: [2, 3]}


def test_main_follows_one_person_though_another_is_larger():
    script = [[box(150)]] + [[box(150), box(450, width=140)]] * 6
    first = [s for s in follow(script, "main") if s.track == 0]
    assert [s.picture.frame for s in first] == list(range(7))
    assert {s.box.centre[0] for s in first} == {150}
