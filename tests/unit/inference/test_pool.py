from fakeforensics.inference import pool
from fakeforensics.inference.cutting import CutFile, Cutter, Recipe
from fakeforensics.inference.inputs import Item
from fakeforensics.inference.pool import CRASHED, CuttingPool, cut_alone
from fakeforensics.params import FacesParams

RECIPE = Recipe("faces", FacesParams(size=96))


def test_results_come_in_order_and_are_those_of_one_cutter(photo, group_photo, tmp_path):
    (tmp_path / "bad.png").write_text("no image")
    paths = [photo, tmp_path / "bad.png", group_photo, photo]
    workers = CuttingPool(RECIPE, len(paths), workers=2)
    files = list(workers.cut([Item(path, "image") for path in paths]))
    workers.close()
    assert [file.path for file in files] == paths
    cutter = Cutter(RECIPE)
    assert files == [cutter.cut(Item(path, "image")) for path in paths]


def test_alone_gives_views_beside_the_crops(clip):
    alone = cut_alone(Item(clip, "video"), RECIPE, seconds=120, megabytes=4096, views=2)
    assert alone.file == Cutter(RECIPE).cut(Item(clip, "video"))
    assert [view.frame for view in alone.views] == [0, 8]  # the first and the last with a face
    assert {view.pixels.shape for view in alone.views} == {(256, 320, 3)}


def test_what_takes_too_long_is_stopped(photo):
    alone = cut_alone(Item(photo, "image"), RECIPE, seconds=0.01)
    assert alone.file == CutFile(photo, (), "it took longer than 0.01 s")


def test_what_takes_too_much_memory_is_told(photo):
    alone = cut_alone(Item(photo, "image"), RECIPE, seconds=120, megabytes=1)
    assert alone.file.reason == CRASHED


def test_a_file_that_kills_its_worker_costs_itself_alone(photo, tmp_path):
    bad = tmp_path / "kills.png"
    bad.touch()
    workers = KillingPool(RECIPE, 2, workers=1)
    files = {file.path: file for file in workers.cut([Item(bad, "image"), Item(photo, "image")])}
    workers.close()
    assert files[photo].reason is None
    assert files[bad].reason == "empty file"  # what it says once it is alone


class KillingPool(CuttingPool):
    def _submit(self, item):
        if item.path.name != "kills.png":
            return super()._submit(item)
        return self._pool.submit(die)


def die():
    import os

    os._exit(1)


def test_a_process_that_is_killed_is_told(monkeypatch, photo):
    monkeypatch.setattr(pool, "_alone", dies)
    assert cut_alone(Item(photo, "image"), RECIPE, seconds=60).file.reason == CRASHED


def dies(*_):
    die()
