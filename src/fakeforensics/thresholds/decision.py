"""The policy that inference goes by: which score, how calibrated, cut where; chosen on validation alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import beta

from fakeforensics.scores.metrics import average_precision
from fakeforensics.scores.operating import Criterion, best_threshold, outcome
from fakeforensics.scores.ranking import rank
from fakeforensics.scores.table import VALIDATION, score_columns
from fakeforensics.thresholds.calibrate import Calibrator, Kind, calibration_errors

CHOSEN = {
    "accuracy": "highest accuracy on the validation images",
    "f1": "highest F1 on the validation images",
    "youden": "highest Youden's J on the validation images",
    "eer": "equal error rates on the validation images",
}


def decide(
    validation: pd.DataFrame,
    calibrators: dict[tuple[str, Kind], Calibrator],
    criterion: Criterion,
    kind: Kind,
) -> dict[str, Any]:
    """Choose score, calibrator and threshold.

    The score is the one with the higher average precision on validation; S_CD if they are equal, as the
    thesis finds it to carry further to unseen methods.

    Args:
        validation: The validation scores.
        calibrators: Fitted on them.
        criterion: What the threshold maximises.
        kind: The calibrator; Platt's instead of a temperature for a score that is not a logit.

    Returns:
        score, threshold (in the score's own scale; fake from there on), chosen, calibrator, expected_fpr with
        an upper 95% bound, expected_fnr and expected_calibration_error, all measured on validation: on reals
        of another kind, or methods unseen, they do not hold.

    Raises:
        UserError: If a class is absent or a score is not finite.
    """
    labels = validation["label"].to_numpy()
    columns = score_columns(validation)
    precision = {
        score: average_precision(validation[column].to_numpy(), labels, VALIDATION)
        for score, column in columns.items()
    }
    score = max(columns, key=lambda name: (round(precision[name], 9), name == "cd"))
    values = validation[columns[score]].to_numpy(dtype=np.float64)
    threshold = best_threshold(rank(values, labels, VALIDATION), criterion, VALIDATION)
    found = outcome(values, labels, threshold)
    used = calibrators.get((score, kind)) or calibrators[score, "platt"]
    reals = int(np.count_nonzero(labels == 0))
    return {
        "score": score,
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
