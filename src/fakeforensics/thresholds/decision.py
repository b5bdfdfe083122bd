"""The decision policy for inference: score, calibrator and threshold, chosen on validation alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import beta

from fakeforensics.metrics.metrics import average_precision
from fakeforensics.metrics.operating import ONE_CLASS_FPR, Criterion, deployed_threshold
from fakeforensics.metrics.ranking import rank
from fakeforensics.metrics.spec import CalibratorKind, Scores, ScoreSpec
from fakeforensics.metrics.table import VALIDATION
from fakeforensics.thresholds.calibrate import calibration_errors
from fakeforensics.thresholds.calibration import Calibrators

CHOSEN = {
    "accuracy": "highest accuracy on the validation images",
    "f1": "highest F1 on the validation images",
    "youden": "highest Youden's J on the validation images",
    "eer": "equal error rates on the validation images",
}
CHOSEN_ON_REALS = f"about {100 * ONE_CLASS_FPR:g}% of the validation reals called fake"


def decide(
    validation: pd.DataFrame,
    scores: Scores,
    calibrators: Calibrators,
    criterion: Criterion,
    kind: CalibratorKind,
) -> dict[str, Any]:
    """Choose score, calibrator and threshold.

    The score is the one with the highest average precision on validation. Ties go to the score that
    the detector lists last. Without validation fakes it is the detector's first score, and nothing is
    calibrated.

    Args:
        validation: The validation scores.
        scores: What the scores are.
        calibrators: Fitted on them.
        criterion: What the threshold maximises.
        kind: The calibrator that is wanted. A score that it does not suit gets Platt's instead, or its last
            one if that does not suit it either.

    Returns:
        score, threshold (on the score's own scale; fake from there on), chosen, calibrator, expected_fpr with
        an upper 95% bound, expected_fnr and expected_calibration_error, all measured on validation: on reals
        of another kind, or methods unseen, they do not hold.

    Raises:
        UserError: If there are no reals, or a score is not finite.
    """
    labels = validation["label"].to_numpy()
    fakes = int(np.count_nonzero(labels))
    score = _best_score(validation, scores) if fakes else scores[0]
    values = validation[score.column].to_numpy(dtype=np.float64)
    threshold = deployed_threshold(rank(values, labels, VALIDATION), criterion, VALIDATION)
    false_alarms, reals = int(np.count_nonzero(values[labels == 0] >= threshold)), labels.size - fakes
    missed = int(np.count_nonzero(values[labels == 1] < threshold))
    suitable = [one for one in (kind, "platt") if one in score.calibrators]
    used = calibrators.get((score.name, suitable[0] if suitable else score.calibrators[-1]))
    error = None if used is None else calibration_errors(used(values), labels)["ece"]
    return {
        "score": score.name,
        "threshold": threshold,
        "chosen": CHOSEN[criterion] if fakes else CHOSEN_ON_REALS,
        "calibrator": None if used is None else used.as_dict(),
        "expected_fpr": round(false_alarms / reals, 6),
        "expected_fpr_upper": round(_upper(false_alarms, reals), 6),
        "expected_fnr": round(missed / fakes, 6) if fakes else None,
        "expected_calibration_error": None if error is None else round(error, 6),
        "measured_on": {"reals": reals, "fakes": fakes, "images": "validation"},
    }


def _best_score(validation: pd.DataFrame, scores: Scores) -> ScoreSpec:
    labels = validation["label"].to_numpy()
    precision = [
        round(average_precision(validation[score.column].to_numpy(), labels, VALIDATION), 9)
        for score in scores
    ]
    _, last_best = max(zip(precision, range(len(scores)), strict=True))
    return scores[last_best]


def _upper(events: int, trials: int) -> float:
    """Clopper and Pearson's one-sided 95% bound of a rate."""
    return 1.0 if events == trials else float(beta.ppf(0.95, events + 1, trials - events))
