"""Assigns rows to train, validation and test: official splits first, then by group or identity at random."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fakeforensics.splits.protocol import Holdout
from fakeforensics.splits.rows import SPLIT, among, as_text, first_places, group_numbers, joined, numbered

DROPPED_STRADDLES = "persons of both training and validation"
DROPPED_TEST_GROUP = "made from an official test video, or its original"
DROPPED_TEST_COPY = "the same bytes as an official test file"
ATTEMPTS = 100
_BLOCK = 65_536  # names in memory as Python strings at a time
LARGEST_COMPONENT = 0.5  # a component with a larger share of all identities is too large for one split


def ranks(names: Iterable[str], seed: int) -> NDArray[np.uint64]:
    """A pseudo-random 64-bit number for each name. It depends on the name and the seed only.

    Args:
        names: Any strings.
        seed: Seed of the experiment's splits.

    Returns:
        UInt64["names"], uniformly distributed.
    """
    prefix = f"{seed}|".encode()
    digests = (
        hashlib.sha256(prefix + name.encode("utf-8", "surrogateescape")).digest()
        for name in _one_by_one(names)
    )
    return np.frombuffer(b"".join(digest[:8] for digest in digests), ">u8").astype(np.uint64)


def _one_by_one(names: Iterable[str]) -> Iterable[str]:
    if not isinstance(names, pd.Series | pd.Index):
        return names
    # Iterating over a pandas column is slow, and a list of all its strings takes much memory.
    blocks = (names[at : at + _BLOCK].tolist() for at in range(0, len(names), _BLOCK))
    return chain.from_iterable(blocks)


def assign_units(
    units: Iterable[str], shares: Mapping[str, float], seed: int, least: int = 1
) -> dict[str, str]:
    """Assign units to splits at random.

    Args:
        units: Names; duplicates count once.
        shares: Share of each split, in the order in which they are filled; the last one takes the rest. A
            split with a share above 0 gets `least` units as long as one remains for each split after it.
        seed: Seed of the experiment's splits.
        least: The fewest units of a split.

    Returns:
        The split of each unit.
    """
    names = sorted(set(units))
    order, counts = np.argsort(ranks(names, seed), kind="stable"), _sizes(len(names), shares, least)
    shuffled = [names[place] for place in order]
    return dict(zip(shuffled, chain.from_iterable([split] * n for split, n in counts.items()), strict=True))


def _sizes(units: int, shares: Mapping[str, float], least: int = 1) -> dict[str, int]:
    """The number of units that each split gets, in the order of `shares`."""
    *splits, last = shares
    counts: dict[str, int] = {}
    for place, split in enumerate(splits):
        left = units - sum(counts.values())
        wanted = max(least, round(shares[split] * units)) if shares[split] > 0 else 0
        # One unit is kept for each later split. Training is the last, so it is never empty.
        counts[split] = min(wanted, max(0, left - (len(splits) - place)))
    return counts | {last: units - sum(counts.values())}


def assign_source(index: pd.DataFrame, holdout: Holdout, seed: int) -> pd.DataFrame:
    """Assign every row of one source to a split.

    Rows keep their official split. Rows without one are assigned by identity if the data set names identities
    and `holdout.by` is `person`, else by group. A source with official test images gets no other test images:
    a row without an official split is dropped if its group (with `person`) or its bytes (with `video`) are
    those of an official test image. If a source has official training images but no validation images, some
    of the training images become validation images.

    Args:
        index: The index of one source with at least the columns group, own_split, identities (joined by
            ";"), domain, method, instance, label, raw_sha256 and sha256.
        holdout: The shares to hold out.
        seed: Seed of the experiment's splits.

    Returns:
        A frame with the row labels of the index and the columns `split` ("train", "val", "test", or "" if
        dropped) and `dropped` (the reason, or ""). Both are categorical if `own_split` is.
    """
    reasons = pd.CategoricalDtype(["", DROPPED_STRADDLES, DROPPED_TEST_GROUP, DROPPED_TEST_COPY])
    result = pd.DataFrame(
        {
            "split": index["own_split"].astype(SPLIT),
            "dropped": pd.Categorical.from_codes(np.zeros(len(index), np.int8), dtype=reasons),
        },
        index=index.index,
    )
    official = set(index["own_split"].unique())
    is_free = index["own_split"].isin([""] if "val" in official or "train" not in official else ["", "train"])
    free = index[is_free]
    if free.empty:
        return result if isinstance(index["own_split"].dtype, pd.CategoricalDtype) else as_text(result)
    shares = {"val": holdout.val, "train": 1.0}
    if not official & {"train", "val", "test"}:
        shares = {"test": holdout.test, **shares}
    by_person = holdout.by == "person"
    has_identities = (free["identities"] != "").any()
    split = (_by_identity if by_person and has_identities else _by_group)(free, shares, seed)
    dropped: pd.Series[Any] = pd.Series("", index=free.index, dtype=reasons)
    dropped[split == ""] = DROPPED_STRADDLES
    tested = index[index["own_split"] == "test"]
    names, reason = (
        (["group"], DROPPED_TEST_GROUP) if by_person else (["raw_sha256", "sha256"], DROPPED_TEST_COPY)
    )
    of_test = np.any([among(free[name], tested[name]) for name in names], axis=0)
    # Only rows without an official split are dropped. The leak check reports official splits that contradict
    # each other.
    late = of_test & (free["own_split"] == "")
    split[late], dropped[late] = "", reason
    result.loc[free.index, "split"] = split
    result.loc[free.index, "dropped"] = dropped
    return result if isinstance(index["own_split"].dtype, pd.CategoricalDtype) else as_text(result)


def assign_undetected(files: pd.DataFrame, index: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Find the split in which each file without an image would be.

    It is the official split of the file, else the split of the other files of its group. A file with neither
    has no split. Files without an image do not influence the splits, so a face detector does not either.

    Args:
        files: A source's files without an image, from `images.index.read_undetected`.
        index: The source's index.
        rows: The rows of the index with the columns key, own_split and `split` ("" if dropped).

    Returns:
        The files with the column `split`: "train", "val", "test" or "".
    """
    if files.empty:
        return files.assign(split="")
    asked = index.loc[index["group"].isin(files["group"].unique()), ["key", "group"]]
    free = rows.loc[rows["own_split"] == "", ["key", "split"]].merge(asked, on="key")
    by_group = dict(zip(free["group"], free["split"], strict=True))
    split = [
        official or by_group.get(group, "")
        for official, group in zip(files["own_split"], files["group"], strict=True)
    ]
    return files.assign(split=split)


