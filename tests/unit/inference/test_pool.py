import time

import pytest

from fakeforensics.errors import UserError
from fakeforensics.inference import worker
from fakeforensics.inference.cutting import CutFile
from fakeforensics.inference.inputs import Item
from fakeforensics.inference.pool import CuttingPool
from fakeforensics.inference.worker import CRASHED
from tests.unit.inference.conftest import RECIPE


class NamedCutter:
    """Cuts nothing; a file's name says what becomes of it and of the process."""

    def __init__(self, recipe):
        pass

    def cut(self, item):
        if item.path.stem == "kills":
            import os

            os._exit(1)
        if item.path.stem == "slow":
            time.sleep(0.3)
        if item.path.stem == "stalls":
            time.sleep(600)
        return CutFile(item.path, (), f"cut {item.path.name}")


def serve_names(*arguments):
    """What the worker's process runs, with a cutter that needs no models."""
    worker.Cutter = NamedCutter
    SERVE(*arguments)


SERVE = worker._serve


@pytest.fixture
def pool(monkeypatch):
    monkeypatch.setattr(worker, "_serve", serve_names)
    started = CuttingPool(RECIPE, files=9, workers=2)
    yield started
    started.close()


@pytest.fixture
def one_worker(monkeypatch):
    monkeypatch.setattr(worker, "_serve", serve_names)
    started = CuttingPool(RECIPE, files=9, workers=1)
    yield started
    started.close()


def items(tmp_path, *names):
    return [Item(tmp_path / name, "image") for name in names]


def test_results_come_in_order(pool, tmp_path):
    names = ("slow.png", *(f"{number}.png" for number in range(6)))
    assert [file.reason for file in pool.cut(items(tmp_path, *names))] == [f"cut {name}" for name in names]


def test_a_file_that_kills_its_worker_costs_itself_alone(one_worker, tmp_path):
    files = one_worker.cut(items(tmp_path, "kills.png", "a.png", "b.png", "c.png"))
    assert [file.reason for file in files] == [CRASHED, "cut a.png", "cut b.png", "cut c.png"]


def test_closing_does_not_wait_for_files_at_work(pool, tmp_path):
    pool.cut(items(tmp_path, *(f"{number}/stalls.png" for number in range(9))))
    started = time.monotonic()
    pool.close()
    assert time.monotonic() - started < 60  # not the 600 s of each


def refuse(connection, *_):
    connection.send(UserError("no landmark model", fix="install it"))


def test_a_worker_that_cannot_start_its_work_says_why(monkeypatch, tmp_path):
    monkeypatch.setattr(worker, "_serve", refuse)
    workers = CuttingPool(RECIPE, files=1)
    with pytest.raises(UserError, match=r"no landmark model(.|\n)*install it"):
        list(workers.cut(items(tmp_path, "a.png")))
    workers.close()
