"""Everything that is measured of a test set, by frame and by video."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from fakeforensics.metrics.intervals import intervals
from fakeforensics.metrics.metrics import average_precision, equal_error_rate, roc_auc, tpr_at_fpr
from fakeforensics.metrics.operating import deployed_threshold, outcome
from fakeforensics.metrics.ranking import rank
from fakeforensics.metrics.spec import Scores
from fakeforensics.metrics.summary import DIGITS
from fakeforensics.metrics.table import VALIDATION, by_test_set, has_both_classes, video_level

LIMITS = {"tpr_at_fpr_1": 0.01, "tpr_at_fpr_5": 0.05}


def details(
    table: pd.DataFrame,
    validation: pd.DataFrame,
    scores: Scores,
    seed: int,
    replicates: int,
    undetected: Mapping[str, Mapping[str, int]] | None = None,
) -> list[dict[str, Any]]:
    """Measure every test set with both classes at frame level, and those with videos at video level too.

    A video's score is the mean over its frames with a found face (of logits, for a score of that scale). A
    frame without a face has no score and is passed over. A video without any face raises no alarm, so it
    counts as called real: for the values `with_undetected` it stands below every scored video. The others,
    and the frame level, are about what was scored.

    Args:
        table: The test scores in the protocol's order of sets.
        validation: The validation scores. Their threshold of highest accuracy is what `accuracy` is measured
            at: chosen at the same level, or by frame where validation has no videos of both classes.
        scores: What the scores are.
        seed: Of the bootstrap.
        replicates: Number of draws.
        undetected: By test set, how many real_videos and fake_videos gave no image; from counts.json.

    Returns:
        A row for each level, score and set: numbers of images (or videos), reals, fakes and groups, AP and
        AUC with 95% intervals, EER, TPR at FPR 1% and 5%, the threshold and the accuracy there. Fractions.
        By video besides: how many reals and fakes are undetected, and all but the intervals with these.

    Raises:
        UserError: If validation has no reals or a score is not finite.
    """
    rows = []
    missing = undetected or {}
    by_video = video_level(validation, scores)
    levels = {
        "frame": (table, validation, "frame"),
        "video": (
            video_level(table, scores),
            *((by_video, "video") if has_both_classes(by_video) else (validation, "frame")),
        ),
    }
    for level, (images, chosen_on, chosen_level) in levels.items():
        kept = images.groupby("test_set", sort=False).filter(has_both_classes).reset_index(drop=True)
        if kept.empty:
            continue
        bounds = intervals(kept, scores, (), seed, replicates)
        for score in scores:
            labels = chosen_on["label"].to_numpy()
            threshold = deployed_threshold(
                rank(chosen_on[score.column].to_numpy(), labels, VALIDATION), "accuracy", VALIDATION
            )
            for name, here in by_test_set(kept):
                values, truth = here[score.column].to_numpy(), here["label"].to_numpy()
                found = _measure(values, truth, threshold)
                rows.append(
                    {"level": level, "score": score.name, "test_set": name, "count": len(here)}
                    | {"reals": int((here["label"] == 0).sum()), "fakes": int((here["label"] == 1).sum())}
                    | {"groups": int(here["group"].nunique())}
                    | {key: round(value, DIGITS) for key, value in found.items()}
                    | {f"{metric}_interval": bounds[metric][score.name][name] for metric in ("ap", "auc")}
                    | {"threshold": threshold, "threshold_chosen_by": chosen_level}
                    | (
                        _undetected(values, truth, threshold, missing.get(name, {}))
                        if level == "video"
                        else {}
                    )
                )
    return rows


def _undetected(
    scores: np.ndarray, labels: np.ndarray, threshold: float, missing: Mapping[str, int]
) -> dict[str, Any]:
    """What the videos without a face make of the metrics: tied below all others, and called real."""
    reals, fakes = (missing.get(f"{name}_videos", 0) for name in ("real", "fake"))
    lowest = np.nextafter(min(float(scores.min()), threshold), -np.inf)
    everything = np.append(scores, np.full(reals + fakes, lowest))
    truth = np.concatenate([labels, np.zeros(reals, labels.dtype), np.ones(fakes, labels.dtype)])
    found = _measure(everything, truth, threshold)
    return {
        "undetected": {"reals": reals, "fakes": fakes},
        "with_undetected": {key: round(value, DIGITS) for key, value in found.items()},
    }


def _measure(scores: np.ndarray, labels: np.ndarray, threshold: float) -> dict[str, float]:
    return {
        "ap": average_precision(scores, labels),
        "auc": roc_auc(scores, labels),
        "eer": equal_error_rate(scores, labels),
        **{name: tpr_at_fpr(scores, labels, limit) for name, limit in LIMITS.items()},
        "accuracy": outcome(scores, labels, threshold).accuracy,
    }
