from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakeforensics.errors import UserError
from fakeforensics.splits.assign import ranks
from fakeforensics.splits.manifest import Manifests, build_manifests
from fakeforensics.splits.protocol import Protocol
from fakeforensics.thesis.instances import instance_order, quota
from tests.unit.splits.conftest import index, row


def pilot(each: int = 20, real: int = 100, **instances: int) -> pd.DataFrame:
    """`real` photographs, and `each` samples of each instance of the methods."""
    rows = [row("pilot", f"celeba/{n:04d}.jpg") for n in range(real)]
    rows += [
        row("pilot", f"{method}/{seed}/{n:04d}.png", method=method, instance=f"{method}/{seed}")
        for method, count in instances.items()
        for seed in range(1, count + 1)
        for n in range(each)
    ]
    return index(rows)


def build(rows: pd.DataFrame, train: list[str], test: str, seen: int, of: int, fakes: int = 12) -> Manifests:
    sampling = {"module": "fakeforensics.thesis.instances", "seen": seen, "of": of}
    plan: dict[str, Any] = {
        "title": "t",
        "train": [{"source": "pilot", "methods": ["real", *train]}],
        "test": {test: [{"source": "pilot", "methods": test}]},
        "unseen": [test],
        "sampling": sampling | {"fakes": fakes, "val_fakes": 2},
    }
    return build_manifests("p", Protocol.model_validate(plan), lambda source: rows, seed=0)


def keys(rows: pd.DataFrame, **values: Any) -> set[str]:
    for column, value in values.items():
        rows = rows[rows[column] == value]
    return set(rows["key"])


def test_every_model_has_as_many_fakes_and_the_same_real_images() -> None:
    models = {n: build(pilot(pggan=4), ["pggan"], "pggan", n, of=3) for n in (1, 2, 3)}
    for n, made in models.items():
        # 12 fakes: 12, 6 + 6, 4 + 4 + 4.
        shares = made.train.loc[made.train["label"] == 1, "instance"].value_counts()
        assert shares.to_dict() == {f"pggan/{seed}": 12 // n for seed in range(1, n + 1)}
        assert len(keys(made.train, label=0)) == 12
        assert keys(made.train, label=0) == keys(models[1].train, label=0)
        assert len(made.val) == 4


def test_an_instances_images_are_the_first_in_the_seeded_order() -> None:
    rows = pilot(pggan=3)
    made = build(rows, ["pggan"], "pggan", 2, of=2, fakes=9)
    everything = build(rows, ["pggan"], "pggan", 1, of=2, fakes=1000)  # instance 1 as a whole
    candidates = sorted(keys(everything.train, instance="pggan/1"), key=lambda key: ranks([key], 0)[0])
    # 9 fakes in turn to 2 instances: 5 of the first, 4 of the second.
    assert keys(made.train, instance="pggan/1") == set(candidates[:5])
    assert len(keys(made.train, instance="pggan/2")) == 4


def test_what_a_model_takes_from_an_instance_contains_what_the_next_model_takes() -> None:
    models = (build(pilot(pggan=4), ["pggan"], "pggan", n, of=3) for n in (1, 2, 3))
    first = [keys(made.train, instance="pggan/1") for made in models]
    assert first[0] > first[1] > first[2]


@pytest.mark.parametrize("seen", [1, 3])
def test_the_test_images_come_from_instances_that_no_model_of_the_study_sees(seen: int) -> None:
    made = build(pilot(pggan=4), ["pggan"], "pggan", seen, of=3)
    assert set(made.test["instance"]) == {"pggan/4"}
    assert len(made.test) == 20


def test_other_architectures_are_tested_with_all_their_instances() -> None:
    made = build(pilot(pggan=3, sngan=2), ["pggan"], "sngan", 3, of=3)
    assert set(made.test["instance"]) == {"sngan/1", "sngan/2"}
    assert len(made.test) == 40


@pytest.mark.parametrize("seen", [1, 2])
def test_several_architectures_share_the_fakes(seen: int) -> None:
    made = build(pilot(cramergan=2, mmdgan=2, pggan=1), ["cramergan", "mmdgan"], "pggan", seen, of=2)
    assert made.train["method"].value_counts().to_dict() == {"real": 12, "cramergan": 6, "mmdgan": 6}
    assert made.train["instance"].nunique() == 1 + 2 * seen  # "" of the real images is one


@pytest.mark.parametrize(("seen", "of"), [(1, 2), (2, 2)])
def test_too_few_images_make_all_models_smaller_alike(seen: int, of: int) -> None:
    # 20 samples per instance: round(20 * 0.15) = 3 validate, 17 train. The first model takes all from one.
    made = build(pilot(pggan=3), ["pggan"], "pggan", seen, of, fakes=1000)
    assert made.train["label"].value_counts().to_dict() == {0: 17, 1: 17}


def test_the_smallest_instance_limits_all_models_even_those_that_do_not_see_it() -> None:
    rows = pilot(pggan=3)
    rows = rows[(rows["instance"] != "pggan/2") | (rows["key"] < "pilot/pggan/2/0008")]
    # 8 samples of instance 2: round(8 * 0.15) = 1 validates, 7 train: half of the second model's fakes. With
    # 15 fakes, instance 2 gives 7 and instance 1 gives 8; with 16 it would have to give 8.
    for seen in (1, 2):
        made = build(rows, ["pggan"], "pggan", seen, of=2, fakes=1000)
        assert made.train["label"].value_counts().to_dict() == {0: 15, 1: 15}


def test_a_missing_instance_is_an_error() -> None:
    with pytest.raises(UserError, match="a study of 3 instances of pggan"):
        build(pilot(pggan=2, sngan=1), ["pggan"], "sngan", 1, of=3)


def test_more_instances_than_the_study_has_are_refused() -> None:
    with pytest.raises(UserError, match=r"protocol 'p': sampling: .*seen is 3, above"):
        build(pilot(pggan=4), ["pggan"], "pggan", 3, of=2)


def test_without_an_unseen_instance_there_is_no_test_image() -> None:
    with pytest.raises(UserError, match="test set pggan"):
        build(pilot(pggan=3), ["pggan"], "pggan", 1, of=3)


def test_instances_are_ordered_as_people_count() -> None:
    rows = index(
        [row("p", f"{seed}.png", method="pggan", instance=f"pggan/seed_{seed}") for seed in (10, 2, 1)]
    )
    assert instance_order(rows).tolist() == [3, 2, 1]


@given(st.integers(0, 200), st.integers(1, 12))
def test_quotas_add_up_and_never_grow_with_more_shares(total: int, shares: int) -> None:
    assert sum(quota(total, shares, place) for place in range(shares)) == total
    assert all(quota(total, shares + 1, place) <= quota(total, shares, place) for place in range(shares))
