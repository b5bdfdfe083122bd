import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from fakeforensics.splits.cut import DROPPED_STRADDLES, DROPPED_TEST_GROUP, cut_source
from fakeforensics.splits.protocol import Holdout
from tests.unit.splits.conftest import Rows, index, row

HALF = Holdout(val=0.25, test=0.25)


def celeb_df(swaps: list[tuple[int, int]], tested: tuple[int, ...] = ()) -> pd.DataFrame:
    """One real clip a person 0…9, and swaps (target, source); tested persons' real clips are test."""
    clips = [
        row("c", f"Celeb-real/id{person}_0000.mp4", group=f"c/id{person}_0000", identities=f"c/id{person}")
        for person in range(10)
    ]
    clips += [
        row(
            "c",
            f"Celeb-synthesis/id{target}_id{face}_0000.mp4",
            method="celeb_df",
            group=f"c/id{target}_0000",
            identities=f"c/id{target};c/id{face}",
        )
        for target, face in swaps
    ]
    table = index(clips)
    is_tested = table["key"].isin([f"c/Celeb-real/id{person}_0000.mp4" for person in tested])
    return table.assign(own_split=table["own_split"].mask(is_tested, "test"))


ALL_SWAPS = [(a, b) for a in range(10) for b in range(10) if a != b]


def test_the_data_sets_own_split_stands(stills: Rows) -> None:
    rows = pd.concat(
        [stills("d", {"real": 3}, own_split=split, prefix=split) for split in ("train", "val", "test")],
        ignore_index=True,
    )
    assert cut_source(rows, HALF, 0)["split"].tolist() == rows["own_split"].tolist()


def test_validation_is_cut_from_prescribed_training_images_where_none_is_prescribed(stills: Rows) -> None:
    rows = pd.concat(
        [stills("d", {"real": 8}, own_split=split, prefix=split) for split in ("train", "test")],
        ignore_index=True,
    )
    # A quarter of the 8 training images; the test images stay.
    assert cut_source(rows, HALF, 0)["split"].value_counts().to_dict() == {"test": 8, "train": 6, "val": 2}


def test_every_method_gets_its_share_of_every_split(stills: Rows) -> None:
    rows = stills("f", {"real": 40, "a": 12, "b": 4})
    counts = pd.crosstab(rows["method"], cut_source(rows, HALF, 3)["split"])
    assert counts.loc["real"].to_dict() == {"test": 10, "train": 20, "val": 10}
    assert counts.loc["a"].to_dict() == {"test": 3, "train": 6, "val": 3}
    assert counts.loc["b"].to_dict() == {"test": 1, "train": 2, "val": 1}


@given(st.lists(st.integers(0, 6), min_size=1, max_size=30), st.integers(0, 3))
def test_a_group_is_never_divided(groups: list[int], seed: int) -> None:
    rows = index([row("f", f"{n}.png", group=f"f/{group}") for n, group in enumerate(groups)])
    split = cut_source(rows, HALF, seed)["split"]
    assert (split.groupby(rows["group"]).nunique() == 1).all()


@given(st.lists(st.sampled_from(ALL_SWAPS), unique=True, max_size=30), st.integers(0, 3))
@settings(max_examples=30)
def test_training_and_validation_share_no_person(swaps: list[tuple[int, int]], seed: int) -> None:
    rows = celeb_df(swaps, tested=(0,))
    split = cut_source(rows, HALF, seed)["split"]
    people = {
        part: {person for joined in rows.loc[split == part, "identities"] for person in joined.split(";")}
        for part in ("train", "val")
    }
    assert not people["train"] & people["val"]


def test_swaps_between_the_parts_are_dropped_and_say_why() -> None:
    rows = celeb_df(ALL_SWAPS, tested=(0,))
    cut = cut_source(rows, HALF, 0)
    # 10 persons: round(0.25 * 10) = 2 validate, 8 train, person 0 among them, whose clip is tested. Of the 9
    # other targets: 7 * 7 swaps train, 2 * 1 validate, 7 * 2 + 2 * 8 straddle.
    validating = {person for person in range(10) if cut["split"][person] == "val"}
    assert len(validating) == 2
    assert 0 not in validating
    fakes = cut[rows["label"] == 1]
    assert (fakes["split"] == "train").sum() == 49
    assert (fakes["split"] == "val").sum() == 2
    assert (fakes["dropped"] == DROPPED_STRADDLES).sum() == 30
    # The 9 swaps made from the tested clip id0_0000 itself.
    assert (fakes["dropped"] == DROPPED_TEST_GROUP).sum() == 9


def test_circles_of_persons_are_cut_as_a_whole_and_lose_nothing() -> None:
    rows = celeb_df([(a, a ^ 1) for a in range(10)])
    cut = cut_source(rows, HALF, 0)
    # 5 pairs: round(0.25 * 5) = 1 tests, 1 validates, 3 train; a pair has 2 real clips and 2 swaps.
    assert cut["split"].value_counts().to_dict() == {"train": 12, "val": 4, "test": 4}


def test_a_clip_without_a_named_person_is_cut_by_its_group() -> None:
    rows = pd.concat(
        [celeb_df(ALL_SWAPS, tested=(0,)), index([row("c", f"YouTube-real/{n}.mp4") for n in range(8)])],
        ignore_index=True,
    )
    youtube = cut_source(rows, HALF, 0)["split"].iloc[-8:]
    assert youtube.value_counts().to_dict() == {"train": 6, "val": 2}


def test_the_cut_does_not_depend_on_the_order_of_rows(stills: Rows) -> None:
    rows = stills("f", {"real": 20, "a": 20})
    shuffled = rows.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(cut_source(rows, HALF, 0), cut_source(shuffled, HALF, 0).sort_index())
