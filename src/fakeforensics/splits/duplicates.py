"""Files with the same bytes are the same picture, whatever they are called."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def merge_groups(index: pd.DataFrame) -> pd.Series[str]:
    """Groups of one source, joined where they share a raw file's or a stored image's bytes.

    Args:
        index: Rows with group, raw_sha256 and sha256.

    Returns:
        The group of each row: of joined groups, the first in alphabetical order.
    """
    codes, names = pd.factorize(index["group"], sort=True)
    edges = []
    for column in ("raw_sha256", "sha256"):
        pairs = pd.DataFrame({"hash": index[column].to_numpy(), "group": codes}).drop_duplicates()
        shared = pairs[pairs.duplicated("hash", keep=False)]
        first = shared.groupby("hash")["group"].transform("min")
        edges.append(np.stack([first.to_numpy(), shared["group"].to_numpy()]))
    start, end = np.concatenate(edges, axis=1)
    graph = coo_array((np.ones(len(start)), (start, end)), shape=(len(names), len(names)))
    _, component = connected_components(graph, directed=False)
    lowest = pd.Series(np.arange(len(names))).groupby(component).transform("min").to_numpy()
    return pd.Series(np.asarray(names)[lowest][codes], index=index.index, dtype=object)


def share_copies(tests: pd.DataFrame) -> pd.DataFrame:
    """Let test sets that hold copies of one picture share one row of the index, so that it is scored once.

    Within a set every copy stays: the number of its images is part of its definition.

    Args:
        tests: Test rows of all sets, with test_set, source, label, sha256 and key.

    Returns:
        As many rows, sorted by test set and key, in which copies in different sets have the same key.
    """
    ordered = tests.sort_values(["test_set", "key"], kind="stable").reset_index(drop=True)
    copy = ordered.groupby(["test_set", "source", "label", "sha256"]).cumcount()
    same = ordered.assign(copy=copy).groupby(["source", "label", "sha256", "copy"])["key"].transform("min")
    by_key = ordered.drop_duplicates("key").set_index("key", drop=False)
    shared = by_key.loc[same].reset_index(drop=True).assign(test_set=ordered["test_set"])
    return shared.sort_values(["test_set", "key"], kind="stable").reset_index(drop=True)
