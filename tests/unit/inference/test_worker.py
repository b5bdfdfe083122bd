import os

import pytest

from fakeforensics.inference import worker
from fakeforensics.inference.cutting import CutFile
from fakeforensics.inference.inputs import Item
from fakeforensics.inference.worker import CRASHED, Worker, cut_alone
from tests.unit.inference.conftest import RECIPE


def test_a_worker_gives_what_a_cutter_gives_file_after_file(cutter, photo, group_photo, tmp_path):
    (tmp_path / "bad.png").write_text("no image")
    items = [Item(path, "image") for path in (photo, tmp_path / "bad.png", group_photo)]
    process = Worker(RECIPE)
    assert [process.cut(item).file for item in items] == [cutter.cut(item) for item in items]
    process.stop()


def test_alone_gives_views_beside_the_crops(cutter, clip):
    outcome = cut_alone(Item(clip, "video"), RECIPE, seconds=120, megabytes=4096, views=2)
    assert outcome.file == cutter.cut(Item(clip, "video"))
    assert [view.frame for view in outcome.views] == [0, 8]  # the first and the last with a face
    assert {view.pixels.shape for view in outcome.views} == {(256, 320, 3)}


def test_what_takes_too_long_is_stopped(photo):
    outcome = cut_alone(Item(photo, "image"), RECIPE, seconds=0.01)
    assert outcome.file == CutFile(photo, (), "it took longer than 0.01 s")


def test_what_takes_too_much_memory_is_told(photo):
    outcome = cut_alone(Item(photo, "image"), RECIPE, seconds=120, megabytes=1)
    assert outcome.file.reason == CRASHED


def die(*_):
    os._exit(1)


def die_while_answering(connection, *_):
    connection.recv()
    os.write(connection.fileno(), b"\0\0\0\x09half")  # the first 4 of 9 bytes
    os._exit(1)


@pytest.mark.parametrize("serve", [die, die_while_answering])
def test_a_process_that_dies_is_told(monkeypatch, photo, serve):
    monkeypatch.setattr(worker, "_serve", serve)
    assert cut_alone(Item(photo, "image"), RECIPE, seconds=60).file.reason == CRASHED
