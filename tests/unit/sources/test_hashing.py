import hashlib
import os
import threading
import time
from pathlib import Path

import pytest

from fakeforensics.errors import UserError
from fakeforensics.sources import hashing
from fakeforensics.sources.hashing import UNREADABLE, digest_of, hash_files, map_in_order


def write(root: Path, count: int) -> list[str]:
    root.mkdir()
    for n in range(count):
        (root / f"{n}.bin").write_bytes(b"x" * n)
    return [f"{n}.bin" for n in range(count)]


def test_the_digest_of_a_small_and_of_a_large_file(tmp_path: Path) -> None:
    for size in (0, 5, 2**20 - 1, 2**20, 2**20 + 1):  # at 2 ** 20 bytes the way of reading changes
        (tmp_path / "a").write_bytes(b"x" * size)
        digest = digest_of(tmp_path / "a")
        assert (digest.size, digest.sha256) == (size, hashlib.sha256(b"x" * size).hexdigest())
    assert digest_of(tmp_path / "missing") == (0, 0, UNREADABLE)


def test_results_come_in_order_and_few_items_wait() -> None:
    taken: list[int] = []
    ahead: list[int] = []
    lock = threading.Lock()

    class Items(list[int]):
        def __iter__(self):  # type: ignore[no-untyped-def]
            for one in super().__iter__():
                taken.append(one)
                yield one

    def work(one: int) -> int:
        time.sleep(0.001 * (one % 3))  # later items end before earlier ones
        with lock:
            return one * 2

    for done, result in enumerate(map_in_order(work, Items(range(200)), workers=2)):
        assert result == 2 * done
        ahead.append(len(taken) - done)
    assert max(ahead) <= 9  # four per thread, and the one in hand


def test_an_error_of_the_work_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        list(map_in_order(lambda one: 1 // one, [1, 0, 1], workers=1))


def test_a_killed_run_reads_no_unchanged_file_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, scratch = tmp_path / "raw", tmp_path / "scratch/f"
    paths = write(root, 40)
    monkeypatch.setattr(hashing, "CHUNK", 4)
    monkeypatch.setattr(hashing, "SAVE_EVERY", 0)
    read: list[str] = []

    def digest(path: Path) -> hashing.FileDigest:
        if path.name == "30.bin" and not (tmp_path / "again").exists():
            raise KeyboardInterrupt
        read.append(path.name)
        return digest_of(path)

    monkeypatch.setattr(hashing, "digest_of", digest)
    with pytest.raises(KeyboardInterrupt):
        hash_files(root, paths, scratch, workers=1)
    # 28 files are in the chunks before that of the interruption.
    assert set(paths[:28]) <= set(read)
    (root / "3.bin").write_bytes(b"yyyy")  # another size
    (root / "4.bin").write_bytes(b"yyyy")
    os.utime(root / "4.bin", ns=(1, 1))  # the same size, another time
    (tmp_path / "again").touch()
    read.clear()
    found = hash_files(root, paths, scratch, workers=1)
    assert set(read) == {"3.bin", "4.bin", *paths[28:]}
    assert [one.sha256 for one in found] == [
        hashlib.sha256((root / path).read_bytes()).hexdigest() for path in paths
    ]
    assert not scratch.exists()
    read.clear()
    hash_files(root, paths, scratch, workers=1)
    assert len(read) == 40  # a run that was not interrupted reads every file


def test_a_file_that_could_not_be_read_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, scratch = tmp_path / "raw", tmp_path / "scratch/f"
    paths = write(root, 2)
    (root / "0.bin").rename(root / "away")
    monkeypatch.setattr(hashing, "CHUNK", 1)
    monkeypatch.setattr(hashing, "SAVE_EVERY", 0)
    monkeypatch.setattr(hashing.shutil, "rmtree", lambda path: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        hash_files(root, paths, scratch, workers=1)
    monkeypatch.undo()
    (root / "away").rename(root / "0.bin")
    assert hash_files(root, paths, scratch)[0].sha256 == hashlib.sha256(b"").hexdigest()


def test_what_a_killed_run_left_damaged_is_named(tmp_path: Path) -> None:
    root, scratch = tmp_path / "raw", tmp_path / "scratch/f"
    paths = write(root, 2)
    scratch.mkdir(parents=True)
    (scratch / "part-000000.parquet").write_bytes(b"half")
    with pytest.raises(UserError, match=r"part-000000\.parquet[\s\S]*delete the folder"):
        hash_files(root, paths, scratch)
