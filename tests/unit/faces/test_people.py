import numpy as np

from fakeforensics.faces.people import Fragment, rank


def fragment(track, seen, weight, code=None):
    return Fragment(track, seen, weight, code=None if code is None else np.full(128, code / 128**0.5))


def names(people):
    return [person.tracks for person in people]


def test_the_main_person_is_seen_longest_and_largest():
    assert names(rank([fragment(0, 5, 500, 0), fragment(1, 20, 1800, 9)], 32)) == [[1], [0]]


def test_fragments_of_one_face_are_joined():
    # Codes 0 and 0.3 lie 0.3 apart, below dlib's 0.6; 5 lies far off.
    people = rank([fragment(0, 5, 500, 0), fragment(1, 8, 700, 5), fragment(2, 5, 400, 0.3)], 32)
    assert names(people) == [[0, 2], [1]]


def test_a_face_seen_once_is_a_false_detection():
    assert names(rank([fragment(0, 10, 900, 0), fragment(1, 1, 300, 5)], 32)) == [[0]]


def test_a_face_seen_once_that_is_the_main_persons_stays():
    assert names(rank([fragment(0, 10, 900, 0), fragment(1, 1, 90, 0.1)], 32)) == [[0, 1]]


def test_in_one_sampled_frame_one_sighting_is_enough():
    assert names(rank([fragment(0, 1, 90)], 1)) == [[0]]


def test_nobody():
    assert rank([], 32) == []
