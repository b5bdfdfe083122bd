import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from fakeforensics.splits.assign import (
    DROPPED_STRADDLES,
    DROPPED_TEST_COPY,
    DROPPED_TEST_GROUP,
    assign_source,
    assign_units,
    first_of_component,
    ranks,
)
from fakeforensics.splits.protocol import Holdout
from tests.unit.splits.conftest import Rows, index, row

HALF = Holdout(val=0.25, test=0.25)
SHARES = {"test": 0.25, "val": 0.15, "train": 1.0}

names = st.lists(st.text(max_size=8), max_size=60)


def test_ranks_depend_on_the_name_and_the_seed_alone() -> None:
    # The first 16 digits of `printf "7|a" | sha256sum`; a change would split everybody's data anew.
    assert ranks(["b", "a"], 7)[1] == 0x8E3216A8B81A0ADC
    assert ranks(["a"], 7).tolist() != ranks(["a"], 8).tolist()


@given(names, st.integers(0, 5))
def test_every_unit_is_assigned_once_whatever_the_order(units: list[str], seed: int) -> None:
    assigned = assign_units(units, SHARES, seed)
    assert set(assigned) == set(units)
    assert assigned == assign_units(list(reversed(units)), SHARES, seed)


def test_shares_are_kept_to_the_unit() -> None:
    assigned = list(assign_units(map(str, range(100)), SHARES, 0).values())
    # 100 units: 25 test, 15 validation, the remaining 60 train.
    assert [assigned.count(split) for split in ("test", "val", "train")] == [25, 15, 60]


def test_few_units_go_to_training_first_then_validation_then_test() -> None:
    for count, splits in ((1, {"train"}), (2, {"train", "val"}), (3, {"train", "val", "test"})):
        assert set(assign_units(map(str, range(count)), SHARES, 0).values()) == splits


def test_the_lowest_node_names_a_connected_component() -> None:
    # 0-4 and 4-2 connect 0, 2 and 4; 1 and 3 are alone.
    assert first_of_component(5, np.array([4, 4]), np.array([0, 2])).tolist() == [0, 1, 0, 3, 0]


def celeb_df(swaps: list[tuple[int, int]], tested: tuple[int, ...] = ()) -> pd.DataFrame:
    """One real clip per person 0…9, and swaps (target, source); tested persons' real clips are test."""
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


def test_the_official_split_stands(stills: Rows) -> None:
    rows = pd.concat(
        [stills("d", {"real": 3}, own_split=split, prefix=split) for split in ("train", "val", "test")],
        ignore_index=True,
    )
    assert assign_source(rows, HALF, 0)["split"].tolist() == rows["own_split"].tolist()


def test_some_official_training_images_validate_where_no_official_ones_do(stills: Rows) -> None:
    rows = pd.concat(
        [stills("d", {"real": 8}, own_split=split, prefix=split) for split in ("train", "test")],
        ignore_index=True,
    )
    # A quarter of the 8 training images; the test images stay.
    assert assign_source(rows, HALF, 0)["split"].value_counts().to_dict() == {"test": 8, "train": 6, "val": 2}


def test_every_method_gets_its_share_of_every_split(stills: Rows) -> None:
    rows = stills("f", {"real": 40, "a": 12, "b": 4})
    counts = pd.crosstab(rows["method"], assign_source(rows, HALF, 3)["split"])
    assert counts.loc["real"].to_dict() == {"test": 10, "train": 20, "val": 10}
    assert counts.loc["a"].to_dict() == {"test": 3, "train": 6, "val": 3}
    assert counts.loc["b"].to_dict() == {"test": 1, "train": 2, "val": 1}


@given(st.lists(st.integers(0, 6), min_size=1, max_size=30), st.integers(0, 3))
def test_a_group_is_never_divided(groups: list[int], seed: int) -> None:
    rows = index([row("f", f"{n}.png", group=f"f/{group}") for n, group in enumerate(groups)])
    split = assign_source(rows, HALF, seed)["split"]
    assert (split.groupby(rows["group"]).nunique() == 1).all()


