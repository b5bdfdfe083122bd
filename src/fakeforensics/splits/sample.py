"""Sampling of images: evenly spread frames, seeded samples, and a module that a protocol chooses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fakeforensics.errors import UserError
from fakeforensics.parsing import parse
from fakeforensics.splits.assign import ranks
from fakeforensics.splits.protocol import Frames, Limits, Protocol, Sampling
from fakeforensics.splits.rows import first_places, group_numbers, joined, numbered, text


def spread_frames(rows: pd.DataFrame, frames: Frames | None) -> pd.DataFrame:
    """Keep evenly spread frames of every video.

    Args:
        rows: Index rows of any sources with `split`; stills (frame -1) are kept.
        frames: How many frames to keep of a real and of a fake video; all if None.

    Returns:
        The rows kept, in their order. To keep k of n stored frames, they are divided into k equal intervals,
        and the middle frame of each is kept.
    """
    if frames is None:
        return rows
    moves = (rows["frame"] >= 0).to_numpy()
    moving = rows[moves]
    split, names = numbered(moving["split"])
    each = np.array([[frames.in_split(name).of(label) for label in (0, 1)] for name in names]).reshape(-1, 2)
    wanted = each[split, moving["label"].to_numpy()]
    keep = np.ones(len(rows), dtype=bool)
    keep[moves] = _evenly(group_numbers(moving, ["video"]), moving["frame"], moving["key"], wanted)
    return rows[keep]


def _evenly(
    video: NDArray[np.integer[Any]],
    frame: pd.Series[int],
    key: pd.Series[Any],
    wanted: NDArray[np.integer[Any]],
) -> NDArray[np.bool_]:
    """Which rows to keep, evenly spread in each video, as many as `wanted` says; 0 keeps none."""
    order = np.lexsort((numbered(key)[0], frame.to_numpy(), video))
    sizes = np.bincount(video)
    stored = sizes[video[order]]
    place = np.arange(len(order)) - (np.cumsum(sizes) - sizes)[video[order]]
    asked = np.minimum(wanted[order], stored)
    # The frame at `place` is the middle of the interval s, for an integer s in 0 … asked - 1, if
    # place <= (2 s + 1) stored / (2 asked) < place + 1. The interval is called stretch below.
    stretch = -(-(2 * place * asked - stored) // (2 * stored))
    middle = (2 * stretch + 1) * stored // np.maximum(2 * asked, 1)
    kept = np.empty(len(order), dtype=bool)
    kept[order] = (asked > 0) & (stretch >= 0) & (stretch < asked) & (middle == place)
    return kept


def limit_rows(rows: pd.DataFrame, protocol: Protocol, seed: int) -> tuple[pd.DataFrame, dict[str, int]]:
    """Draw a seeded sample if a method of a domain has more images in a split than allowed.

    Args:
        rows: Rows with a `split`.
        protocol: The protocol, whose `limits` apply.
        seed: Seed of the experiment's splits.

    Returns:
        The rows kept, in their order; and by "<source>/<domain>/<method>/<split>" the number of images before
        sampling, only where some were left out.

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
        keep[places] = _draw(some, *limit, seed)
    return (rows if keep.all() else rows[keep]), before


def draw_per_class(tests: pd.DataFrame, most: int | None, seed: int) -> pd.DataFrame:
    """Draw a seeded sample of each class of a test set that has more images than allowed.

    Args:
        tests: Test rows, one per (test_set, key).
        most: The most images of a class in a test set; None for no limit.
        seed: Seed of the experiment's splits.

    Returns:
        The rows kept, in their order. Photographs are drawn together with their edits, and the same number of
        frames from each video.
    """
    if most is None:
        return tests
    keep = np.ones(len(tests), dtype=bool)
    for places in tests.groupby(["test_set", "label"]).indices.values():
        if len(places) > most:
            some = tests.iloc[places]
            keep[places] = _draw(some, most, Limits(), seed)
    return tests[keep]


def _check_kinds(rows: pd.DataFrame, protocol: Protocol) -> None:
    for kind in protocol.limits:
        source, *more = kind.split("/")
        here = rows[rows["source"] == source]
        known = sorted(joined(here, ["domain", "method"]).unique())
        if not any([*name.split("/")][: len(more)] == more for name in known):
            raise UserError(
                f"limits: {kind} matches no images",
                found="\n".join(f"{source}/{name}" for name in known) or f"source {source} holds no image",
                fix="correct the protocol's `limits`",
            )


