"""Taking fewer images: evenly spread frames of a video, seeded sub-samples, and a protocol's own sampling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fakeforensics.errors import UserError
from fakeforensics.params import parse
from fakeforensics.splits.assign import ranks
from fakeforensics.splits.protocol import Limits, PerClass, Protocol, Sampling


def spread_frames(rows: pd.DataFrame, frames: PerClass | None) -> pd.DataFrame:
    """Keep evenly spread frames of every video.

    Args:
        rows: Index rows of any sources; stills (frame -1) are kept.
        frames: How many frames to keep of a real and of a fake video; all if None.

    Returns:
        The rows kept, in their order. Of n stored frames, k are taken at the middles of k equal stretches.
    """
    if frames is None:
        return rows
    moving = rows[rows["frame"] >= 0].sort_values(["video", "frame"], kind="stable")
    place = moving.groupby("video").cumcount().to_numpy()
    stored = moving.groupby("video")["frame"].transform("size").to_numpy()
    wanted = np.minimum(np.where(moving["label"] == 0, frames.real, frames.fake), stored)
    kept = np.zeros(len(moving), dtype=bool)
    for n, k in set(zip(stored.tolist(), wanted.tolist(), strict=True)):
        middles = (2 * np.arange(k) + 1) * n // (2 * k)
        kept |= (stored == n) & (wanted == k) & np.isin(place, middles)
    return rows[(rows["frame"] < 0) | rows.index.isin(moving.index[kept])]


def limit_rows(
    rows: pd.DataFrame, limits: dict[str, Limits], seed: int
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Draw a seeded sub-sample where a method of a domain has more images in a split than allowed.

    Args:
        rows: Rows with a `split`.
        limits: By source, the most images of one method and domain in each split.
        seed: Seed of the experiment's splits.

    Returns:
        The rows kept, in their order, and how many images there were before, by
        "<source>/<domain>/<method>/<split>", where any were left out.
    """
    keep = np.ones(len(rows), dtype=bool)
    before: dict[str, int] = {}
    for kind, places in rows.groupby(["source", "domain", "method", "split"]).indices.items():
        names = cast(tuple[str, str, str, str], kind)
        source, _, _, split = names
        most = getattr(limits.get(source, Limits()), split, None) if split else None
        if most is None or len(places) <= most:
            continue
        before["/".join(names)] = len(places)
        keep[places[_random_order(rows.iloc[places], seed)[most:]]] = False
    return rows[keep], before


def _random_order(rows: pd.DataFrame, seed: int) -> NDArray[np.intp]:
    """An order in which each group has its first clip or still before any has its second.

    Groups come in the same seeded order whatever the method, so that a photograph is taken together with its
    edits; the frames of a clip stay together.
    """
    unit = rows["video"].where(rows["video"] != "", rows["key"])
    units = pd.DataFrame({"unit": unit, "group": rows["group"]}).drop_duplicates()
    units = units.assign(unit_rank=ranks(units["unit"], seed), group_rank=ranks(units["group"], seed))
    units["turn"] = units.sort_values("unit_rank").groupby("group").cumcount()
    table = units.set_index("unit").loc[unit]
    return np.lexsort((rows["key"], table["unit_rank"], table["group_rank"], table["turn"]))


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
