"""What this machine makes is what another one made: recorded.csv has its hashes of stills and of a swap.

`make repro` compares the digests of all files, in data/inventory.
"""

import csv
from pathlib import Path

import cv2
import dlib
import pytest

from examples.demo import Recipe, celeb_df, dffd
from fakeforensics.files import sha256_file
from fakeforensics.params import load_params

ROOT = Path(__file__).parents[3]
SEED = load_params(ROOT / "params.yaml").demo.seed


def recorded(path: str) -> str:
    with Path(__file__).with_name("recorded.csv").open(encoding="utf-8") as file:
        return {row["path"]: row["sha256"] for row in csv.DictReader(file)}[path]


@pytest.mark.parametrize("folder", ["celeba", "faceapp"])
def test_stills(folder: str, tmp_path: Path) -> None:
    still = next(still for still in dffd.plan(Recipe()) if (still.folder, still.split) == (folder, "test"))
    dffd.make_still(still, {}, SEED, tmp_path)
    assert sha256_file(tmp_path / still.path) == recorded(still.path)


def test_a_swap(tmp_path: Path) -> None:
    clip = next(clip for clip in celeb_df.plan(Recipe()) if clip.donor)
    celeb_df.make_clip(clip, Recipe(), SEED, tmp_path)
    assert sha256_file(tmp_path / clip.path) == recorded(clip.path)


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every eighth still of the demo, of all folders, by its path."""
    root = tmp_path_factory.mktemp("some")
    networks = {folder: dffd.train_generator(folder, Recipe(), SEED) for folder in dffd.GENERATORS}
    stills = dffd.plan(Recipe())[::8]
    assert {still.folder for still in stills} >= set(dffd.GENERATORS)
    for still in stills:
        dffd.make_still(still, networks, SEED, root)
    return {still.path: root / still.path for still in stills}


@pytest.mark.slow
def test_what_trained_generators_make(some: dict[str, Path]) -> None:
    assert {path for path, made in some.items() if sha256_file(made) != recorded(path)} == set()


@pytest.mark.slow
def test_dlib_finds_the_faces_of_the_demo(some: dict[str, Path]) -> None:
    detector = dlib.get_frontal_face_detector()
    found = sum(bool(detector(cv2.imread(str(made))[..., ::-1].copy(), 0)) for made in some.values())
    assert found >= 0.99 * len(some)
