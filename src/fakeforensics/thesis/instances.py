"""The splits of the pilot study (chapter 3), where a model sees the first n instances of a generator.

An instance is one training of a generator with its own seed. A protocol uses these splits with
`sampling: {module: fakeforensics.thesis.instances, seen: n, of: 9, ...}`.
"""

from __future__ import annotations

import bisect
import re
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from fakeforensics.errors import UserError
from fakeforensics.params import Count, Group
from fakeforensics.splits.assign import ranks
from fakeforensics.splits.protocol import Protocol
from fakeforensics.splits.select import any_matches

Positive = Annotated[Count, Field(ge=1)]


class Settings(Group):
    """The training instances and the number of images.

    Args:
        seen: The number n of instances that the model sees: the first n of each method, in natural order of
            their names.
        of: The largest n of the study. Later instances are test instances in all protocols of the study.
        fakes: The maximum number of fake training images, divided among the methods and their n instances.
            All models of the study get the same number. If an instance or the real class has too few images,
            all models get fewer.
        val_fakes: The same for validation images.
    """

    seen: Positive
    of: Positive
    fakes: Positive
    val_fakes: Positive

    @model_validator(mode="after")
    def _seen_is_part_of_the_study(self) -> Settings:
        if self.seen > self.of:
            raise ValueError(f"seen is {self.seen}, above the study's largest number, of: {self.of}")
        return self


def hold_out(settings: Settings, protocol: Protocol, rows: pd.DataFrame) -> pd.DataFrame:
    """Turn all fakes from instances that no model of the study sees into test rows.

    Args:
        settings: The number of instances in the study.
        protocol: The protocol; its `train` selects the training methods.
        rows: The rows of one source.

    Returns:
        The rows, with `own_split` "test" for fakes of later instances of the training methods, and for fakes
        of all other methods.
    """
    trained = any_matches(rows, protocol.train)
    seen = trained & (instance_order(rows) <= settings.of).to_numpy()
    fake = (rows["label"] == 1).to_numpy()
    return rows.assign(own_split=rows["own_split"].mask(fake & ~seen, "test"))


def deal(settings: Settings, name: str, rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Choose the training and validation images of the model that sees n instances.

    The model gets the same number of fakes as each model of the study, divided as evenly as possible among
    the methods and their first n instances. It gets the same real images as each model of the study, as many
    as fakes. The images that the model for n + 1 instances takes from an instance are among those that this
    model takes from it.

    Args:
        settings: The number of instances, and the maximum number of fakes.
        name: The protocol's name, for messages.
        rows: All rows with split train or val.
        seed: Seed of the sub-sample.

    Returns:
        The chosen rows.

    Raises:
        UserError: If a method has too few instances, an instance has no image, or there are fewer images
            than instances.
    """
    order = instance_order(rows)
    chosen = []
    for split, most in (("train", settings.fakes), ("val", settings.val_fakes)):
        some = rows[rows["split"] == split]
        real, fake = some[some["label"] == 0], some[some["label"] == 1]
        methods = sorted(set(fake["method"]))
        shares = _shares(name, split, settings.of, methods, fake, order)
        fakes = _affordable(min(most, len(real)), len(methods), [len(share) for share in shares])
        if fakes == 0:
            raise UserError(
                f"protocol {name!r}: there are fewer {split} images than generator instances",
                found=f"{len(real)} real, {sum(map(len, shares))} fake",
                fix="add data to the source, or raise `holdout` in the protocol",
            )
        chosen.append(_first(real, fakes, seed))
        used = settings.seen * len(methods)
        chosen += [
            _first(share, quota(fakes, used, place), seed) for place, share in enumerate(shares[:used])
        ]
    return pd.concat(chosen)


def _shares(
    name: str, split: str, instances: int, methods: list[str], fakes: pd.DataFrame, order: pd.Series[int]
) -> list[pd.DataFrame]:
    """The images of each instance: those of each method's first instance, then of each second one, and so on.

    Raises:
        UserError: If a method has fewer instances than the study needs.
    """
    shares = []
    for number in range(1, instances + 1):
        for method in methods:
            share = fakes[(fakes["method"] == method) & (order[fakes.index] == number)]
            if share.empty:
                raise UserError(
                    f"protocol {name!r} belongs to a study of {instances} instances of {method}",
                    found=f"no {split} image of instance {number}",
                    fix="add the instance's samples to the source, or lower `sampling.of`",
                )
            shares.append(share)
    return shares


def _affordable(most: int, methods: int, sizes: list[int]) -> int:
    """The largest number of fakes, up to `most`, that every model of the study can have.

    Args:
        most: The upper limit.
        methods: The number of methods.
        sizes: The number of images of each instance, in the order of `_shares`.

    Returns:
        0 if not even one fake is possible.
    """

    def is_enough(fakes: int) -> bool:
        # The first model that sees an instance takes the most images from it.
        return all(
            quota(fakes, (place // methods + 1) * methods, place) <= size for place, size in enumerate(sizes)
        )

    # Quotas grow with the number of fakes, so the first number that fails ends the search.
    return bisect.bisect_left(range(1, most + 1), True, key=lambda fakes: not is_enough(fakes))


def quota(total: int, shares: int, place: int) -> int:
    """How many of `total` images the share at `place` (from 0) gets if images are assigned in turn.

    With more shares no share grows. So a model takes at least as many images from an instance as the model
    that sees one instance more.
    """
    return max(0, (total - 1 - place) // shares + 1)


def instance_order(rows: pd.DataFrame) -> pd.Series[int]:
    """The position, from 1, of each row's instance among the instances of its source and method.

    Names are in natural order: seed_2 comes before seed_10. Rows without an instance get 0.
    """
    order = pd.Series(0, index=rows.index)
    with_instance = rows[rows["instance"] != ""]
    for _, some in with_instance.groupby(["source", "method"]):
        names = sorted(set(some["instance"]), key=_natural)
        order[some.index] = some["instance"].map({name: place for place, name in enumerate(names, start=1)})
    return order


def _natural(name: str) -> list[tuple[int, int, str]]:
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part
    ]


def _first(rows: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    return rows.iloc[np.lexsort((rows["key"], ranks(rows["key"], seed)))[:most]]
