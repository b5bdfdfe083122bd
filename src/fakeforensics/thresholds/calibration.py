"""How well calibrators that were fitted on validation hold on each test set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from fakeforensics.metrics.spec import CalibratorKind, Scores
from fakeforensics.metrics.table import by_test_set
from fakeforensics.thresholds.calibrate import Calibrator, calibration_errors, fit_calibrator, reliability

DIGITS = 6
POINTS = ("score", "calibrator", "test_set", "bin", "probability", "fakes", "images")
Calibrators = dict[tuple[str, CalibratorKind], Calibrator]  # by name of the score and kind


def fit_calibrators(validation: pd.DataFrame, scores: Scores) -> Calibrators:
    """Fit every calibrator of every score on validation.

    Args:
        validation: The validation scores.
        scores: What the scores are, and which calibrators suit them.

    Returns:
        Nothing without validation fakes: a probability of fake cannot be fitted on reals alone.

    Raises:
        UserError: If there are no reals, or a score is not finite.
    """
    labels = validation["label"].to_numpy()
    if (labels == 0).all():
        return {}
    return {
        (score.name, kind): fit_calibrator(kind, validation[score.column].to_numpy(dtype=np.float64), labels)
        for score in scores
        for kind in score.calibrators
    }


def calibration_table(
    table: pd.DataFrame, scores: Scores, calibrators: Calibrators
) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """Calibration errors and reliability diagrams of each test set.

    Args:
        table: The test scores; a set with one class counts as well.
        scores: What the scores are.
        calibrators: From `fit_calibrators`.

    Returns:
        A row for each score, calibrator and set with ECE, NLL and Brier score; and the diagrams' points:
        score, calibrator, test_set, bin, probability (mean of the bin), fakes (share), images.
    """
    rows: list[dict[str, Any]] = []
    points: list[dict[str, Any]] = []
    columns = {score.name: score.column for score in scores}
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
    return rows, pd.DataFrame(points, columns=list(POINTS))
