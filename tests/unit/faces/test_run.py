"""Whole sources: bad files, kills, several workers, a full disk, a Dask cluster; always the same bytes."""

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fakeforensics.errors import UserError
from fakeforensics.faces import run
from fakeforensics.faces.assemble import _publish
from fakeforensics.faces.run import make_images
from fakeforensics.images.codec import decode
from fakeforensics.images.index import read_decisions, read_index, read_undetected
from fakeforensics.images.shards import ShardReader
from fakeforensics.params import FacesParams
from fakeforensics.sources.base import RawFile

from .conftest import portrait, write_video

HERE = Path(__file__).resolve().parents[3]
PARAMS = {"size": 64, "frames_per_video": 4, "workers": 1}


def records_of(root):
    names = sorted(os.fsdecode(path) for path in os.listdir(os.fsencode(root)))
    kinds = {name: "video" if name.endswith(".mp4") else "image" for name in names}
    return [RawFile(name, kinds[name], "real", "d", 0, f"s/{name}") for name in names]


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def make(root, tmp_path, name="out", crop="faces", **params):
    faces = FacesParams(**(PARAMS | params))
    totals = make_images(
        "s", root, records_of(root), crop, faces, tmp_path / name / "s", tmp_path / "scratch"
    )
    return totals, tmp_path / name


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two clips, three stills, and debris of a download."""
    folder = tmp_path_factory.mktemp("raw")
    for number in range(2):
        frames = [portrait(256, angle=2 * step + 5 * number) for step in range(6)]
        write_video(folder / f"clip{number}.mp4", frames)
    for number in range(3):
        Image.fromarray(portrait(200 + 10 * number)).save(folder / f"still {number}.jpg", quality=90)
    Image.new("RGB", (100, 100)).save(folder / "nobody.png")
    (folder / "empty.mp4").touch()
    (folder / "empty.jpg").touch()
    (folder / "page.mp4").write_text("<html>404</html>")
    data = (folder / "clip0.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(data[: len(data) // 2])
    shutil.copy(folder / "still 0.jpg", os.fsencode(folder) + b"/caf\xe9.jpg")
    shutil.copy(folder / "still 0.jpg", folder / "line\nbreak.jpg")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    (folder / "gone.jpg").symlink_to("nowhere.jpg")
    (folder / "folder.jpg").mkdir()
    return folder


@pytest.fixture(scope="module")
def whole(root, tmp_path_factory):
    """An undisturbed run with one worker."""
    tmp_path = tmp_path_factory.mktemp("whole")
    totals, out = make(root, tmp_path, max_rejected=0.9)
    assert not (tmp_path / "scratch").exists() or not list((tmp_path / "scratch").iterdir())
    return totals, out


def test_every_file_is_cropped_or_rejected_with_its_reason(whole):
    totals, out = whole
    index = read_index(out, "s")
    rejected = pd.read_csv(out / "s/rejected.csv")
    reasons = dict(zip(rejected.path, rejected.reason, strict=True))
    assert index.groupby("raw_path").size().to_dict() == {
        "caf\\xe9.jpg": 1, "clip0.mp4": 4, "clip1.mp4": 4, "line\nbreak.jpg": 1,
        "still 0.jpg": 1, "still 1.jpg": 1, "still 2.jpg": 1,
    }  # fmt: skip
    expected = {
        "nobody.png": "no face found", "empty.mp4": "empty file", "empty.jpg": "empty file",
        "page.mp4": "not a video", "cut.mp4": "not a video", "loop.jpg": "cannot be opened: Too many levels",
        "gone.jpg": "cannot be opened: No such file", "folder.jpg": "cannot be opened: Is a directory",
    }  # fmt: skip
    assert set(reasons) == set(expected)
    for path, reason in expected.items():
        assert reasons[path].startswith(reason)
    assert (totals.files, totals.images, totals.rejected) == (15, 13, 8)
    undetected = read_undetected(out, "s")
    assert set(undetected["path"]) == set(expected)
    assert set(undetected["source"]) == {"s"}


def test_the_index_tells_where_each_crop_came_from(whole, root):
    index = read_index(whole[1], "s")
    reader = ShardReader(whole[1])
    assert index.key.is_unique
    assert index.key.tolist() == sorted(index.key)
    for row in index.itertuples():
        data = reader.read("s", row.shard, row.offset, row.size)
        assert hashlib.sha256(data).hexdigest() == row.sha256
        assert decode(data).shape == (64, 64, 3)
    clip = index[index.raw_path == "clip0.mp4"]
    assert clip.key.tolist() == [f"s/clip0#f{frame:06d}" for frame in (0, 2, 3, 5)]  # middles of 6 in 4
    assert clip.raw_format.unique().tolist() == ["H264"]
    still = index[index.raw_path == "still 1.jpg"].iloc[0]
    assert (still.raw_format, still.raw_width, still.jpeg_quality, still.frame) == ("JPEG", 210, 90, -1)
    assert still.raw_sha256 == hashlib.sha256((root / "still 1.jpg").read_bytes()).hexdigest()
    assert len(still.box) == 4
    assert len(still.landmarks) == 10


def test_the_folder_takes_its_name_with_the_decisions_in_it(whole):
    # A kill after that must not leave a folder whose splits would be counted without them.
    assert sum(read_decisions(whole[1], "s")["label"].values()) == 15  # every file, rejected ones included


def test_a_kill_while_an_older_folder_is_deleted_leaves_no_part_of_it(tmp_path, monkeypatch):
    building, out = tmp_path / "building", tmp_path / "images/s"
    for folder, text in ((building, "new"), (out, "old")):
        folder.mkdir(parents=True)
        (folder / "index.parquet").write_text(text)
    seen = []

    def killed(path, **_):
        if path.exists():
            seen.append((path.name, [one.read_text() for one in out.glob("*")]))

    monkeypatch.setattr("shutil.rmtree", killed)
    _publish(building, out)
    assert seen == [(".unfinished.s.old", ["new"])]  # what is deleted has another name by then


@pytest.mark.parametrize("workers", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_any_number_of_workers_gives_the_same_bytes(root, whole, tmp_path, workers):
    _, out = make(root, tmp_path, max_rejected=0.9, workers=workers)
    assert digests(out / "s") == digests(whole[1] / "s")


def test_small_shards_hold_the_same_images(root, whole, tmp_path, monkeypatch):
    monkeypatch.setattr("fakeforensics.faces.assemble.ShardWriter", _tiny_shards)
    _, out = make(root, tmp_path, max_rejected=0.9)
    index = read_index(out, "s")
    assert index["shard"].nunique() > 3
    assert index.sha256.tolist() == read_index(whole[1], "s").sha256.tolist()


def _tiny_shards(folder, shard_bytes):
    from fakeforensics.images.shards import ShardWriter

    return ShardWriter(folder, 20_000)


def test_too_many_rejections_stop_the_run_and_keep_the_work(root, tmp_path, monkeypatch):
    monkeypatch.setitem(run._STILLS_PER_TASK, "faces", 1)
    with pytest.raises(UserError, match=r"8 of 15 files are rejected[\s\S]*max_rejected") as caught:
        make(root, tmp_path)
    listed = next(line for line in str(caught.value).split() if line.endswith("rejected.csv"))
    assert len(pd.read_csv(listed)) == 8
    assert not (tmp_path / "out/s").exists()
    archives = {path: path.stat().st_ino for path in (tmp_path / "scratch").glob("*/extracted/*/*.zip")}
    assert len(archives) == 15
    # Fill the disk when all files are extracted, so that the archives can be looked at once more.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fakeforensics.images.shards.ShardWriter.add", full)
        with pytest.raises(UserError, match="the disk is full"):
            make(root, tmp_path, max_rejected=0.9)
    assert not (tmp_path / "out/s").exists()
    # Only the three files that cannot be opened at all are tried again: each writes a new archive.
    assert sum(path.stat().st_ino != inode for path, inode in archives.items()) == 3
    assert make(root, tmp_path, max_rejected=0.9)[0].images == 13


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_source_without_a_readable_file_stops_the_run(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/a.jpg").write_text("no image")
    with pytest.raises(UserError, match=r"no file gave an image[\s\S]*1 x not an image"):
        make(tmp_path / "raw", tmp_path, max_rejected=1.0)


def test_whole_images_keep_their_bytes(root, tmp_path):
    _, out = make(root, tmp_path, crop="whole", max_rejected=0.9)
    index = read_index(out, "s").set_index("raw_path")
    assert index.loc["still 1.jpg", "sha256"] == index.loc["still 1.jpg", "raw_sha256"]
    assert len(index.loc["still 1.jpg", "box"]) == 0
    assert index.loc["clip0.mp4"].frame.tolist() == [0, 2, 3, 5]
    data = ShardReader(out).read("s", *index.loc["nobody.png", ["shard", "offset", "size"]])
    assert decode(data).shape == (100, 100, 3)


@pytest.mark.slow
def test_a_changed_raw_file_is_done_again(root, tmp_path):
    raw = tmp_path / "raw"
    shutil.copytree(root, raw, symlinks=True)
    with pytest.raises(UserError):
        make(raw, tmp_path)
    shutil.copy(raw / "still 2.jpg", raw / "still 1.jpg")
    _, out = make(raw, tmp_path, max_rejected=0.9)
    index = read_index(out, "s").set_index("raw_path")
    assert index.loc["still 1.jpg", "sha256"] == index.loc["still 2.jpg", "sha256"]


@pytest.mark.slow
def test_a_file_that_kills_workers_is_rejected(root, whole, tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    shutil.copytree(root, raw, symlinks=True)
    (raw / "killer.jpg").write_bytes(b"KILL")
    script = (
        "import os, sys; from pathlib import Path\n"
        "from tests.unit.faces.test_run import make\n"
        f"make(Path({str(raw)!r}), Path({str(tmp_path)!r}), max_rejected=0.9, workers=2)\n"
    )
    # The workers import this module, which ends them at the file.
    (tmp_path / "sitecustomize.py").write_text(
        "import os, pathlib\n"
        "read = pathlib.Path.read_bytes\n"
        "def deadly(self):\n"
        "    data = read(self)\n"
        "    if data == b'KILL':\n"
        "        os._exit(9)\n"
        "    return data\n"
        "pathlib.Path.read_bytes = deadly\n"
    )
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{HERE}"}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment, cwd=HERE, timeout=120)
    rejected = pd.read_csv(tmp_path / "out/s/rejected.csv").set_index("path").reason
    assert rejected["killer.jpg"].startswith("reading it ends the process")
    assert read_index(tmp_path / "out", "s").sha256.tolist() == read_index(whole[1], "s").sha256.tolist()


def kill_when(script, moment):
    """Run a script and kill it and its workers at a moment, unless it ends before; gives its exit status."""
    process = subprocess.Popen([sys.executable, "-c", script], cwd=HERE, start_new_session=True)
    while process.poll() is None and not moment():
        time.sleep(0.002)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait(timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_at_any_moment_the_next_run_gives_the_same_bytes(root, whole, tmp_path, workers):
    script = (
        "from pathlib import Path; from tests.unit.faces.test_run import make\n"
        f"make(Path({str(root)!r}), Path({str(tmp_path)!r}), max_rejected=0.9, workers={workers})\n"
    )
    scratch = tmp_path / "scratch"

    def begun():
        return any(scratch.glob("*/extracted/*/*"))

    def one_done():
        return any(scratch.glob("*/extracted/*/*.zip"))

    def writing_shards():
        return any(scratch.glob("*/out/*.tar"))

    for moment in (begun, one_done, writing_shards):
        assert kill_when(script, moment) == -signal.SIGKILL
        assert not (tmp_path / "out/s").exists()
    assert kill_when(script, lambda: False) == 0
    assert digests(tmp_path / "out/s") == digests(whole[1] / "s")
    assert list(scratch.iterdir()) == []


class Cluster:
    """A Dask scheduler on this machine; its workers note their process and each still that they read."""

    def __init__(self, folder):
        self.folder = folder
        self.file = folder / "scheduler.json"
        self.log = folder / "read.txt"
        self.processes = []
        # Read by every process of the cluster, and not by the one that tests.
        (folder / "sitecustomize.py").write_text(
            "import os, pathlib\n"
            "read = pathlib.Path.read_bytes\n"
            "def noting(self):\n"
            "    data = read(self)\n"
            "    if self.suffix == '.jpg':\n"
            f"        with open({str(self.log)!r}, 'a') as log:\n"
            "            print(os.getpid(), ascii(self.name), file=log)\n"
            "    if data == b'KILL':\n"
            "        os._exit(9)\n"
            "    return data\n"
            "pathlib.Path.read_bytes = noting\n"
        )
        self.start("dask_scheduler", "--port", "0", "--host", "127.0.0.1")
        while not self.file.exists():
            time.sleep(0.1)
        self.address = json.loads(self.file.read_text())["address"]

    def start(self, program, *options):
        command = [sys.executable, "-m", f"distributed.cli.{program}", "--scheduler-file", str(self.file)]
        environment = os.environ | {
            "PYTHONPATH": f"{self.folder}:{HERE}",
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
        }
        self.processes.append(
            subprocess.Popen([*command, "--no-dashboard", *options], env=environment, cwd=self.folder)
        )

    def add_worker(self):
        self.start("dask_worker", "--nthreads", "1", "--local-directory", str(self.folder))

    def read(self):
        """The processes that read each still."""
        lines = [line.split(" ", 1) for line in self.log.read_text().splitlines()]
        names = {name for _, name in lines}
        return {name: {int(process) for process, other in lines if other == name} for name in names}


@pytest.fixture
def cluster(tmp_path):
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    folder = tmp_path / "cluster"
    folder.mkdir()
    made = Cluster(folder)
    yield made
    for process in reversed(made.processes):
        process.terminate()
        process.wait(timeout=20)


@pytest.mark.slow
def test_a_dask_cluster_gives_the_same_bytes_and_its_first_worker_takes_all_work(
    root, whole, tmp_path, cluster
):
    cluster.add_worker()
    _, out = make(root, tmp_path, max_rejected=0.9, executor="dask", scheduler=cluster.address)
    assert digests(out / "s") == digests(whole[1] / "s")
    found = cluster.read()
    # Each still, whole or damaged, was read by the one worker, and none by this process, which notes nothing.
    unread = {"loop.jpg", "gone.jpg", "folder.jpg"}
    stills = {name for name in os.listdir(root) if name.endswith(".jpg")} - unread
    assert {*found} == {ascii(name) for name in stills}
    assert len(set().union(*found.values())) == 1


@pytest.mark.slow
def test_a_worker_that_comes_later_is_used(tmp_path, cluster, monkeypatch):
    raw = tmp_path / "raw"
    raw.mkdir()
    for number in range(200):
        save_still(raw / f"{number}.jpg", number)
    monkeypatch.setitem(run._STILLS_PER_TASK, "whole", 1)
    cluster.add_worker()
    later = threading.Timer(0.0, wait_for_log_and_add, [cluster])
    later.start()
    make(raw, tmp_path, crop="whole", executor="dask", scheduler=cluster.address)
    later.join()
    found = cluster.read()
    assert len(found) == 200
    assert len(set().union(*found.values())) == 2


def wait_for_log_and_add(cluster):
    while not cluster.log.exists():
        time.sleep(0.01)
    cluster.add_worker()


@pytest.mark.slow
def test_a_file_that_ends_its_dask_worker_is_rejected_and_the_run_goes_on(root, whole, tmp_path, cluster):
    raw = tmp_path / "raw"
    shutil.copytree(root, raw, symlinks=True)
    (raw / "killer.jpg").write_bytes(b"KILL")
    cluster.add_worker()
    make(raw, tmp_path, max_rejected=0.9, executor="dask", scheduler=cluster.address)
    rejected = pd.read_csv(tmp_path / "out/s/rejected.csv").set_index("path").reason
    assert rejected["killer.jpg"].startswith("reading it ends the process")
    assert read_index(tmp_path / "out", "s").sha256.tolist() == read_index(whole[1], "s").sha256.tolist()


@pytest.mark.slow
def test_a_cluster_that_goes_away_is_an_error_and_finished_work_is_kept(root, tmp_path, cluster):
    cluster.add_worker()

    def go_away():
        while not list(tmp_path.glob("scratch/*/extracted/*/*.zip")):
            time.sleep(0.01)
        for process in reversed(cluster.processes):
            process.kill()

    threading.Thread(target=go_away).start()
    raw = tmp_path / "raw"
    shutil.copytree(root, raw, symlinks=True)
    for number in range(400):
        save_still(raw / f"{number}.jpg", number)
    with pytest.raises(UserError, match=r"the Dask cluster(?s:.*)was lost(?s:.*)not processed again"):
        make(raw, tmp_path, max_rejected=1.0, executor="dask", scheduler=cluster.address)
    assert list(tmp_path.glob("scratch/*/extracted/*/*.zip"))


def save_still(path, number):
    picture = np.random.default_rng(number).integers(0, 256, (600, 800, 3)).astype(np.uint8)
    Image.fromarray(picture).save(path)


def test_a_cluster_without_an_address_is_an_error(root, tmp_path):
    with pytest.raises(UserError, match="names no cluster"):
        make(root, tmp_path, executor="dask")


@pytest.mark.slow
def test_a_cluster_that_does_not_answer_is_an_error(root, tmp_path):
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    with pytest.raises(UserError, match="no Dask scheduler answers"):
        make(root, tmp_path, executor="dask", scheduler="tcp://127.0.0.1:9")
