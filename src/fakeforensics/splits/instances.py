"""The pilot study's splits: models that see a growing number of instances of a generator."""

from __future__ import annotations

import bisect
import re

import numpy as np
import pandas as pd

from fakeforensics.errors import UserError
from fakeforensics.splits.chance import ranks
from fakeforensics.splits.protocol import Instances, Protocol
from fakeforensics.splits.select import any_matches


def hold_out_instances(protocol: Protocol, rows: pd.DataFrame) -> pd.DataFrame:
    """Make test rows of all fakes from instances that no model sees.

    Args:
        protocol: A protocol with `instances`.
        rows: One source's rows.

    Returns:
        The rows with `own_split` "test" for unseen instances of the methods trained on, and for all other
        methods.
    """
    assert protocol.instances is not None
    trained = any_matches(rows, protocol.train)
    seen = trained & (instance_order(rows) <= max(protocol.instances.seen)).to_numpy()
    fake = (rows["label"] == 1).to_numpy()
    return rows.assign(own_split=rows["own_split"].mask(fake & ~seen, "test"))


def deal_instances(name: str, instances: Instances, rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Choose the training and validation images of the models that see 1, 2, … instances.

    The model for n instances is trained on the rows with `n_from` <= n <= `n_to`. Each has the same number of
    fakes, shared as equally as whole numbers allow by the methods and their first n instances, and the same
    real images, as many as fakes. What a model takes from an instance contains what the next model takes.

    Args:
        name: The protocol's name.
        instances: Which models there are, and how many fakes each gets at most.
        rows: All rows with split train or val.
        seed: Seed of the sub-sample.

    Returns:
        The rows that some model uses, with the int16 columns `n_from` and `n_to`.

    Raises:
        UserError: If a method has too few instances, or an instance no image.
    """
    order = instance_order(rows)
    parts = []
    for split, most in (("train", instances.fakes), ("val", instances.val_fakes)):
        some = rows[rows["split"] == split]
        real = some[some["label"] == 0]
        shares = _shares(name, split, instances, some[some["label"] == 1], order)
        fakes = _affordable(min(most, len(real)), instances, shares)
        if fakes == 0:
            raise UserError(
                f"protocol {name!r}: there are fewer {split} images than generator instances",
                found=f"{len(real)} real, {sum(map(len, shares))} fake",
                fix="add data to the source, or raise `holdout` in the protocol",
            )
        everyone = dict.fromkeys(instances.seen, fakes)
        parts.append(_serve(real, everyone, seed))
        for place, share in enumerate(shares):
            parts.append(_serve(share, _quotas(fakes, instances, place, len(shares)), seed))
    return pd.concat(parts).astype({"n_from": "int16", "n_to": "int16"})


def _shares(
    name: str, split: str, instances: Instances, fakes: pd.DataFrame, order: pd.Series[int]
) -> list[pd.DataFrame]:
    """The images of each instance, in dealing order: first instances of all methods, then second ones, ….

    Raises:
        UserError: If a method has fewer instances than the protocol wants to see.
    """
    methods = sorted(set(fakes["method"]))
    shares = []
    for number in range(1, max(instances.seen) + 1):
        for method in methods:
            share = fakes[(fakes["method"] == method) & (order[fakes.index] == number)]
            if share.empty:
                raise UserError(
                    f"protocol {name!r} sees {max(instances.seen)} instances of {method}",
                    found=f"no {split} image of instance {number}",
                    fix="add the instance's samples to the source, or shorten `instances.seen`",
                )
            shares.append(share)
    return shares


def _affordable(most: int, instances: Instances, shares: list[pd.DataFrame]) -> int:
    """The largest number of fakes, up to `most`, that every model can have."""

    def is_enough(fakes: int) -> bool:
        return all(
            wanted <= len(share)
            for place, share in enumerate(shares)
            for wanted in _quotas(fakes, instances, place, len(shares)).values()
        )

    # Quotas grow with the number of fakes, so the first number that fails ends the search.
    return bisect.bisect_left(range(1, most + 1), True, key=lambda fakes: not is_enough(fakes))


def _quotas(fakes: int, instances: Instances, place: int, shares: int) -> dict[int, int]:
    """How many images of the instance at `place` the model for n instances takes, by n."""
    methods = shares // max(instances.seen)
    return {n: quota(fakes, n * methods, place) for n in instances.seen if n * methods > place}


def quota(total: int, shares: int, place: int) -> int:
    """How many of `total` things go to the share at `place` (from 0) if they are dealt out in turn.

    With more shares none grows, which is what makes the instance sets nested.
    """
    return max(0, (total - 1 - place) // shares + 1)


def instance_order(rows: pd.DataFrame) -> pd.Series[int]:
    """The place (from 1) of each row's instance among those of its source and method.

    Names are in natural order (seed_2 before seed_10). Rows without an instance get 0.
    """
    order = pd.Series(0, index=rows.index)
    with_instance = rows[rows["instance"] != ""]
    for _, some in with_instance.groupby(["source", "method"]):
        places = {
            name: place for place, name in enumerate(sorted(set(some["instance"]), key=_natural), start=1)
        }
        order[some.index] = some["instance"].map(places)
    return order


def _serve(part: pd.DataFrame, quotas: dict[int, int], seed: int) -> pd.DataFrame:
    place = np.argsort(np.lexsort((part["key"], ranks(part["key"], seed))))
    last = np.zeros(len(part), dtype=int)
    for n, most in quotas.items():
        last[place < most] = np.maximum(last[place < most], n)
    return part.assign(n_from=min(quotas, default=0), n_to=last)[last > 0]


def _natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts seed_2 before seed_10."""
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part
    ]
