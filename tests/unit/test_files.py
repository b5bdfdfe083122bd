"""A write that fails leaves what was there, and nothing else."""

import errno
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from fakeforensics import files
from fakeforensics.errors import UserError
from fakeforensics.files import (
    UNFINISHED,
    atomic_directory,
    atomic_path,
    expand,
    explain_full_disk,
    hold,
    printable_path,
    sha256_file,
    write_json,
    write_json_tables,
    write_parquet,
    write_text,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_failed_write_keeps_the_old_file_and_leaves_no_litter(tmp_path):
    target = tmp_path / "scores.csv"
    write_text(target, "old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError
    assert target.read_text() == "old"
    assert names(tmp_path) == ["scores.csv"]


@pytest.mark.parametrize("folder", [False, True])
def test_writing_to_a_linked_output_leaves_the_cache_as_it_is(tmp_path, folder):
    # With `cache.type` hardlink, a file of an output and the one in DVC's cache are the same file.
    cached, out = tmp_path / "cached", tmp_path / "out"
    cached.write_text("old")
    cached.chmod(0o444)
    target = out / "a.json" if folder else out
    target.parent.mkdir(exist_ok=True)
    target.hardlink_to(cached)
    if folder:
        with atomic_directory(out) as temporary:
            write_json(temporary / "a.json", {"new": 1})
    else:
        write_json(target, {"new": 1})
    assert json.loads(target.read_text()) == {"new": 1}
    assert (cached.read_text(), stat.S_IMODE(cached.stat().st_mode)) == ("old", 0o444)


def test_variables_in_a_path_are_replaced_and_the_first_unset_one_is_named(monkeypatch):
    monkeypatch.setenv("SET", "/data")
    monkeypatch.delenv("UNSET", raising=False)
    assert expand("$SET/a") == (Path("/data/a"), "")
    assert expand("~/a") == (Path.home() / "a", "")
    assert expand("${UNSET}/$SET")[1] == "UNSET"


def test_a_file_is_readable_by_others_as_the_umask_says(tmp_path):
    write_text(tmp_path / "a.txt", "a")
    (tmp_path / "b.txt").write_text("b")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a.txt", "b.txt")]
    assert modes[0] == modes[1]


def test_a_directory_is_replaced_whole(tmp_path):
    target = tmp_path / "model"
    with atomic_directory(target) as folder:
        (folder / "old").write_text("1")
    with atomic_directory(target) as folder:
        (folder / "new").write_text("2")
    assert names(target) == ["new"]
    assert names(tmp_path) == ["model"]


def test_a_failed_directory_keeps_the_old_one(tmp_path):
    target = tmp_path / "model"
    with atomic_directory(target) as folder:
        (folder / "weights").write_text("old")
    with pytest.raises(RuntimeError), atomic_directory(target) as folder:
        (folder / "weights").write_text("new")
        raise RuntimeError
    assert (target / "weights").read_text() == "old"
    assert names(tmp_path) == ["model"]


def test_a_file_is_written_whole_inside_of_a_directory_that_is(tmp_path):
    with atomic_directory(tmp_path / "package") as folder:
        write_text(folder / "a.txt", "1")  # this process holds a lock on the folder, and must not wait for it
        with atomic_directory(folder / "inner") as inner:
            write_json(inner / "b.json", 2)
    assert names(tmp_path / "package") == ["a.txt", "inner"]


def test_json_keeps_the_order_of_keys_and_refuses_nan(tmp_path):
    write_json(tmp_path / "a.json", {"z": 1, "a": "é"})
    assert (tmp_path / "a.json").read_text() == '{\n  "z": 1,\n  "a": "é"\n}\n'
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"ap": float("nan")})
    assert '"z"' in (tmp_path / "a.json").read_text()


def test_json_tables_have_a_row_a_line(tmp_path):
    path = tmp_path / "a.json"
    value = {"mean": {"sl": 0.5}, "rows": [{"a": 1}, {"a": [2, 3]}], "none": []}
    write_json_tables(path, value)
    assert json.loads(path.read_text()) == value
    assert path.read_text().splitlines()[4:8] == [
        '  "rows": [',
        '    {"a": 1},',
        '    {"a": [2, 3]}',
        "  ],",
    ]
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json_tables(path, {"rows": [float("nan")]})


def test_the_same_table_gives_the_same_bytes(tmp_path):
    frame = pd.DataFrame({"key": ["a", "b"], "box": [[1.0, 2.0], []], "label": [0, 1]})
    write_parquet(tmp_path / "1.parquet", frame)
    write_parquet(tmp_path / "2.parquet", frame.copy())
    assert sha256_file(tmp_path / "1.parquet") == sha256_file(tmp_path / "2.parquet")