@given(st.lists(st.sampled_from(ALL_SWAPS), unique=True, max_size=30), st.integers(0, 3))
@settings(max_examples=30)
def test_training_and_validation_share_no_identity(swaps: list[tuple[int, int]], seed: int) -> None:
    rows = celeb_df(swaps, tested=(0,))
    split = assign_source(rows, HALF, seed)["split"]
    people = {
        part: {person for joined in rows.loc[split == part, "identities"] for person in joined.split(";")}
        for part in ("train", "val")
    }
    assert not people["train"] & people["val"]


def test_swaps_between_the_splits_are_dropped_with_the_reason() -> None:
    rows = celeb_df(ALL_SWAPS, tested=(0,))
    made = assign_source(rows, HALF, 0)
    # 10 persons: round(0.25 * 10) = 2 validate, 8 train, person 0 among them, whose clip is tested. Of the 9
    # other targets: 7 * 7 swaps train, 2 * 1 validate, 7 * 2 + 2 * 8 straddle.
    validating = {person for person in range(10) if made["split"][person] == "val"}
    assert len(validating) == 2
    assert 0 not in validating
    fakes = made[rows["label"] == 1]
    assert (fakes["split"] == "train").sum() == 49
    assert (fakes["split"] == "val").sum() == 2
    assert (fakes["dropped"] == DROPPED_STRADDLES).sum() == 30
    # The 9 swaps made from the tested clip id0_0000 itself.
    assert (fakes["dropped"] == DROPPED_TEST_GROUP).sum() == 9


def test_by_video_everything_but_copies_of_tests_is_kept() -> None:
    rows = celeb_df(ALL_SWAPS, tested=(0,))
    copy = rows["label"].eq(1) & rows["group"].eq(rows.loc[0, "group"])
    first = rows.index[copy][0]
    rows.loc[first, "raw_sha256"] = rows.loc[0, "raw_sha256"]
    made = assign_source(rows, Holdout(by="video", val=0.25), 0)
    # Swaps made from the tested clip stay, apart from the one with its bytes.
    assert made["dropped"].replace("", None).dropna().to_dict() == {first: DROPPED_TEST_COPY}
    kept = rows.assign(split=made["split"])[(made["split"] != "") & (rows["own_split"] == "")]
    assert set(kept["split"]) == {"train", "val"}
    # Between training and validation a swap stays with its original.
    assert kept.groupby("group")["split"].nunique().max() == 1
    # 9 groups of a real clip and 9 swaps, round(0.25 * 9) = 2 of them validate; the tenth has swaps alone.
    assert kept.loc[kept["split"] == "val", "group"].nunique() == 2


def test_small_components_of_identities_are_assigned_as_a_whole_and_lose_nothing() -> None:
    rows = celeb_df([(a, a ^ 1) for a in range(10)])
    made = assign_source(rows, HALF, 0)
    # 5 pairs: round(0.25 * 5) = 1 tests, 1 validates, 3 train; a pair has 2 real clips and 2 swaps.
    assert made["split"].value_counts().to_dict() == {"train": 12, "val": 4, "test": 4}


def test_every_split_gets_as_many_identities_as_a_fake_shows() -> None:
    # Eight actors in a ring, as in DeepFakeDetection. 15% are one actor, in whose videos no swap has a place.
    swaps = [(actor, (actor + 1) % 8) for actor in range(8)]
    clips = celeb_df(swaps)
    clips = clips[~clips["identities"].isin(["c/id8", "c/id9"])]
    split = assign_source(clips, Holdout(), 0)["split"]
    found = set(zip(split, clips["label"], strict=True))
    assert {(part, label) for part in ("train", "val", "test") for label in (0, 1)} <= found
    assert clips.loc[(split == "val") & (clips["label"] == 0), "identities"].nunique() == 2


def test_a_clip_without_named_identities_is_assigned_by_its_group() -> None:
    rows = pd.concat(
        [celeb_df(ALL_SWAPS, tested=(0,)), index([row("c", f"YouTube-real/{n}.mp4") for n in range(8)])],
        ignore_index=True,
    )
    youtube = assign_source(rows, HALF, 0)["split"].iloc[-8:]
    assert youtube.value_counts().to_dict() == {"train": 6, "val": 2}


def test_splits_do_not_depend_on_the_order_of_rows(stills: Rows) -> None:
    rows = stills("f", {"real": 20, "a": 20})
    shuffled = rows.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(assign_source(rows, HALF, 0), assign_source(shuffled, HALF, 0).sort_index())
