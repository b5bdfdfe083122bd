from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakeforensics.errors import UserError
from fakeforensics.splits.protocol import Frames, Protocol, Sampling
from fakeforensics.splits.sample import draw_per_class, find_sampler, limit_rows, repeat_reals, spread_frames
from tests.unit.splits.conftest import index, row


def clip(video: str, frames: list[int], **values: object) -> list[dict[str, object]]:
    return [row("c", f"{video}#{n}", video=video, frame=n, group=video, **values) for n in frames]


def limit(rows: pd.DataFrame, limits: dict[str, Any], seed: int = 0) -> tuple[pd.DataFrame, dict[str, int]]:
    plan = {"title": "t", "train": [{"source": "c"}], "test": {"x": [{"source": "other"}]}, "limits": limits}
    return limit_rows(rows, Protocol.model_validate(plan), seed)


@given(st.integers(1, 60), st.integers(1, 60))
def test_frames_are_as_many_as_asked_distinct_and_evenly_spread(stored: int, wanted: int) -> None:
    rows = index(clip("v", list(range(stored)))).assign(split="train")
    kept = spread_frames(rows, Frames(real=wanted, fake=1))["frame"].tolist()
    assert len(set(kept)) == min(stored, wanted)
    gaps = [later - earlier for earlier, later in pairwise(kept)]
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_stored_frames_count_not_frame_numbers() -> None:
    rows = index(clip("v", [0, 10, 11, 12, 13, 90])).assign(split="train")
    # 6 stored, 3 stretches of 2, the second of each.
    assert spread_frames(rows, Frames(real=3, fake=1))["frame"].tolist() == [10, 12, 90]


def test_stills_stay() -> None:
    rows = index([row("c", f"{n}.png") for n in range(5)]).assign(split="train")
    assert len(spread_frames(rows, Frames(real=1, fake=1))) == 5


def test_repeated_reals_are_there_once_for_each_method_of_their_domain() -> None:
    def stills(domain: str, split: str, **methods: int) -> list[dict[str, object]]:
        return [
            row(
                "s",
                f"{domain}/{split}/{method}/{n}",
                method=method,
                domain=domain,
                label=int(method != "real"),
            )
            | {"split": split}
            for method, count in methods.items()
            for n in range(count)
        ]

    listed = [
        *stills("celeba", "train", real=4, stargan=3, pggan=2, stylegan=1),
        *stills("celeba", "val", real=2, stargan=1),
        *stills("ffhq", "train", real=5),
    ]
    rows = index(listed).assign(split=[one["split"] for one in listed])
    repeated = repeat_reals(rows)
    counts = repeated.groupby(["domain", "split", "method"]).size().to_dict()
    # Three pairs on CelebA in training, one in validation; FFHQ has no fakes to be paired with.
    assert counts == {
        ("celeba", "train", "real"): 12,
        ("celeba", "train", "stargan"): 3,
        ("celeba", "train", "pggan"): 2,
        ("celeba", "train", "stylegan"): 1,
        ("celeba", "val", "real"): 2,
        ("celeba", "val", "stargan"): 1,
        ("ffhq", "train", "real"): 5,
    }
    of_training = repeated[(repeated["split"] == "train") & (repeated["domain"] == "celeba")]
    assert set(of_training[of_training["label"] == 0]["key"].value_counts()) == {3}


def test_a_split_may_have_numbers_of_frames_of_its_own() -> None:
    parts = [
        index(clip(f"{split}{method}", list(range(40)), method=method)).assign(split=split)
        for split in ("train", "test")
        for method in ("real", "swap")
    ]
    frames = Frames.model_validate({"real": 32, "fake": 4, "test": {"real": 30, "fake": 16}})
    kept = spread_frames(pd.concat(parts, ignore_index=True), frames)
    assert kept["video"].value_counts().to_dict() == {
        "trainreal": 32,
        "trainswap": 4,
        "testreal": 30,
        "testswap": 16,
    }


def test_a_limit_takes_as_many_frames_of_every_video_and_the_rest_of_many_originals() -> None:
    clips = [clip(f"o{o}t{t}", [0, 1, 2], method="swap") for o in range(4) for t in range(3)]
    rows = index([frame for frames in clips for frame in frames]).assign(split="train")
    rows["group"] = rows["video"].str[:2]
    kept, before = limit(rows, {"c": {"train": 16}})
    # 16 frames of 12 clips: 1 of each, and a second one of 4 clips, one of each of the 4 originals.
    sizes = kept["video"].value_counts()
    assert sorted(sizes) == [1] * 8 + [2] * 4
    assert {video[:2] for video in sizes.index[sizes == 2]} == {"o0", "o1", "o2", "o3"}
    assert set(kept.loc[kept["video"].isin(sizes.index[sizes == 1]), "frame"]) == {1}  # the middle one
    assert before == {"c/faces/swap/train": 36}


def test_a_short_video_gives_what_it_has_and_others_make_up_for_it() -> None:
    rows = index([*clip("a", [0]), *clip("b", list(range(9))), *clip("d", list(range(9)))]).assign(
        split="val"
    )
    kept, _ = limit(rows, {"c": {"val": 11}})
    assert kept["video"].value_counts().to_dict() == {"a": 1, "b": 5, "d": 5}


