"""Builds the manifests of a protocol from the indexes of its sources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from fakeforensics.splits.assign import assign_source, assign_undetected
from fakeforensics.splits.duplicates import merge_groups, share_duplicates
from fakeforensics.splits.protocol import Frames, Holdout, Protocol
from fakeforensics.splits.rows import SPLIT, as_text, numbered, of_split, ordered, stacked, text
from fakeforensics.splits.sample import (
    Sampler,
    draw_per_class,
    find_sampler,
    limit_rows,
    repeat_reals,
    spread_frames,
)
from fakeforensics.splits.select import (
    LEAK_COLUMNS,
    check_leaks,
    check_unseen,
    count_undetected,
    select_reference,
    select_tests,
    select_training,
)

DROPPED_UNDETECTED = "a file without an image, of a group without any"
DROPPED_TRACKS = "a face other than the main person's"


@dataclass(frozen=True)
class Manifests:
    """A protocol's manifests.

    Args:
        train: Training rows with the columns of the index, `split` and `test_set` ("").
        val: Validation rows with the same columns.
        test: Test rows, one per (test_set, key).
        corrupted: The test rows that are scored under corruptions as well.
        reference: Rows of the reference set with the column `reference_class`; empty without such a set.
        test_sets: The names of the test sets in the protocol's order.
        dropped: The number of rows that were left out, by source and reason.
        subsampled: The number of rows before a limit was applied, by "<source>/<domain>/<method>/<split>".
        frames_asked: The frames per real and per fake video that the protocol asks for; None for all.
        holdout: How the protocol splits images without an official split.
        undetected: The files of each test set that gave no image, from `splits.select.count_undetected`.
    """

    train: pd.DataFrame
    val: pd.DataFrame
    test: pd.DataFrame
    corrupted: pd.DataFrame
    reference: pd.DataFrame
    test_sets: tuple[str, ...]
    dropped: dict[str, dict[str, int]]
    subsampled: dict[str, int]
    frames_asked: Frames | None
    holdout: Holdout
    undetected: dict[str, dict[str, int]] = field(default_factory=dict)


def build_manifests(
    name: str,
    protocol: Protocol,
    read_index: Callable[[str], pd.DataFrame],
    seed: int,
    read_undetected: Callable[[str], pd.DataFrame] | None = None,
) -> Manifests:
    """Build the manifests of a protocol: split its sources, sample and select rows, and check for leaks.

    A source is split as a whole, whatever the protocol selects from it, so that all protocols agree on its
    splits.

    Args:
        name: The protocol's name, for messages.
        protocol: The protocol.
        read_index: Returns the index of a source, given the source's name.
        seed: Seed of the splits and of every sub-sample.
        read_undetected: Returns the files of a source that gave no image. They are only counted.

    Raises:
        UserError: If `sampling` is faulty, a class is empty, a selection finds nothing, or splits leak.
    """
    sampler = find_sampler(name, protocol.sampling) if protocol.sampling else None
    parts, lost, dropped = [], [], {}
    for source in protocol.sources():
        index = read_index(source)
        rows, left_out = _prepare(protocol, sampler, index, seed)
        parts.append(rows)
        if read_undetected is not None:
            files = assign_undetected(read_undetected(source), index, rows)
            lost.append(files)
            if unknown := int((files["split"] == "").sum()):
                left_out[DROPPED_UNDETECTED] = unknown
        if left_out:
            dropped[source] = left_out
    rows = spread_frames(stacked(parts), protocol.frames_per_video)
    parts.clear()
    rows, subsampled = limit_rows(rows, protocol, seed)
    training = select_training(name, protocol, rows)
    tests = select_tests(name, protocol, rows)
    check_unseen(name, protocol, training, tests)
    reference = select_reference(name, protocol, rows)
    del rows
    columns = [one for one in LEAK_COLUMNS if one in training]
    checked = stacked((training, reference, tests), columns)
    check_leaks(name, checked, protocol.holdout.by)
    del checked
    if sampler is not None:
        # A sampler gets plain text. The rows that it keeps are found by their row labels.
        training = training.loc[sampler.deal(name, as_text(training), seed).index]
    if protocol.reals == "repeated":
        training = repeat_reals(training)
    order = np.argsort(numbered(training["key"])[0], kind="stable")
    split = training["split"]
    train, val = (training.iloc[order[(split == one).to_numpy()[order]]] for one in ("train", "val"))
    del training
    tests = share_duplicates(tests)
    return Manifests(
        train=train.reset_index(drop=True),
        val=val.reset_index(drop=True),
        test=tests,
        corrupted=draw_per_class(tests, protocol.corrupted_images, seed).reset_index(drop=True),
        reference=ordered(reference, ["key"]),
        test_sets=tuple(protocol.test),
        dropped=dropped,
        subsampled=subsampled,
        frames_asked=protocol.frames_per_video,
        holdout=protocol.holdout,
        undetected=count_undetected(protocol, pd.concat(lost)) if lost else {},
    )


def _prepare(
    protocol: Protocol, sampler: Sampler | None, index: pd.DataFrame, seed: int
) -> tuple[pd.DataFrame, dict[str, int]]:
    """One source's rows with joined groups and assigned splits, and how many were left out, by reason."""
    # The label of a clip is about its main person, because bystanders are not forged.
    is_main = index["track"] == 0
    rows = index if is_main.all() else index[is_main].reset_index(drop=True)
    left_out = {DROPPED_TRACKS: len(index) - len(rows)} if len(rows) < len(index) else {}
    if rows.empty:
        return of_split(rows, ""), left_out
    rows = rows.assign(group=merge_groups(rows))
    holdout = protocol.holdout
    if sampler is not None:
        held_out = sampler.hold_out(protocol, as_text(rows))
        rows = rows.assign(own_split=held_out["own_split"].astype(SPLIT))
        holdout = holdout.model_copy(update={"test": 0.0})  # the sampler has chosen the test rows
    assigned = assign_source(rows, holdout, seed)
    reasons = text(assigned.loc[assigned["dropped"] != "", "dropped"]).value_counts().sort_index()
    left_out |= {str(reason): int(n) for reason, n in reasons.items()}
    return rows.assign(split=assigned["split"]), left_out
