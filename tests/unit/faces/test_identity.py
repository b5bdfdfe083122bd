"""Which tracklets are one person, and which of them need no comparison of faces."""

import dlib
import numpy as np

from fakeforensics.faces.detect import Box, LandmarkPredictor, model_path
from fakeforensics.faces.identity import (
    FaceEmbedder,
    Tracklet,
    TrackletCollector,
    face_chip,
    select_identities,
)
from fakeforensics.faces.track import Observation
from fakeforensics.faces.video import Frame


def tracklet(number, seen, weight, code=None, start=None):
    """Seen in frames of its own, unless `start` says where they begin."""
    first = 1000 * number if start is None else start
    return Tracklet(
        number,
        {*range(first, first + seen)},
        weight,
        embedding=None if code is None else np.full(128, code / 128**0.5),
    )


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


def test_who_is_seen_beside_the_main_person_is_another_whatever_the_embedding():
    identities = select_identities([tracklet(0, 10, 900, 0, start=0), tracklet(1, 5, 400, 0.1, start=3)], 32)
    assert names(identities) == [[0], [1]]


def embedded(rgb, runs, most=None):
    """The numbers of the tracklets whose faces are embedded, of faces seen in the given frames.

    All show the portrait's face, in boxes that are a pixel wider for each further tracklet.
    """
    frame_pixels = np.ascontiguousarray(rgb[..., 0])
    collector = TrackletCollector(LandmarkPredictor(5), lambda chip: np.zeros(128))
    for number, frames in enumerate(runs):
        for frame in frames:
            one = Frame(frame_pixels, lambda: rgb, frame)
            collector.add([Observation(number, one, Box(175, 68, 275 + number, 168), 1.0)])
    return [one.number for one in collector.tracklets(most) if one.embedding is not None]


def test_a_single_tracklet_needs_no_comparison(rgb):
    assert embedded(rgb, [range(5)]) == []


def test_people_who_are_seen_side_by_side_need_no_comparison(rgb):
    assert embedded(rgb, [range(5), range(5)]) == []


def test_tracklets_one_after_the_other_are_compared(rgb):
    assert embedded(rgb, [range(5), range(5, 10)]) == [0, 1]


def test_only_the_heaviest_tracklets_are_compared(rgb):
    # Weights of about 200, 800 and 300: a third of the heaviest is 267.
    runs = [range(2), range(2, 10), range(10, 13)]
    assert embedded(rgb, runs, most=3) == [0, 1, 2]
    assert embedded(rgb, runs, most=1) == [1, 2]


def test_what_is_light_and_beyond_the_allowance_costs_nothing(rgb):
    assert embedded(rgb, [range(10), range(10, 12)], most=1) == []


def test_the_chip_gives_the_embedding_that_dlib_computes_itself(rgb):
    gray = np.ascontiguousarray(rgb[..., 0])
    landmarks = LandmarkPredictor(5)(gray, Box(175, 68, 275, 168))
    network = dlib.face_recognition_model_v1(str(model_path("dlib_face_recognition_resnet_model_v1.dat")))
    own = np.asarray(network.compute_face_descriptor(rgb, landmarks.parts))
    np.testing.assert_allclose(FaceEmbedder()(face_chip(rgb, landmarks)), own, atol=1e-6)
