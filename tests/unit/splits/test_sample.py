from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakeforensics.errors import UserError
from fakeforensics.splits.protocol import Limits, PerClass, Sampling
from fakeforensics.splits.sample import find_sampler, limit_rows, repeat_reals, spread_frames
from tests.unit.splits.conftest import index, row


def clip(video: str, frames: list[int], **values: object) -> list[dict[str, object]]:
    return [row("c", f"{video}#{n}", video=video, frame=n, group=video, **values) for n in frames]


@given(st.integers(1, 60), st.integers(1, 60))
def test_frames_are_as_many_as_asked_distinct_and_evenly_spread(stored: int, wanted: int) -> None:
    kept = spread_frames(index(clip("v", list(range(stored)))), PerClass(real=wanted, fake=1))[
        "frame"
    ].tolist()
    assert len(set(kept)) == min(stored, wanted)
    gaps = [later - earlier for earlier, later in pairwise(kept)]
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_stored_frames_count_not_frame_numbers() -> None:
    rows = index(clip("v", [0, 10, 11, 12, 13, 90]))
    # 6 stored, 3 stretches of 2, the second of each.
    assert spread_frames(rows, PerClass(real=3, fake=1))["frame"].tolist() == [10, 12, 90]


def test_stills_stay() -> None:
    rows = index([row("c", f"{n}.png") for n in range(5)])
    assert len(spread_frames(rows, PerClass(real=1, fake=1))) == 5


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


def test_a_limit_takes_videos_of_many_originals_and_keeps_their_frames_together() -> None:
    rows = index(
        [
            frame
            for original in range(4)
            for take in range(3)
            for frame in clip(f"o{original}t{take}", [0, 1], method="swap")
        ]
    ).assign(split="train")
    rows["group"] = rows["video"].str[:2]
    kept, before = limit_rows(rows, {"c": Limits(train=8)}, seed=0)
    # 8 of 24 frames are 4 clips of 2 frames: one of each of the 4 originals.
    assert kept["video"].nunique() == kept["group"].nunique() == 4
    assert before == {"c/faces/swap/train": 24}


def test_a_sample_does_not_depend_on_order_but_on_the_seed() -> None:
    rows = index([row("c", f"{n}.png") for n in range(40)]).assign(split="test")
    draw = {seed: limit_rows(rows, {"c": Limits(test=10)}, seed)[0] for seed in (0, 1)}
    again, _ = limit_rows(rows.sample(frac=1, random_state=0), {"c": Limits(test=10)}, 0)
    assert set(draw[0]["key"]) == set(again["key"]) != set(draw[1]["key"])
    pd.testing.assert_frame_equal(limit_rows(rows, {"other": Limits(test=1)}, 0)[0], rows)


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