def _draw(rows: pd.DataFrame, most: int, limits: Limits, seed: int) -> NDArray[np.bool_]:
    """Which rows to keep, at most `most`: as many frames of each video, and stills in a seeded order."""
    unit = text(rows["video"])
    unit = unit.where(unit != "", text(rows["key"]))
    number = group_numbers(rows.assign(unit=unit), ["unit"])
    order = _random_order(rows.assign(unit=unit), number, limits.by_folder, seed)
    stored = np.bincount(number)[order]
    # `level` is the largest number of frames per video that fits in `most`. Shorter videos give all frames,
    # and the first videos in the order give one more.
    taken = [np.minimum(stored, level).sum() for level in range(stored.max() + 1)]
    level = int(np.searchsorted(taken, most, "right")) - 1
    quota = np.minimum(stored, level)
    quota[np.flatnonzero(stored > level)[: most - int(quota.sum())]] += 1
    of_unit = np.empty(len(order), dtype=np.int64)
    of_unit[order] = quota
    return _evenly(number, rows["frame"], rows["key"], of_unit[number])


def _random_order(
    rows: pd.DataFrame, number: NDArray[np.int64], by_folder: bool, seed: int
) -> NDArray[np.intp]:
    """The numbers of clips and stills in a seeded order: one of each group, then a second one, and so on.

    The order of the groups does not depend on the method, so that a photograph is taken together with its
    edits. With `by_folder`, the first n stills hold the same share of every folder, for any n.
    """
    units = rows.iloc[first_places(number)]
    group = group_numbers(units, ["group"])
    names = units["group"].iloc[first_places(group)]
    group_rank = ranks(text(names), seed)[group]
    unit_rank = ranks(units["unit"], seed)
    ties = [] if len(np.unique(unit_rank)) == len(unit_rank) else [numbered(units["unit"])[0]]
    by_rank = np.argsort(unit_rank)
    turn = np.empty(len(units), dtype=np.int64)
    turn[by_rank] = pd.Series(group[by_rank]).groupby(group[by_rank]).cumcount()
    order = np.lexsort((*ties, unit_rank, group_rank, turn))
    if by_folder:
        # The leading slash gives a file in the top folder a folder, too; else its name would be its folder.
        path = "/" + text(units["raw_path"]).iloc[order]
        folder, _ = pd.factorize(path.str.replace(r"/[^/]*$", "", regex=True))
        within = pd.Series(folder).groupby(folder)
        share = (within.cumcount() + 0.5) / within.transform("size")
        order = order[np.argsort(share.to_numpy(), kind="stable")]
    return order


def repeat_reals(rows: pd.DataFrame) -> pd.DataFrame:
    """Repeat each real image once for every forgery method of its source, domain and split.

    The result is as if a set of reals and fakes for each method were concatenated. For example three methods
    on CelebA count its reals three times, as the rows of the thesis's table 4.2 do. Reals without such fakes
    are taken once.

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
    """The functions of the module that a protocol's `sampling` names.

    Args:
        hold_out: (protocol, rows of one source) -> the rows with changed `own_split`, called before the
            source is split. The rows with `test` are then all test rows of the source.
        deal: (name of the protocol, rows with split train or val, seed) -> the rows to keep.

    Both functions get plain text columns, and must keep the row labels.
    """

    hold_out: Callable[[Protocol, pd.DataFrame], pd.DataFrame]
    deal: Callable[[str, pd.DataFrame, int], pd.DataFrame]


def find_sampler(name: str, sampling: Sampling) -> Sampler:
    """Import the module that a protocol's `sampling` names, and check its settings.

    The module defines `Settings` (a `params.Group`) and the functions `hold_out` and `deal`. They take the
    settings as the first argument, followed by the arguments that `Sampler` lists.

    Raises:
        UserError: If there is no such module, it lacks one of the three, or a setting is faulty.
    """
    where = f"protocol {name!r}: sampling"
    try:
        module = import_module(sampling.module)
    except ModuleNotFoundError as error:
        if not f"{sampling.module}.".startswith(f"{error.name}."):
            raise  # the module exists, but a module that it imports does not
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
