"""A user's error reads as: what, expected, found, what to do."""

import pickle

from fakeforensics.errors import UserError


def test_the_parts_are_listed_in_the_order_in_which_one_reads_them():
    error = UserError("a.png: cannot be read", fix="delete it", found="0 bytes", expected="an image")
    assert str(error) == (
        "a.png: cannot be read\n  expected: an image\n  found: 0 bytes\n  what to do: delete it"
    )


def test_it_survives_the_way_back_from_a_worker_process():
    error = UserError("a", found="b", expected="c", fix="d")
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.what, copy.found, copy.expected, copy.fix) == ("a", "b", "c", "d")
    assert str(copy) == str(error)