def test_classes_domains_and_methods_may_have_limits_of_their_own() -> None:
    kinds = [("ffhq", "real"), ("ffhq", "a"), ("ffhq", "b"), ("celeba", "real"), ("celeba", "a")]
    rows = index([row("c", f"{d}{m}{n}", domain=d, method=m) for d, m in kinds for n in range(20)]).assign(
        split="train"
    )
    limits = {
        "c": {"train": 10, "fake": {"train": 9}},
        "c/celeba": {"real": {"train": 8}},
        "c/ffhq/b": {"train": 7, "val": 1},
    }
    kept, _ = limit(rows, limits)
    assert (kept["domain"] + "/" + kept["method"]).value_counts().to_dict() == {
        "ffhq/real": 10,
        "ffhq/a": 9,
        "ffhq/b": 7,
        "celeba/real": 8,
        "celeba/a": 9,
    }


def test_each_class_of_each_test_set_gives_its_number_of_corrupted_images() -> None:
    fakes = [row("c", f"f{n}", method="m", label=1, group=f"g{n}") for n in range(9)]
    reals = [row("c", f"r{n}", group=f"g{n}") for n in range(9)]
    tests = pd.concat(
        [index([*fakes, *reals]).assign(test_set="a"), index([*fakes[:2], *reals]).assign(test_set="b")],
        ignore_index=True,
    )
    drawn = draw_per_class(tests, 3, seed=0)
    # Set b has two fakes only.
    assert drawn.groupby(["test_set", "label"]).size().tolist() == [3, 3, 3, 2]
    in_a = drawn[drawn["test_set"] == "a"]
    # A photograph is drawn together with its edit, which has its group.
    assert {*in_a.loc[in_a["label"] == 0, "group"]} == {*in_a.loc[in_a["label"] == 1, "group"]}
    assert drawn.equals(tests.loc[drawn.index])
    assert draw_per_class(tests, None, seed=0) is tests


def test_by_folder_each_folder_gives_its_share() -> None:
    sizes = {"airplane": 30, "train": 30, "zebra": 60}
    paths = [f"progan_val/{name}/0_real/{n}.png" for name, size in sizes.items() for n in range(size)]
    rows = index([row("c", path) for path in paths]).assign(split="val")
    kept, _ = limit(rows, {"c": {"val": 40, "by_folder": True}})
    # A quarter, a quarter and a half of 40.
    assert kept["raw_path"].str.split("/").str[1].value_counts().to_dict() == {
        "airplane": 10,
        "train": 10,
        "zebra": 20,
    }
    without, _ = limit(rows, {"c": {"val": 40}})
    assert set(without["key"]) != set(kept["key"])


def test_a_limit_on_what_is_not_there_is_refused() -> None:
    rows = index([row("c", "0.png", domain="ffhq")]).assign(split="train")
    with pytest.raises(UserError, match="c/ffhq/stylegan matches no images") as caught:
        limit(rows, {"c/ffhq/stylegan": {"train": 5}})
    assert "c/ffhq/real" in str(caught.value)


def test_a_sample_does_not_depend_on_order_but_on_the_seed() -> None:
    rows = index([row("c", f"{n}.png") for n in range(40)]).assign(split="test")
    draw = {seed: limit(rows, {"c": {"test": 10}}, seed)[0] for seed in (0, 1)}
    again, _ = limit(rows.sample(frac=1, random_state=0), {"c": {"test": 10}}, 0)
    assert len(again) == 10
    assert set(draw[0]["key"]) == set(again["key"]) != set(draw[1]["key"])
    pd.testing.assert_frame_equal(limit(rows, {"c": {"train": 1}}, 0)[0], rows)


MODULE = """
from fakeforensics.params import Group

class Settings(Group):
    most: int = 2

def hold_out(settings, protocol, rows):
    return rows

def deal(settings, name, rows, seed):
    return rows[:settings.most]
"""


def test_a_sampler_is_any_module_with_settings_and_two_functions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "first_rows.py").write_text(MODULE)
    rows = index([row("c", f"{n}.png") for n in range(5)])
    sampler = find_sampler("p", Sampling.model_validate({"module": "first_rows", "most": 3}))
    assert len(sampler.deal("p", rows, 0)) == 3
    assert len(find_sampler("p", Sampling(module="first_rows")).deal("p", rows, 0)) == 2
    with pytest.raises(UserError, match="protocol 'p': sampling: unknown key `least`"):
        find_sampler("p", Sampling.model_validate({"module": "first_rows", "least": 3}))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("nowhere.at_all", "no module 'nowhere.at_all'"),
        ("fakeforensics.nowhere", "no module 'fakeforensics.nowhere'"),
        ("fakeforensics.splits.assign", "has no Settings, hold_out, deal"),
    ],
)
def test_a_module_that_cannot_sample_is_refused(module: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        find_sampler("p", Sampling(module=module))


def test_a_fault_inside_the_module_is_not_mistaken_for_a_missing_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "broken_sampler.py").write_text("import nowhere")
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        find_sampler("p", Sampling(module="broken_sampler"))
