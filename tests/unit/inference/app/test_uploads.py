"""What a sweep of the page's folder removes and counts."""

import os

from fakeforensics.inference.app.uploads import KEEP_SECONDS, Held, sweep


def age(path, seconds):
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


def test_a_sweep_removes_what_is_old_and_counts_the_rest(tmp_path):
    for name, size in (("old", 7), ("new", 5)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "picture").write_bytes(bytes(size))
    (tmp_path / "empty").mkdir()
    for path in ("old/picture", "empty", "new"):  # a folder that holds a new file stays
        age(tmp_path / path, KEEP_SECONDS + 1)
    # left: old, whose file went just now; new and its 5 bytes
    assert sweep(tmp_path) == Held(5, 3)
    age(tmp_path / "old", KEEP_SECONDS + 1)
    assert sweep(tmp_path) == Held(5, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
