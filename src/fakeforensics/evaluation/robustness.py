"""Every test set again under corruptions; a corruption that was scored before is not scored again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

import fakeforensics
from fakeforensics.evaluation.corruptions import Corruption
from fakeforensics.evaluation.scoring import score_manifest
from fakeforensics.evaluation.summary import DIGITS
from fakeforensics.files import sha256_file, write_parquet
from fakeforensics.models.detector import Detector
from fakeforensics.scores.metrics import average_precision
from fakeforensics.scores.operating import best_threshold, outcome
from fakeforensics.scores.ranking import rank
from fakeforensics.scores.table import by_test_set, has_both_classes, score_columns

CLEAN = "clean"
# What a corrupted image's score is computed by, besides the weights.
CODE = ("evaluation/corruptions.py", "evaluation/scoring.py", "models", "training/dataset.py", "storage")
PACKAGES = ("torch", "torchvision", "opencv-python-headless", "numpy")


def score_corrupted(
    detector: Detector,
    card: dict[str, Any],
    manifest: pd.DataFrame,
    images_root: Path,
    corruption: str,
    scratch: Path,
    batch_size: int = 128,
    workers: int = 0,
) -> pd.DataFrame:
    """Score a manifest's images under a corruption, or take the scores from an earlier time.

    Scores are kept under a fingerprint of the weights, the preprocessing, the images' bytes, the code and the
    corruption: another strength, or one changed image, is another fingerprint.

    Args:
        detector: In evaluation mode.
        card: Its `model.json`.
        manifest: The test manifest.
        images_root: The folder of all sources' images.
        corruption: Its name, such as `jpeg_50`.
        scratch: Where scores are kept.
        batch_size: Images a forward pass.
        workers: Decoding processes.

    Returns:
        A score table.

    Raises:
        UserError: If there is no such corruption, or an image cannot be read.
    """
    path = scratch / f"{fingerprint(card, manifest, corruption)}.parquet"
    if path.is_file():
        return pd.read_parquet(path)
    aligned = manifest["box"].map(len) > 0
    parts = [
        score_manifest(
            detector, card, manifest[rows], images_root, batch_size, workers, Corruption(corruption, faces)
        )
        for faces, rows in ((True, aligned), (False, ~aligned))
        if rows.any()
    ]
    table = pd.concat(parts, ignore_index=True).sort_values(["test_set", "key"], ignore_index=True)
    write_parquet(path, table)
    return table


def fingerprint(card: dict[str, Any], manifest: pd.DataFrame, corruption: str) -> str:
    """What the scores under a corruption depend on, as a hash."""
    rows = manifest[["test_set", "key", "sha256", "label", "group"]].to_csv(index=False)
    package = Path(fakeforensics.__file__).parent
    files = [file for part in CODE for file in sorted((package / part).glob("*.py")) or [package / part]]
    what = {
        "code": {str(file.relative_to(package)): sha256_file(file) for file in files},
        "versions": {name: version(name) for name in PACKAGES},
        "weights": card["weights_sha256"],
        "preprocess": card["preprocess"],
        "objective": card["objective"],
        "corruption": corruption,
        "images": hashlib.sha256(rows.encode()).hexdigest(),
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]


def robustness_table(
    tables: dict[str, pd.DataFrame], validation: pd.DataFrame, order: Sequence[str]
) -> list[dict[str, Any]]:
    """AP and accuracy of each test set under each corruption.

    Args:
        tables: Corruption → score table; `clean` among them.
        validation: Clean validation scores, whose threshold of highest accuracy is kept under every
            corruption, as a user's would be.
        order: The test sets in the protocol's order; those with one class have no rows.

    Returns:
        A row for each score, test set and corruption: AP, accuracy, and what both lose against clean images.
    """
    rows = []
    for score, column in score_columns(validation).items():
        labels = validation["label"].to_numpy()
        ranking = rank(validation[column].to_numpy(), labels, "validation")
        threshold = best_threshold(ranking, "accuracy", "validation")
        found: dict[tuple[str, str], tuple[float, float]] = {}
        for corruption, table in tables.items():
            for name, images in by_test_set(table):
                if has_both_classes(images):
                    values, truth = images[column].to_numpy(), images["label"].to_numpy()
                    found[name, corruption] = (
                        average_precision(values, truth, f"{name} under {corruption}"),
                        outcome(values, truth, threshold).accuracy,
                    )
        for name in order:
            for corruption in tables:
                if (name, corruption) in found:
                    ap, accuracy = found[name, corruption]
                    clean_ap, clean_accuracy = found[name, CLEAN]
                    rows.append(
                        {"score": score, "test_set": name, "corruption": corruption}
                        | {"ap": round(ap, DIGITS), "accuracy": round(accuracy, DIGITS)}
                        | {"ap_lost": round(clean_ap - ap, DIGITS)}
                        | {"accuracy_lost": round(clean_accuracy - accuracy, DIGITS)}
                    )
    return rows
