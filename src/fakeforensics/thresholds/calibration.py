"""How well calibrators that were fitted on validation hold on each test set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from fakeforensics.scores.table import by_test_set, score_columns
from fakeforensics.thresholds.calibrate import (
    Calibrator,
    Kind,
    calibration_errors,
    fit_calibrator,
    reliability,
)

DIGITS = 6
# A temperature stretches a logit; a distance is none, so S_CD has no probability of its own.
KINDS: dict[str, tuple[Kind, ...]] = {
    "sl": ("none", "temperature", "platt", "isotonic"),
    "cd": ("platt", "isotonic"),
    "score": ("platt", "isotonic"),
}


def fit_calibrators(validation: pd.DataFrame) -> dict[tuple[str, Kind], Calibrator]:
    """Fit every calibrator of every score on validation.

    Raises:
        UserError: If a class is absent or a score is not finite.
    """
    labels = validation["label"].to_numpy()
    return {
        (score, kind): fit_calibrator(kind, validation[column].to_numpy(dtype=np.float64), labels)
        for score, column in score_columns(validation).items()
        for kind in KINDS[score]
    }


def calibration_table(
    table: pd.DataFrame, calibrators: dict[tuple[str, Kind], Calibrator]
) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """Calibration errors and reliability diagrams of each test set.

    Args:
        table: The test scores; a set with one class counts as well.
        calibrators: From `fit_calibrators`.

    Returns:
        A row for each score, calibrator and set with ECE, NLL and Brier score; and the diagrams' points:
        score, calibrator, test_set, bin, probability (mean of the bin), fakes (share), images.
    """
    rows: list[dict[str, Any]] = []
    points: list[dict[str, Any]] = []
    columns = score_columns(table)
    for (score, kind), calibrator in calibrators.items():
        for name, images in by_test_set(table):
            labels = images["label"].to_numpy()
            probabilities = calibrator(images[columns[score]].to_numpy(dtype=np.float64))
            where = {"score": score, "calibrator": kind, "test_set": name}
            errors = calibration_errors(probabilities, labels)
            rows.append(where | {key: round(value, DIGITS) for key, value in errors.items()})
            for number, mean, share, count in zip(*reliability(probabilities, labels), strict=True):
                points.append(
                    where
                    | {"bin": int(number), "probability": round(float(mean), DIGITS)}
                    | {"fakes": round(float(share), DIGITS), "images": int(count)}
                )
    return rows, pd.DataFrame(points)
