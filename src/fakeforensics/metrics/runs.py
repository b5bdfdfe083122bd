"""The models of a run: one, or in the pilot study one for each number of seen instances."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from fakeforensics.metrics.details import details
from fakeforensics.metrics.fakes_alone import accuracies, judge
from fakeforensics.metrics.fakes_alone_intervals import accuracy_rows
from fakeforensics.metrics.intervals import intervals
from fakeforensics.metrics.spec import Scores
from fakeforensics.metrics.summary import summarise, validation_summary
from fakeforensics.metrics.table import ALL, INSTANCES, ScoreTable, by_instances, in_order
from fakeforensics.models.saving import load_detector
from fakeforensics.scoring import score_manifest


def model_folders(folder: Path) -> dict[str, Path]:
    """The models in `models/<protocol>/<detector>`.

    Returns:
        `all` → the folder itself; or, where it has subfolders n1, n2, …, each number of seen instances → its
        own.
    """
    found = {path.name[1:]: path for path in folder.glob("n*") if re.fullmatch(r"n\d+", path.name)}
    return dict(sorted(found.items(), key=lambda item: int(item[0]))) or {ALL: folder}


def score_models(
    folder: Path, manifests: dict[str, pd.DataFrame], images: Path, batch_size: int, workers: int
) -> dict[str, ScoreTable]:
    """Score manifests with each model of a run.

    Args:
        folder: `models/<protocol>/<detector>`.
        manifests: `val` and `test`. Where rows say which models they are for (n_from, n_to), others pass them
            by.
        images: The folder of all sources' images.
        batch_size: Images per forward pass.
        workers: Decoding processes.

    Returns:
        A score table for each manifest; with several models it has the column instances besides.

    Raises:
        UserError: If a model or an image cannot be read.
    """
    scores: Scores = ()
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in manifests}
    for instances, model in model_folders(folder).items():
        detector, card = load_detector(model)
        scores = detector.scores
        for name, manifest in manifests.items():
            rows = manifest
            if instances != ALL and "n_from" in manifest:
                rows = manifest[manifest["n_from"].le(int(instances)) & manifest["n_to"].ge(int(instances))]
            scored = score_manifest(detector, card, rows, images, batch_size, workers)
            parts[name].append(scored if instances == ALL else scored.assign(**{INSTANCES: int(instances)}))
    return {name: ScoreTable(pd.concat(tables, ignore_index=True), scores) for name, tables in parts.items()}


class Measurement(NamedTuple):
    """What is known of a run's scores.

    Attributes:
        metrics: `metrics/<protocol>/<detector>.json`, short enough for DVC's tables: ap, auc and eer; for
            sets of fakes alone, which have none of these, accuracy (scores with a probability, at 0.5) and
            accuracy_at_validation_threshold (other scores), by number of seen instances; validation, by which
            lambda is chosen.
        details: `metrics/<protocol>/<detector>.details.json`: ap_interval, auc_interval, details by frame
            and by video, and the sets of fakes alone.
        table: The test scores in the protocol's order; with several models, those of the one that saw most
            instances.
    """

    metrics: dict[str, Any]
    details: dict[str, Any]
    table: pd.DataFrame


def measure_run(
    scored: Mapping[str, ScoreTable],
    names: tuple[str, ...],
    unseen: tuple[str, ...],
    seed: int,
    replicates: int,
    undetected: Mapping[str, Mapping[str, int]] | None = None,
) -> Measurement:
    """The metrics of a run.

    Args:
        scored: `val` and `test`, from `score_models`.
        names: The test sets in the protocol's order.
        unseen: Those that are unseen.
        seed: Of the bootstrap.
        replicates: Number of draws.
        undetected: Videos without a found face, by test set and class; from counts.json.

    Returns:
        The metrics, their details, and the test scores that they are about.

    Raises:
        UserError: If a test set of the protocol has no scores, or a score is not finite.
    """
    test, scores = scored["test"]
    tables = {number: in_order(rows, names) for number, rows in by_instances(test).items()}
    validations = by_instances(scored["val"].rows)
    most = list(tables)[-1]
    table, validation = tables[most], validations[most]
    judgements = judge(tables, validations, scores)
    metrics: dict[str, Any] = summarise(table, scores, unseen) | accuracies(judgements)
    if validated := validation_summary(validation, scores):
        metrics["validation"] = validated
    bounds = intervals(table, scores, unseen, seed, replicates)
    more: dict[str, Any] = {f"{metric}_interval": values for metric, values in bounds.items()}
    more["details"] = details(table, validation, scores, seed, replicates, undetected)
    if judgements:
        more["fakes_alone"] = accuracy_rows(judgements, seed, replicates)
    return Measurement(metrics, more, table)
