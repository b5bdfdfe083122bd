"""Seeded chance that depends on names alone, so that neither order nor other rows change an outcome."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray


def ranks(names: Iterable[str], seed: int) -> NDArray[np.uint64]:
    """A pseudo-random 64-bit number for each name, the same for the same name and seed everywhere.

    Args:
        names: Any strings.
        seed: Seed of the experiment's splits.

    Returns:
        UInt64["names"], as good as uniform.
    """
    prefix = f"{seed}|".encode()
    digests = (hashlib.sha256(prefix + name.encode("utf-8", "surrogateescape")).digest() for name in names)
    return np.fromiter((int.from_bytes(digest[:8], "big") for digest in digests), np.uint64)


def deal(units: Iterable[str], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Deal units out to parts by seeded chance.

    Args:
        units: Names; duplicates count once.
        shares: Share of each part in the order of dealing; the last part takes what is left. A part with a
            share above 0 gets at least one unit as long as one remains for each part after it.
        seed: Seed of the experiment's splits.

    Returns:
        The part of each unit.
    """
    names = np.array(sorted(set(units)), dtype=object)
    shuffled = names[np.argsort(ranks(names, seed), kind="stable")]
    *parts, last = shares
    dealt: dict[str, str] = {}
    for place, part in enumerate(parts):
        left = len(shuffled) - len(dealt)
        wanted = max(1, round(shares[part] * len(shuffled))) if shares[part] > 0 else 0
        # Training comes last and must not go empty-handed, then the part before it, and so on.
        count = min(wanted, max(0, left - (len(parts) - place)))
        dealt |= dict.fromkeys(shuffled[len(dealt) : len(dealt) + count], part)
    return dict.fromkeys(shuffled[len(dealt) :], last) | dealt