def first_of_component(nodes: int, start: NDArray[np.intp], end: NDArray[np.intp]) -> NDArray[np.intp]:
    """The lowest node that each node is connected to.

    Args:
        nodes: The number of nodes, which are numbered from 0.
        start: One end of each edge, Int["edges"].
        end: The other end of each edge, Int["edges"].

    Returns:
        Int["nodes"]: the same number for all nodes of a connected component.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(start)), (start, end)), shape=(nodes, nodes))
    _, component = connected_components(graph, directed=False)
    return np.asarray(pd.Series(np.arange(nodes)).groupby(component).transform("min"))


def _by_group(rows: pd.DataFrame, shares: Mapping[str, float], seed: int) -> pd.Series[str]:
    # Groups with the same contents (domain, method, instance) are assigned together, so that each method gets
    # its share of every split.
    group, names = numbered(rows["group"])
    content, contents = numbered(joined(rows, ["domain", "method", "instance"]))
    pairs = np.unique(group.astype(np.int64) * len(contents) + content)
    owner, content = np.divmod(pairs, len(contents))
    # `kind` becomes the same number for groups with the same contents: they are added one at a time, in
    # alphabetical order.
    known, first, count = np.unique(owner, return_index=True, return_counts=True)
    kind = content[first]
    for place in range(1, int(count.max(initial=0))):
        more = count > place
        kind = np.where(more, kind * (len(contents) + 1), kind * (len(contents) + 1) + len(contents))
        kind[more] += content[first[more] + place]
        kind = np.unique(kind, return_inverse=True)[1]
    split = np.empty(len(names), dtype=np.int8)
    rank = ranks(names[known], seed)
    for members in pd.Series(known).groupby(kind).indices.values():
        order = np.asarray(members)[np.argsort(rank[members], kind="stable")]
        sizes = _sizes(len(order), shares)
        codes = SPLIT.categories.get_indexer(pd.Index(list(sizes)))
        split[known[order]] = np.repeat(codes, list(sizes.values()))
    return pd.Series(pd.Categorical.from_codes(split[group], dtype=SPLIT), index=rows.index)


def _by_identity(rows: pd.DataFrame, shares: Mapping[str, float], seed: int) -> pd.Series[str]:
    """Assign identities, then drop ("") the rows that show identities of several splits.

    A clip without named identities counts as a separate identity. A clip with two identities connects them.
    If the connected components are small, each is assigned as a whole and no clip is dropped. In Celeb-DF
    nearly all identities are connected. They are then assigned one by one, with the first of several seeds
    that leaves both classes in every split.
    """
    keys = ["identities", "group", "label"]
    numbers = group_numbers(rows, keys)
    clips = as_text(rows[keys].iloc[first_places(numbers)])
    named = [tuple(joined.split(";")) for joined in clips["identities"] if joined]
    casts = [
        tuple(joined.split(";")) if joined else (group,)
        for joined, group in zip(clips["identities"], clips["group"], strict=True)
    ]
    component = _identity_components(named)
    least = 1
    if max(Counter(component.values()).values()) > LARGEST_COMPONENT * len(component):
        component = {identity: identity for identity in component}
        least = max(map(len, named))  # a split with fewer identities could not hold a swap of two faces
    known = set(component.values())
    unknown = {identity for cast in casts for identity in cast if identity not in component}
    attempts = (
        assign_units(known, shares, seed + n, least) | assign_units(unknown, shares, seed + n)
        for n in range(ATTEMPTS)
    )
    candidates = ([_common_split(cast, component, splits) for cast in casts] for splits in attempts)
    labels = clips["label"].tolist()
    needed = {(split, label) for split in shares for label in labels}
    first = next(candidates)
    best = next(
        (one for one in chain([first], candidates) if needed <= set(zip(one, labels, strict=True))), first
    )
    return pd.Series(pd.Categorical(best, dtype=SPLIT)[numbers], index=rows.index)


def _common_split(cast: tuple[str, ...], component: Mapping[str, str], splits: Mapping[str, str]) -> str:
    """The split that all identities of a clip are in; "" if they are in several."""
    chosen = {splits[component.get(identity, identity)] for identity in cast}
    return chosen.pop() if len(chosen) == 1 else ""


def _identity_components(casts: list[tuple[str, ...]]) -> dict[str, str]:
    """The connected component of each identity, named after its first identity in alphabetical order."""
    names = sorted({identity for cast in casts for identity in cast})
    number = {name: place for place, name in enumerate(names)}
    edges = [(number[cast[0]], number[identity]) for cast in casts for identity in cast]
    start, end = np.array(edges, dtype=np.intp).T
    first = first_of_component(len(names), start, end)
    return {name: names[place] for name, place in zip(names, first, strict=True)}
