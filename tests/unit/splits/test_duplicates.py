from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fakeforensics.errors import UserError
from fakeforensics.sources.base import SharedNumbers
from fakeforensics.splits.duplicates import (
    describe_shared,
    difference_hash,
    find_near_duplicates,
    likeness,
    near_pairs,
)
from fakeforensics.splits.hashes import packed
from tests.unit.splits.conftest import index, row


def photo(seed: int) -> NDArray[np.uint8]:
    """A smooth random picture, 128 pixels square."""
    coarse = np.random.default_rng(seed).integers(0, 255, (24, 24, 3), dtype=np.uint8)
    return cv2.resize(coarse, (128, 128), interpolation=cv2.INTER_CUBIC)


def hashed(read: Callable[[str], NDArray[np.uint8]]) -> Callable[[pd.DataFrame], NDArray[np.uint8]]:
    return lambda rows: np.stack([packed(difference_hash(read(key))) for key in rows["key"]])


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
    found = find_near_duplicates(rows, hashed(lambda key: pictures[key]), most=100, seed=0)
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

    def read(key: str) -> NDArray[np.uint8]:
        asked.append(key)
        return photo(len(asked))

    find_near_duplicates(rows, hashed(read), most=100, seed=0)
    assert sorted(asked) == ["s/test.mp4#2", "s/train.mp4#2"]


def test_at_most_so_many_images_are_compared() -> None:
    rows = index([row("s", f"{n}.png") for n in range(30)]).assign(split="train")
    found = find_near_duplicates(rows, hashed(lambda key: photo(0)), most=7, seed=0)
    assert (found.checked, found.of, found.pairs, found.examples) == (7, 30, 0, ())


@pytest.fixture
def pairs(tmp_path: Path) -> Callable[..., SharedNumbers]:
    """Thirty pairs of pictures: a photo and the same with other eyes, or two photos."""

    def write(alike: bool, **values: Any) -> SharedNumbers:
        names = []
        for n in range(30):
            other = recoded(photo(n)) if alike else photo(100 + n)
            other[:30, :30] = 255 - other[:30, :30]
            names.append((f"r{n}.png", f"f{n}.png"))
            for name, pixels in zip(names[-1], (photo(n), other), strict=True):
                cv2.imwrite(str(tmp_path / name), pixels)
        standard = {"joined": True, "across_splits": 0} | values
        return SharedNumbers("celeba", "stargan", 40, tuple(names), **standard)

    return write


def test_edits_look_like_their_originals_and_other_pictures_do_not(
    pairs: Callable[..., SharedNumbers], tmp_path: Path
) -> None:
    def compare(alike: bool) -> Any:
        return likeness([(tmp_path / one, tmp_path / other) for one, other in pairs(alike).pairs])

    edits, others = compare(True), compare(False)
    assert (edits.nearer, edits.verdict) == (1, "alike")
    assert edits.bits < 64 < 96 < edits.chance  # of unrelated hashes, 128 of 256 bits differ
    # Thirty coins: a standard deviation of 9 %.
    assert 0.2 < others.nearer < 0.8
    assert others.verdict != "alike"
    assert likeness([(tmp_path / "r0.png", tmp_path / "r0.png")] * 5).verdict == "unclear"


@pytest.mark.parametrize(
    ("alike", "values", "warning"),
    [
        (True, {}, ""),
        (False, {"joined": False}, ""),
        (False, {}, "without `photos`"),
        (True, {"joined": False}, "with `photos`"),
        (True, {"across_splits": 7}, "7 numbers of stargan are in another split"),
    ],
)
def test_settings_that_do_not_fit_the_pictures_are_warned_of(
    pairs: Callable[..., SharedNumbers], tmp_path: Path, alike: bool, values: dict[str, Any], warning: str
) -> None:
    line, said = describe_shared(pairs(alike, **values), tmp_path, "mine")
    assert "stargan shares 30 of its 40 numbers with celeba" in line
    assert (warning in said) if warning else said == ""


def test_a_picture_that_cannot_be_compared_is_named(
    pairs: Callable[..., SharedNumbers], tmp_path: Path
) -> None:
    shared = pairs(True)
    (tmp_path / "f3.png").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"f3\.png cannot be read"):
        describe_shared(shared, tmp_path, "mine")


@given(st.integers(0, 10_000), st.integers(0, 12), st.integers(0, 12))
def test_near_pairs_are_those_of_every_comparison(seed: int, left: int, right: int) -> None:
    rng = np.random.default_rng(seed)
    # Few different hashes, some of them near each other: 0, 10, 20, 21 or 40 bits apart.
    bits = np.zeros((left + right, 256), dtype=bool)
    for one in bits:
        one[: rng.choice([0, 10, 20, 21, 40])] = True
    hashes, sides = np.packbits(bits, axis=1), rng.permutation(left + right)
    lefts, rights = np.sort(sides[:left]), np.sort(sides[left:])
    every = sorted(
        (int(differing), int(i), int(j))
        for i in lefts
        for j in rights
        if (differing := (bits[i] ^ bits[j]).sum()) <= 20
    )
    assert near_pairs(hashes, lefts, rights) == (len(every), every[:20])


def test_many_flat_images_are_counted_without_being_listed() -> None:
    # 3,000 * 3,000 pairs of the same hash, of which the first 20 are given.
    rows = np.arange(6_000)
    count, shown = near_pairs(np.zeros((6_000, 32), np.uint8), rows[:3_000], rows[3_000:])
    assert count == 9_000_000
    assert shown == [(0, 0, 3_000 + n) for n in range(20)]
