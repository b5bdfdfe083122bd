"""What this machine makes is what data/inventory records, in Git, from another one."""

import csv
from pathlib import Path

import pytest

from examples.demo import Recipe, celeb_df, dffd
from fakeforensics.files import sha256_file
from fakeforensics.params import load_params

ROOT = Path(__file__).parents[3]
SEED = load_params(ROOT / "params.yaml").demo.seed


def recorded(source: str, path: str) -> str:
    with (ROOT / f"data/inventory/demo_{source}.csv").open(encoding="utf-8") as file:
        return {row["path"]: row["sha256"] for row in csv.DictReader(file)}[path]


@pytest.mark.parametrize("folder", ["celeba", "faceapp"])
def test_stills(folder: str, tmp_path: Path) -> None:
    still = next(still for still in dffd.plan(Recipe()) if (still.folder, still.split) == (folder, "test"))
    dffd.make_still(still, {}, SEED, tmp_path)
    assert sha256_file(tmp_path / still.path) == recorded("dffd", still.path)


def test_a_swap(tmp_path: Path) -> None:
    clip = next(clip for clip in celeb_df.plan(Recipe()) if clip.donor)
    celeb_df.make_clip(clip, Recipe(), SEED, tmp_path)
    assert sha256_file(tmp_path / clip.path) == recorded("celeb_df", clip.path)


@pytest.mark.slow
@pytest.mark.parametrize("folder", dffd.GENERATORS)
def test_what_a_trained_generator_makes(folder: str, tmp_path: Path) -> None:
    network = dffd.train_generator(folder, Recipe(), SEED)
    still = next(still for still in dffd.plan(Recipe()) if still.folder == folder)
    dffd.make_still(still, {folder: network}, SEED, tmp_path)
    assert sha256_file(tmp_path / still.path) == recorded("dffd", still.path)