def test_a_tables_bytes_name_no_version_of_pandas(tmp_path, monkeypatch):
    frame = pd.DataFrame(
        {
            "key": ["a", "b"],
            "label": np.array([0, 1], np.int8),
            "frame": np.array([-1, 7], np.int32),
            "score": [0.5, np.nan],
            "is_test": [True, False],
            "box": [[1.0, 2.0], []],
        },
        index=[5, 3],
    )
    ours, pandas = tmp_path / "ours.parquet", tmp_path / "pandas.parquet"
    write_parquet(ours, frame, {b"note": b"kept"})
    frame.to_parquet(pandas)
    before = ours.read_bytes(), pandas.read_bytes()
    assert pq.read_schema(ours).metadata == {b"note": b"kept"}
    # Nothing is lost by that, except the row labels.
    read = pd.read_parquet(ours)
    assert [str(dtype) for dtype in read.dtypes] == ["str", "int8", "int32", "float64", "bool", "object"]
    assert read.drop(columns="box").equals(frame.drop(columns="box").reset_index(drop=True))

    # Another version of pandas, as pyarrow would record it.
    monkeypatch.setattr(
        "pyarrow.pandas_compat.construct_metadata", lambda *_, **__: {b"pandas": b'{"pandas_version": "9"}'}
    )
    write_parquet(ours, frame, {b"note": b"kept"})
    frame.to_parquet(pandas)
    assert (ours.read_bytes() == before[0], pandas.read_bytes() == before[1]) == (True, False)


def test_sha256_of_abc(tmp_path):
    # The test vector of FIPS 180-4.
    write_text(tmp_path / "abc", "abc")
    assert sha256_file(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae2223")


def test_printable_paths_can_be_encoded():
    assert printable_path("caf\udce9.jpg") == r"caf\xe9.jpg"
    assert printable_path("häuser.jpg") == "häuser.jpg"


class LibraryError(Exception):
    """Of a library that writes through code of its own."""


@pytest.mark.parametrize(
    ("error", "free"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 2**30),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 2**30),
        (LibraryError("cannot write"), 0),
    ],
)
@pytest.mark.parametrize("writer", [atomic_path, atomic_directory])
def test_a_full_disk_is_said_with_its_folder_and_leaves_no_litter(tmp_path, monkeypatch, error, free, writer):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    message = r"disk is full(?s:.*)MiB free(?s:.*)free some space"
    with pytest.raises(UserError, match=message) as caught, writer(tmp_path / "new/target"):
        raise error
    assert str(tmp_path / "new") in str(caught.value)
    assert names(tmp_path / "new") == []


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "no"), ValueError("no")])
def test_another_error_is_not_taken_for_a_full_disk(tmp_path, error):
    with pytest.raises(type(error)), explain_full_disk(tmp_path):
        raise error


HOLDER = """
import sys, time
from pathlib import Path
from fakeforensics.files import hold
with hold(Path(sys.argv[1]), "the work"):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(path):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_held_lock_names_its_process_and_ends_with_it(tmp_path):
    lock = tmp_path / "scratch/.work.lock"
    with holder(lock) as process:
        message = rf"the work is already running(?s:.*)process {process.pid} on "
        with pytest.raises(UserError, match=message), hold(lock, "the work"):
            pass
        process.kill()
    assert lock.exists()  # a killed process leaves its file behind, which holds nothing
    with hold(lock, "the work"):
        assert f"process {os.getpid()} " in lock.read_text()
    assert names(lock.parent) == []


def test_a_lock_can_be_waited_for(tmp_path):
    lock = tmp_path / ".work.lock"
    entered = threading.Event()

    def wait():
        with hold(lock, "the work", wait=True):
            entered.set()

    with holder(lock) as process:
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not entered.wait(0.2)
        process.kill()
    waiting.join(60)
    assert entered.is_set()
    assert names(tmp_path) == []


def test_a_lock_that_cannot_be_written_is_not_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "\udcff")  # no text in UTF-8: the write fails
    with pytest.raises(UnicodeEncodeError), hold(tmp_path / ".work.lock", "the work"):
        pass
    assert names(tmp_path) == []


WRITER = """
import sys, time
from pathlib import Path
from fakeforensics.files import atomic_directory, atomic_path
with atomic_path(Path(sys.argv[1]) / "file.csv"), atomic_directory(Path(sys.argv[1]) / "folder"):
    print("writing", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_writer_left_goes_with_the_next_write_but_not_what_is_being_written(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "writing\n"
        being_written = names(tmp_path)
        assert len(being_written) == 2
        assert all(name.startswith(UNFINISHED) for name in being_written)
        write_text(tmp_path / "other.csv", "a")
        assert names(tmp_path) == [*being_written, "other.csv"]
        process.kill()
    files._remove_unfinished.cache_clear()  # as a new process would begin
    write_text(tmp_path / "other.csv", "b")
    assert names(tmp_path) == ["other.csv"]


@pytest.mark.parametrize("ignored", [".gitignore", ".dvcignore"])
def test_what_is_being_written_is_ignored(ignored):
    root = Path(__file__).parents[2]
    assert f"{UNFINISHED}*" in (root / ignored).read_text().splitlines()


def test_a_scratch_directory_is_gone_afterwards_with_what_a_killed_process_left(tmp_path):
    left = tmp_path / f"{files.UNFINISHED}scratch.1"
    left.mkdir(parents=True)
    (left / "half").touch()
    files._remove_unfinished.cache_clear()  # as a new process would begin
    with files.scratch_directory(tmp_path) as folder:
        (folder / "member").touch()
        assert list(tmp_path.iterdir()) == [folder]
    assert list(tmp_path.iterdir()) == []
