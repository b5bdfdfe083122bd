"""Taking fewer images: evenly spread frames of a video, seeded sub-samples, and a protocol's own sampling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import cast

import numpy as np
import pandas as pd

from fakeforensics.errors import UserError
from fakeforensics.parsing import parse
from fakeforensics.splits.assign import ranks
from fakeforensics.splits.protocol import Frames, Limits, Protocol, Sampling


def spread_frames(rows: pd.DataFrame, frames: Frames | None) -> pd.DataFrame:
    """Keep evenly spread frames of every video.

    Args:
        rows: Index rows of any sources with `split`; stills (frame -1) are kept.
        frames: How many frames to keep of a real and of a fake video; all if None.

    Returns:
        The rows kept, in their order. Of n stored frames, k are taken at the middles of k equal stretches.
    """
    if frames is None:
        return rows
    moving = rows[rows["frame"] >= 0]
    kinds = zip(moving["split"], moving["label"], strict=True)
    wanted = pd.Series([frames.in_split(split).of(label) for split, label in kinds], index=moving.index)
    return rows[(rows["frame"] < 0) | rows.index.isin(_evenly(moving, wanted).index)]


def _evenly(rows: pd.DataFrame, wanted: pd.Series[int]) -> pd.DataFrame:
    """Evenly spread rows of each video, as many as its rows' `wanted` says; 0 keeps none."""
    ordered = rows.sort_values(["video", "frame", "key"], kind="stable")
    place = ordered.groupby("video").cumcount().to_numpy()
    stored = ordered.groupby("video")["frame"].transform("size").to_numpy()
    asked = np.minimum(wanted.loc[ordered.index].to_numpy(), stored)
    kept = np.zeros(len(ordered), dtype=bool)
    for n, k in set(zip(stored.tolist(), asked.tolist(), strict=True)):
        middles = (2 * np.arange(k) + 1) * n // (2 * k) if k else []
        kept |= (stored == n) & (asked == k) & np.isin(place, middles)
    return ordered[kept]


def limit_rows(rows: pd.DataFrame, protocol: Protocol, seed: int) -> tuple[pd.DataFrame, dict[str, int]]:
    """Draw a seeded sub-sample where a method of a domain has more images in a split than allowed.

    Args:
        rows: Rows with a `split`.
        protocol: Its `limits` say how many images each kind may have.
        seed: Seed of the experiment's splits.

    Returns:
        The rows kept, in their order, and how many images there were before, by
        "<source>/<domain>/<method>/<split>", where any were left out.

    Raises:
        UserError: If a limit is about a domain or method that the source does not hold.
    """
    _check_kinds(rows, protocol)
    keep = np.ones(len(rows), dtype=bool)
    before: dict[str, int] = {}
    for kind, places in rows.groupby(["source", "domain", "method", "split"]).indices.items():
        source, domain, method, split = cast(tuple[str, str, str, str], kind)
        some = rows.iloc[places]
        limit = protocol.limit(source, domain, method, int(some["label"].iloc[0]), split) if split else None
        if limit is None or len(places) <= limit[0]:
            continue
        before["/".join((source, domain, method, split))] = len(places)
        keep[places] = some.index.isin(_draw(some, *limit, seed).index)
    return rows[keep], before


def draw_per_class(tests: pd.DataFrame, most: int | None, seed: int) -> pd.DataFrame:
    """Draw a seeded sub-sample of each class of each test set that has more images than allowed.

    Args:
        tests: Test rows, one per (test_set, key).
        most: The most images of a class in a test set; None for no limit.
        seed: Seed of the experiment's splits.

    Returns:
        The rows kept, in their order. Photographs are drawn together with their edits, and as many frames of
        each video as of any other.
    """
    if most is None:
        return tests
    keep = np.ones(len(tests), dtype=bool)
    for places in tests.groupby(["test_set", "label"]).indices.values():
        if len(places) > most:
            some = tests.iloc[places]
            keep[places] = some.index.isin(_draw(some, most, Limits(), seed).index)
    return tests[keep]


def _check_kinds(rows: pd.DataFrame, protocol: Protocol) -> None:
    for kind in protocol.limits:
        source, *more = kind.split("/")
        here = rows[rows["source"] == source]
        known = sorted({*(here["domain"] + "/" + here["method"])})
        if not any([*name.split("/")][: len(more)] == more for name in known):
            raise UserError(
                f"limits: {kind} names no images",
                found="\n".join(f"{source}/{name}" for name in known) or f"source {source} holds no image",
                fix="correct the protocol's `limits`",
            )


