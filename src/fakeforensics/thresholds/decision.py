"""The decision policy for inference: score, calibrator and threshold, chosen on validation alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import beta

from fakeforensics.scores.metrics import average_precision
from fakeforensics.scores.operating import Criterion, best_threshold, outcome
from fakeforensics.scores.ranking import rank
from fakeforensics.scores.spec import CalibratorKind, Scores
from fakeforensics.scores.table import VALIDATION
from fakeforensics.thresholds.calibrate import calibration_errors
from fakeforensics.thresholds.calibration import Calibrators

CHOSEN = {
    "accuracy": "highest accuracy on the validation images",
    "f1": "highest F1 on the validation images",
    "youden": "highest Youden's J on the validation images",
    "eer": "equal error rates on the validation images",
}


def decide(
    validation: pd.DataFrame,
    scores: Scores,
    calibrators: Calibrators,
    criterion: Criterion,
    kind: CalibratorKind,
) -> dict[str, Any]:
    """Choose score, calibrator and threshold.

    The score is the one with the highest average precision on validation. Ties go to the score that
    the detector lists last.

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
        UserError: If a class is absent or a score is not finite.
    """
    labels = validation["label"].to_numpy()
    precision = [
        round(average_precision(validation[score.column].to_numpy(), labels, VALIDATION), 9)
        for score in scores
    ]
    _, last_best = max(zip(precision, range(len(scores)), strict=True))
    score = scores[last_best]
    values = validation[score.column].to_numpy(dtype=np.float64)
    threshold = best_threshold(rank(values, labels, VALIDATION), criterion, VALIDATION)
    found = outcome(values, labels, threshold)
    suitable = [one for one in (kind, "platt") if one in score.calibrators]
    used = calibrators[score.name, suitable[0] if suitable else score.calibrators[-1]]
    reals = int(np.count_nonzero(labels == 0))
    return {
        "score": score.name,
        "threshold": threshold,
        "chosen": CHOSEN[criterion],
        "calibrator": used.as_dict(),
        "expected_fpr": round(found.fpr, 6),
        "expected_fpr_upper": round(_upper(round(found.fpr * reals), reals), 6),
        "expected_fnr": round(found.fnr, 6),
        "expected_calibration_error": round(calibration_errors(used(values), labels)["ece"], 6),
        "measured_on": {"reals": reals, "fakes": labels.size - reals, "images": "validation"},
    }


def _upper(events: int, trials: int) -> float:
    """Clopper and Pearson's one-sided 95% bound of a rate."""
    return 1.0 if events == trials else float(beta.ppf(0.95, events + 1, trials - events))
