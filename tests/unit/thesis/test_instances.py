from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakeforensics.errors import UserError
from fakeforensics.splits.counts import count, table
from fakeforensics.splits.instances import instance_order, quota
from fakeforensics.splits.manifest import Manifests, build_manifests
from fakeforensics.splits.protocol import Protocol
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


def build(rows: pd.DataFrame, train: list[str], test: str, seen: list[int], fakes: int = 12) -> Manifests:
    plan: dict[str, Any] = {
        "title": "t",
        "train": [{"source": "pilot", "methods": ["real", *train]}],
        "test": {test: [{"source": "pilot", "methods": test}]},
        "unseen": [test],
        "instances": {"seen": seen, "fakes": fakes, "val_fakes": 2},
    }
    return build_manifests("p", Protocol.model_validate(plan), lambda source: rows, seed=0)


def seen_by(manifest: pd.DataFrame, n: int) -> pd.DataFrame:
    return manifest[(manifest["n_from"] <= n) & (n <= manifest["n_to"])]


def test_every_model_has_as_many_fakes_and_the_same_real_images() -> None:
    made = build(pilot(pggan=4), ["pggan"], "pggan", [1, 2, 3])
    for n in (1, 2, 3):
        rows = seen_by(made.train, n)
        # 12 fakes: 12, 6 + 6, 4 + 4 + 4.
        shares = rows.loc[rows["label"] == 1, "instance"].value_counts()
        assert shares.to_dict() == {f"pggan/{seed}": 12 // n for seed in range(1, n + 1)}
        assert set(rows.loc[rows["label"] == 0, "key"]) == set(
            made.train.loc[made.train["label"] == 0, "key"]
        )
        assert (rows["label"] == 0).sum() == 12
        assert len(seen_by(made.val, n)) == 4


def test_what_a_model_takes_from_an_instance_holds_what_the_next_takes() -> None:
    made = build(pilot(pggan=4), ["pggan"], "pggan", [1, 2, 3])
    first = [
        set(rows.loc[rows["instance"] == "pggan/1", "key"])
        for rows in (seen_by(made.train, n) for n in (1, 2, 3))
    ]
    assert first[0] > first[1] > first[2]


def test_the_test_images_come_from_the_unseen_instance_alone() -> None:
    made = build(pilot(pggan=4), ["pggan"], "pggan", [1, 2, 3])
    assert set(made.test["instance"]) == {"pggan/4"}
    assert len(made.test) == 20


def test_other_architectures_are_tested_with_all_their_instances() -> None:
    made = build(pilot(pggan=3, sngan=2), ["pggan"], "sngan", [1, 2, 3])
    assert set(made.test["instance"]) == {"sngan/1", "sngan/2"}
    assert len(made.test) == 40


def test_several_architectures_share_the_fakes() -> None:
    made = build(pilot(cramergan=2, mmdgan=2, pggan=1), ["cramergan", "mmdgan"], "pggan", [1, 2])
    for n in (1, 2):
        rows = seen_by(made.train, n)
        assert rows["method"].value_counts().to_dict() == {"real": 12, "cramergan": 6, "mmdgan": 6}


def test_too_few_images_make_all_models_smaller_alike() -> None:
    # 20 samples an instance: round(20 * 0.15) = 3 validate, 17 train. The first model takes all from one.
    made = build(pilot(pggan=3), ["pggan"], "pggan", [1, 2], fakes=1000)
    numbers = count(made)["instances"]
    assert numbers == {"1": {"real": 17, "fake": 17}, "2": {"real": 17, "fake": 17}}
    assert "model for 2 instances: trained on 17 real, 17 fake" in table(count(made))


def test_a_missing_instance_is_an_error() -> None:
    with pytest.raises(UserError, match="sees 3 instances of pggan"):
        build(pilot(pggan=2, sngan=1), ["pggan"], "sngan", [1, 2, 3])


def test_without_an_unseen_instance_there_is_no_test_image() -> None:
    with pytest.raises(UserError, match="test set pggan"):
        build(pilot(pggan=3), ["pggan"], "pggan", [1, 2, 3])


def test_instances_are_ordered_as_people_count() -> None:
    rows = index(
        [row("p", f"{seed}.png", method="pggan", instance=f"pggan/seed_{seed}") for seed in (10, 2, 1)]
    )
    assert instance_order(rows).tolist() == [3, 2, 1]


@given(st.integers(0, 200), st.integers(1, 12))
def test_quotas_add_up_and_never_grow_with_more_shares(total: int, shares: int) -> None:
    assert sum(quota(total, shares, place) for place in range(shares)) == total
    assert all(quota(total, shares + 1, place) <= quota(total, shares, place) for place in range(shares))