def _draw(rows: pd.DataFrame, most: int, limits: Limits, seed: int) -> pd.DataFrame:
    """At most `most` rows: as many frames of each video as of any other, and stills in a seeded order."""
    unit = rows["video"].where(rows["video"] != "", rows["key"])
    units = _random_order(rows.assign(unit=unit), limits.by_folder, seed)
    stored = unit.value_counts().loc[units].to_numpy()
    # The greatest number of frames that every video can give, as far as it has them. The first in the order
    # give one more.
    taken = [np.minimum(stored, level).sum() for level in range(stored.max() + 1)]
    level = int(np.searchsorted(taken, most, "right")) - 1
    quota = np.minimum(stored, level)
    quota[np.flatnonzero(stored > level)[: most - int(quota.sum())]] += 1
    wanted = unit.map(dict(zip(units, quota.tolist(), strict=True)))
    return _evenly(rows.assign(video=unit), wanted)


def _random_order(rows: pd.DataFrame, by_folder: bool, seed: int) -> list[str]:
    """Clips and stills in an order in which each group has its first before any has its second.

    Groups come in the same seeded order whatever the method, so that a photograph is taken together with its
    edits. With `by_folder`, the first n of stills hold the same share of every folder.
    """
    units = rows[["unit", "group"]].drop_duplicates("unit")
    units = units.assign(unit_rank=ranks(units["unit"], seed), group_rank=ranks(units["group"], seed))
    units["turn"] = units.sort_values("unit_rank").groupby("group").cumcount()
    units = units.sort_values(["turn", "group_rank", "unit_rank", "unit"], kind="stable")
    if by_folder:
        folder = rows.drop_duplicates("unit").set_index("unit")["raw_path"].str.rpartition("/")[0]
        folders = units.groupby(units["unit"].map(folder))["unit"]
        share = (folders.cumcount() + 0.5) / folders.transform("size")
        units = units.loc[share.sort_values(kind="stable").index]
    ordered: list[str] = units["unit"].tolist()
    return ordered


def repeat_reals(rows: pd.DataFrame) -> pd.DataFrame:
    """Take each real image once for every forgery method of its source, domain and split.

    Pairs of reals and the fakes of one method are then concatenated: three methods on CelebA count its reals
    three times, as the rows of the thesis's table 4.2 do. Reals without any such fakes are taken once.

    Args:
        rows: Training and validation rows, each image once.

    Returns:
        The rows in their order, followed by the repeated ones.
    """
    pair = ["source", "domain", "split"]
    fakes = rows[rows["label"] == 1]
    methods = fakes.groupby(pair)["method"].nunique().rename("times").reset_index()
    times = rows[pair].merge(methods, on=pair, how="left")["times"].fillna(1).astype(int).to_numpy()
    most = int(np.where(rows["label"] == 0, times, 1).max(initial=1))
    more = [rows[(rows["label"] == 0).to_numpy() & (times > number)] for number in range(1, most)]
    return pd.concat([rows, *more])


@dataclass(frozen=True)
class Sampler:
    """A protocol's own way to choose images: functions of the module that `sampling` names.

    Args:
        hold_out: (protocol, rows of one source) -> the rows with changed `own_split`, before the source is
            split. These are then all of the source's test rows.
        deal: (name of the protocol, rows with split train or val, seed) -> the rows to keep.
    """

    hold_out: Callable[[Protocol, pd.DataFrame], pd.DataFrame]
    deal: Callable[[str, pd.DataFrame, int], pd.DataFrame]


def find_sampler(name: str, sampling: Sampling) -> Sampler:
    """Import the module that a protocol's `sampling` names, and check its settings.

    The module has a `Settings` (a `params.Group`), and the functions `hold_out` and `deal`, which take the
    settings before the arguments that `Sampler` lists.

    Raises:
        UserError: If there is no such module, it lacks one of the three, or a setting is faulty.
    """
    where = f"protocol {name!r}: sampling"
    try:
        module = import_module(sampling.module)
    except ModuleNotFoundError as error:
        if not f"{sampling.module}.".startswith(f"{error.name}."):
            raise  # the module exists and imports something that does not
        raise UserError(
            f"{where}: there is no module {sampling.module!r}",
            fix="correct `sampling.module`, for example fakeforensics.thesis.instances",
        ) from None
    missing = [one for one in ("Settings", "hold_out", "deal") if not hasattr(module, one)]
    if missing:
        raise UserError(
            f"{where}: the module {sampling.module} has no {', '.join(missing)}",
            expected="Settings, hold_out and deal",
            fix="choose a module that samples, for example fakeforensics.thesis.instances",
        )
    settings = parse(module.Settings, sampling.settings(), where)
    return Sampler(partial(module.hold_out, settings), partial(module.deal, settings))
