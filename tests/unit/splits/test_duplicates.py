from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fakeforensics.splits.duplicates import difference_hash, find_near_duplicates
from tests.unit.splits.conftest import index, row


def photo(seed: int) -> NDArray[np.uint8]:
    """A smooth random picture, 128 pixels square."""
    coarse = np.random.default_rng(seed).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    return cv2.resize(coarse, (128, 128), interpolation=cv2.INTER_CUBIC)


def recoded(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture at three quarters of its size and JPEG quality 60."""
    small = cv2.resize(rgb, (96, 96), interpolation=cv2.INTER_AREA)
    return cv2.imdecode(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR)


def test_the_hash_is_made_of_signs_of_the_horizontal_gradient() -> None:
    ramp = np.tile(np.arange(170, dtype=np.uint8)[None, :, None], (160, 1, 3))
    assert (difference_hash(ramp) == 1).all()
    assert (difference_hash(ramp[:, ::-1]) == -1).all()


def test_a_duplicate_that_was_scaled_and_compressed_again_is_found_in_another_split_only() -> None:
    pictures = {f"s/{n}.png": photo(n) for n in range(30)}
    pictures["s/again.png"] = recoded(pictures["s/3.png"])
    pictures["s/twin.png"] = recoded(pictures["s/4.png"])
    rows = index([row("s", key.removeprefix("s/")) for key in pictures])
    is_test = rows["key"].isin(["s/again.png", *(f"s/{n}.png" for n in range(20, 30))])
    rows = rows.assign(split=np.where(is_test, "test", "train"))
    found = find_near_duplicates(rows, lambda one: pictures[one["key"]], most=100, seed=0)
    assert [(one, other) for one, other, _ in found.examples] == [("s/3.png", "s/again.png")]
    assert (found.checked, found.of, found.pairs) == (32, 32, 1)


def test_of_a_clip_the_middle_frame_is_compared() -> None:
    rows = pd.concat(
        [
            index([row("s", f"{split}.mp4#{n}", raw_path=f"{split}.mp4", frame=n) for n in range(5)]).assign(
                split=split
            )
            for split in ("train", "test")
        ]
    )
    asked: list[str] = []

    def read(one: dict[str, Any]) -> NDArray[np.uint8]:
        asked.append(one["key"])
        return photo(len(asked))

    find_near_duplicates(rows, read, most=100, seed=0)
    assert sorted(asked) == ["s/test.mp4#2", "s/train.mp4#2"]


def test_at_most_so_many_images_are_compared() -> None:
    rows = index([row("s", f"{n}.png") for n in range(30)]).assign(split="train")
    found = find_near_duplicates(rows, lambda one: photo(0), most=7, seed=0)
    assert (found.checked, found.of, found.pairs, found.examples) == (7, 30, 0, ())
