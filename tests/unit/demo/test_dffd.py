from pathlib import Path

import cv2
import numpy as np
import pytest

from fakeforensics.demo.dffd import DOMAINS, EDITED, SPLITS, Still, made_up, make_still, plan
from fakeforensics.demo.identity import draw_identity
from fakeforensics.demo.recipe import Recipe


def read(path: Path) -> np.ndarray:
    return cv2.imread(str(path)).astype(int)


def test_a_number_stands_in_one_split_only_so_an_edit_never_leaves_its_photograph() -> None:
    places: dict[tuple[str, int], set[str]] = {}
    for still in plan(Recipe()):
        places.setdefault((DOMAINS[still.folder], still.number), set()).add(still.split)
    assert all(len(splits) == 1 for splits in places.values())
    assert {split for splits in places.values() for split in splits} == set(SPLITS)


def test_every_edit_has_its_photograph() -> None:
    paths = {still.path for still in plan(Recipe())}
    for still in plan(Recipe()):
        if still.folder in EDITED:
            assert f"{DOMAINS[still.folder]}/{still.split}/{still.number:05}.jpg" in paths


def test_an_edit_shows_the_photographs_person(tmp_path: Path) -> None:
    for folder, number in (("ffhq", 0), ("faceapp", 0), ("ffhq", 1)):
        make_still(Still(folder, "test", number), {}, 0, tmp_path)
    photo, edit, stranger = (
        read(tmp_path / name)
        for name in ("ffhq/test/00000.jpg", "faceapp/test/00000.jpg", "ffhq/test/00001.jpg")
    )
    assert photo.shape == (256, 256, 3)
    assert 0.5 < np.abs(edit - photo).mean() < 0.3 * np.abs(stranger - photo).mean()


def test_a_folder_of_generated_images_needs_its_generator(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="pggan"):
        make_still(Still("pggan", "test", 0), {}, 0, tmp_path)


def test_make_up_keeps_the_person() -> None:
    person = draw_identity(np.random.default_rng(0))
    assert made_up(person).shape == person.shape
    assert made_up(person).texture == person.texture
    assert made_up(person) != person
