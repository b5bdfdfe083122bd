"""Assigns rows to train, validation and test: official splits first, then by group or identity at random."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fakeforensics.splits.protocol import Holdout

DROPPED_STRADDLES = "persons of both training and validation"
DROPPED_TEST_GROUP = "made from an official test video, or its original"
DROPPED_TEST_COPY = "the same bytes as an official test file"
ATTEMPTS = 100
LARGEST_COMPONENT = 0.5  # share of all identities; above it, whole components make too coarse a split


def ranks(names: Iterable[str], seed: int) -> NDArray[np.uint64]:
    """A pseudo-random 64-bit number for each name, which depends on nothing but the name and the seed.

    Args:
        names: Any strings.
        seed: Seed of the experiment's splits.

    Returns:
        UInt64["names"], as good as uniform.
    """
    prefix = f"{seed}|".encode()
    digests = (hashlib.sha256(prefix + name.encode("utf-8", "surrogateescape")).digest() for name in names)
    return np.fromiter((int.from_bytes(digest[:8], "big") for digest in digests), np.uint64)


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
    names = np.array(sorted(set(units)), dtype=object)
    shuffled = names[np.argsort(ranks(names, seed), kind="stable")]
    *splits, last = shares
    assigned: dict[str, str] = {}
    for place, split in enumerate(splits):
        left = len(shuffled) - len(assigned)
        wanted = max(least, round(shares[split] * len(shuffled))) if shares[split] > 0 else 0
        # Training comes last and must not stay empty, then the split before it, and so on.
        count = min(wanted, max(0, left - (len(splits) - place)))
        assigned |= dict.fromkeys(shuffled[len(assigned) : len(assigned) + count], split)
    return dict.fromkeys(shuffled[len(assigned) :], last) | assigned


def assign_source(index: pd.DataFrame, holdout: Holdout, seed: int) -> pd.DataFrame:
    """Assign every row of one source to a split.

    Rows keep their official split. Rows without one are assigned by identity where the data set names
    identities and `holdout.by` is `person`, else by group; a source with official test images gets no others.
    If a source has official training images but no validation images, some of the training images become
    validation images.

    Args:
        index: One source's index: at least group, own_split, identities (";"-joined), method, label.
        holdout: The shares to hold out.
        seed: Seed of the experiment's splits.

    Returns:
        A frame with the index's row labels and the columns `split` ("train", "val", "test", or "" if dropped)
        and `dropped` (the reason, or "").
    """
    result = pd.DataFrame({"split": index["own_split"].astype(object), "dropped": ""}, index=index.index)
    official = set(index["own_split"])
    is_free = index["own_split"].isin([""] if "val" in official or "train" not in official else ["", "train"])
    free = index[is_free]
    if free.empty:
        return result
    shares = {"val": holdout.val, "train": 1.0}
    if not official & {"train", "val", "test"}:
        shares = {"test": holdout.test, **shares}
    by_person = holdout.by == "person"
    has_identities = (free["identities"] != "").any()
    split = (_by_identity if by_person and has_identities else _by_group)(free, shares, seed)
    dropped = split.map({"": DROPPED_STRADDLES}).fillna("")
    tested = index[index["own_split"] == "test"]
    names, reason = (
        (["group"], DROPPED_TEST_GROUP) if by_person else (["raw_sha256", "sha256"], DROPPED_TEST_COPY)
    )
    of_test = pd.concat([free[name].isin(tested[name]) for name in names], axis=1).any(axis=1)
    # Only rows without an official split may be dropped; a contradiction between official splits is for the
    # leak check to report.
    late = of_test & (free["own_split"] == "")
    split[late], dropped[late] = "", reason
    result.loc[free.index, "split"] = split
    result.loc[free.index, "dropped"] = dropped
    return result


def assign_undetected(files: pd.DataFrame, index: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Find the split in which each file without an image would be.

    That is its official split, else the one to which the rest of its group was assigned. A file without
    either is in none. Such files do not influence the splits: what a face detector finds decides nothing.

    Args:
        files: A source's files without an image, from `images.index.read_undetected`.
        index: The source's index.
        rows: The same with `split` ("" if dropped), by key.

    Returns:
        The files with `split`: "train", "val", "test" or "".
    """
    if files.empty:
        return files.assign(split="")
    free = rows.loc[rows["own_split"] == "", ["key", "split"]].merge(index[["key", "group"]], on="key")
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
        end: The other, Int["edges"].

    Returns:
        Int["nodes"]: the same number for all nodes of a connected component.
    """
    graph = coo_array((np.ones(len(start)), (start, end)), shape=(nodes, nodes))
    _, component = connected_components(graph, directed=False)
    return np.asarray(pd.Series(np.arange(nodes)).groupby(component).transform("min"))


def _by_group(rows: pd.DataFrame, shares: Mapping[str, float], seed: int) -> pd.Series[str]:
    # Groups of the same methods are assigned together, so that each method gets its share of every split.
    contents = rows["domain"] + "/" + rows["method"] + "/" + rows["instance"]
    kind_of: dict[str, str] = {}
    for group, content in sorted(set(zip(rows["group"], contents, strict=True))):
        kind_of[group] = f"{kind_of[group]}+{content}" if group in kind_of else content
    kinds = pd.Series(kind_of)
    splits: dict[str, str] = {}
    for _, groups in kinds.groupby(kinds):
        splits |= assign_units(groups.index, shares, seed)
    return rows["group"].map(splits).astype(object)


def _by_identity(rows: pd.DataFrame, shares: Mapping[str, float], seed: int) -> pd.Series[str]:
    """Assign identities, then drop ("") the rows that show identities of several splits.

    A clip without named identities counts as an identity of its own. Clips of two identities connect them.
    Where the connected components are small, each is assigned as a whole and nothing is lost. In Celeb-DF
    nearly all identities are connected: they are assigned one by one then, with the first of several seeds
    that leaves both classes in every split.
    """
    keys = ["identities", "group", "label"]
    clips = rows[keys].drop_duplicates()
    named = [tuple(joined.split(";")) for joined in clips["identities"] if joined]
    casts = [
        tuple(joined.split(";")) if joined else (group,)
        for joined, group in zip(clips["identities"], clips["group"], strict=True)
    ]
    component = _identity_components(named)
    least = 1
    if max(Counter(component.values()).values()) > LARGEST_COMPONENT * len(component):
        component = {identity: identity for identity in component}
        least = max(map(len, named))  # with fewer identities, no swap of two faces would fit in
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
    table = dict(zip(clips.itertuples(index=False, name=None), best, strict=True))
    split = [table[clip] for clip in rows[keys].itertuples(index=False, name=None)]
    return pd.Series(split, index=rows.index, dtype=object)


def _common_split(cast: tuple[str, ...], component: Mapping[str, str], splits: Mapping[str, str]) -> str:
    """The split that all of a clip's identities are in; "" where they disagree."""
    chosen = {splits[component.get(identity, identity)] for identity in cast}
    return chosen.pop() if len(chosen) == 1 else ""


def _identity_components(casts: list[tuple[str, ...]]) -> dict[str, str]:
    """The connected component of each identity, named after the first of them in alphabetical order."""
    names = sorted({identity for cast in casts for identity in cast})
    number = {name: place for place, name in enumerate(names)}
    edges = [(number[cast[0]], number[identity]) for cast in casts for identity in cast]
    start, end = np.array(edges, dtype=np.intp).T
    first = first_of_component(len(names), start, end)
    return {name: names[place] for name, place in zip(names, first, strict=True)}
