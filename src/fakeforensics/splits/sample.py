"""Taking fewer images: evenly spread frames of a video, and seeded sub-samples that keep groups together."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd

from fakeforensics.splits.chance import ranks
from fakeforensics.splits.protocol import Limits, PerClass


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
        some = rows.iloc[places]
        # Ordering by group first keeps a photograph's edits along with it.
        order = np.lexsort((ranks(some["key"], seed), ranks(some["group"], seed)))
        keep[places[order[most:]]] = False
    return rows[keep], before
