"""Calibrators and the decision policy, fitted on validation; calibration errors on the test sets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.optimize import minimize, minimize_scalar
from scipy.special import logit, xlogy

from fakeforensics.errors import UserError
from fakeforensics.metrics.operating import CRITERIA, ONE_CLASS_FPR, Criterion, validation_threshold
from fakeforensics.metrics.proportion import upper_limit
from fakeforensics.metrics.ranking import average_precision, check_both_classes
from fakeforensics.metrics.spec import VALIDATION, CalibratorKind, Scores
from fakeforensics.metrics.table import by_test_set
from fakeforensics.thresholds.adapt import is_constant
from fakeforensics.thresholds.policy import Calibrator, Decision, MeasuredOn

Calibrators = dict[tuple[str, CalibratorKind], Calibrator]  # by the score's name and the kind

DIGITS = 6
POINTS = ("score", "calibrator", "test_set", "bin", "probability", "fakes", "images")
CHOSEN_ON_REALS = f"about {100 * ONE_CLASS_FPR:g}% of the validation reals called fake"
_SURE = 1e-6  # probabilities are kept this far from 0 and 1, where the log loss would be infinite
_LARGE = 30.0  # larger scores are scaled down, because they would make the minimizer's first step too large
_ORDINARY = (1e-3, 1e3)  # scores of this size are not scaled, because that would change the last digits
_TIGHT = 64 * np.finfo(np.float64).eps


def fit_calibrators(validation: pd.DataFrame, scores: Scores) -> Calibrators:
    """Fit every calibrator that suits a score, for every score, on validation.

    Without validation fakes the result is empty: a probability of fake cannot be fitted on reals alone.

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


def fit_calibrator(
    kind: CalibratorKind, scores: Float[np.ndarray, " n"], labels: Int[np.ndarray, " n"]
) -> Calibrator:
    """Fit a calibrator to validation scores.

    Args:
        kind: The kind of calibrator; `none` and `temperature` are meant for logits only.
        scores: Finite, on any scale; higher is more likely fake.
        labels: 0 real, 1 fake.

    Returns:
        A non-decreasing function. If all fakes score below all reals, or all scores are equal, every
        probability is validation's share of fakes. The kind `none` is always a plain sigmoid.

    Raises:
        UserError: If a class is absent or a score is not finite.
    """
    check_both_classes(scores, labels, VALIDATION)
    if kind == "none":
        return Calibrator(kind=kind)
    unit = _unit(scores)
    scaled = scores / unit
    if kind == "isotonic":
        from sklearn.isotonic import IsotonicRegression

        fitted = IsotonicRegression(out_of_bounds="clip").fit(scaled, labels)
        x = (unit * fitted.X_thresholds_).tolist()
        return Calibrator(kind=kind, x=x, y=fitted.y_thresholds_.tolist())
    fit = _fit_temperature if kind == "temperature" else _fit_platt
    slope, intercept = fit(scaled, labels)
    if slope <= 0:
        slope, intercept = 0.0, float(logit(np.mean(labels)))
    return Calibrator(kind=kind, slope=slope / unit, intercept=intercept)


def _unit(scores: Float[np.ndarray, " n"]) -> float:
    """The unit to divide scores by: 1, or a power of two if their median size is not in `_ORDINARY`.

    It is needed because the minimizers stop at absolute tolerances, and isotonic regression merges scores
    that differ by 1e-15. Division by a power of two does not round.
    """
    size = float(np.median(np.abs(scores[scores != 0]))) if scores.any() else 1.0
    return 1.0 if _ORDINARY[0] <= size <= _ORDINARY[1] else math.ldexp(1.0, math.frexp(size)[1])


def _fit_temperature(scores: Float[np.ndarray, " n"], labels: Int[np.ndarray, " n"]) -> tuple[float, float]:
    """The slope with the lowest log loss, or 0 if fakes do not score above reals, and an intercept of 0.

    Source:
        Guo, Pleiss, Sun and Weinberger, On calibration of modern neural networks, ICML 2017.
    """
    sign = np.where(labels == 1, 1.0, -1.0)

    def loss(log_half_slope: float) -> float:
        half = np.exp(log_half_slope) * scores  # the two classes have the logits -half and half
        size = np.abs(half)
        return float(np.mean(np.log(1 + np.exp(-2 * size)) + size - sign * half))

    if scores[labels == 1].mean() <= scores[labels == 0].mean():  # where Platt's slope is not positive either
        return 0.0, 0.0
    return 2 * float(np.exp(minimize_scalar(loss, bounds=(-10.0, 10.0), options={"xatol": _TIGHT}).x)), 0.0


def _fit_platt(scores: Float[np.ndarray, " n"], labels: Int[np.ndarray, " n"]) -> tuple[float, float]:
    """Slope and intercept with the lowest log loss against Platt's smoothed labels.

    Both are 0 for constant scores.

    Source:
        Platt, Probabilistic outputs for support vector machines and comparisons to regularized likelihood
        methods, Advances in Large Margin Classifiers, 1999.
    """
    fakes = int(np.count_nonzero(labels))
    reals = labels.size - fakes
    targets = np.where(labels == 1, (fakes + 1) / (fakes + 2), 1 / (reals + 2))
    largest = float(np.abs(scores).max())
    center, scale = 0.0, largest if largest >= _LARGE else 1.0
    if is_constant(scores):
        return 0.0, 0.0
    if (deviation := float(scores.std())) < _ORDINARY[0] * scale:  # far closer to each other than to 0
        center, scale = float(scores.mean()), deviation
    scaled = (scores - center) / scale

    def loss_and_gradient(line: np.ndarray) -> tuple[float, np.ndarray]:
        logits = line[0] * scaled + line[1]
        # This never overflows. Splitting at -2 as scikit-learn does gives the same digits.
        low = logits <= -2
        power = np.exp(np.where(low, logits, -logits))
        loss = np.log1p(power) + np.where(low, -targets * logits, (1 - targets) * logits)
        error = np.where(low, (1 - targets) * power - targets, 1 - targets - targets * power) / (1 + power)
        return float(loss.sum()), np.array([error @ scaled, error.sum()])

    start = np.array([0.0, -math.log((reals + 1) / (fakes + 1))])
    options = {"gtol": 1e-6, "ftol": _TIGHT}
    found = minimize(loss_and_gradient, start, method="L-BFGS-B", jac=True, options=options).x
    slope = float(found[0] / scale)
    return slope, float(found[1]) - slope * center


def calibration_errors(
    probabilities: Float[np.ndarray, " n"], labels: Int[np.ndarray, " n"], bins: int = 15
) -> dict[str, float]:
    """The distance of probabilities from frequencies, by three measures.

    Args:
        probabilities: Probabilities of fake, in [0, 1]. Only for the log loss they are kept 1e-6 away from 0
            and 1.
        labels: 0 real, 1 fake; one class is enough.
        bins: Number of bins of equal width.

    Returns:
        `ece`: expected calibration error, the mean over all images of the gap between mean probability and
        share of fakes in the image's bin, in [0, 1]. `nll`: negative log-likelihood, the mean log loss in
        nats. `brier`: Brier score, the mean squared error, in [0, 1].

    Raises:
        UserError: If there is no image.

    Source:
        Naeini, Cooper and Hauskrecht, Obtaining well calibrated probabilities using Bayesian binning, AAAI
        2015.
    """
    if not probabilities.size:
        raise UserError("there is no probability to judge")
    _, mean, fakes, count = reliability(probabilities, labels, bins)
    safe = np.clip(probabilities, _SURE, 1 - _SURE)
    return {
        "ece": float(count @ np.abs(mean - fakes) / probabilities.size),
        "nll": float(-np.mean(xlogy(labels, safe) + xlogy(1 - labels, 1 - safe))),
        "brier": float(np.mean((probabilities - labels) ** 2)),
    }


def reliability(
    probabilities: Float[np.ndarray, " n"], labels: Int[np.ndarray, " n"], bins: int = 15
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The points of a reliability diagram.

    Args:
        probabilities: Probabilities of fake, in [0, 1].
        labels: 0 real, 1 fake.
        bins: Number of bins of equal width.

    Returns:
        For each bin that is not empty: its number from 0, the mean probability, the share of fakes and the
        number of images.
    """
    place = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    used = np.flatnonzero(count)
    mean = np.bincount(place, probabilities, minlength=bins)[used] / count[used]
    fakes = np.bincount(place, labels, minlength=bins)[used] / count[used]
    return used, mean, fakes, count[used]


def calibration_table(
    table: pd.DataFrame, scores: Scores, calibrators: Calibrators
) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """Calibration errors and reliability diagrams of each test set, including sets with one class.

    Args:
        table: The score table of the test images.
        scores: The scores that it holds.
        calibrators: The fitted calibrators.

    Returns:
        A row for each score, calibrator and test set with the values of `calibration_errors`; and the points
        of the diagrams with the columns score, calibrator, test_set, bin, probability (mean of the bin),
        fakes (share) and images (number).
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
            for number, mean, fakes, count in zip(*reliability(probabilities, labels), strict=True):
                points.append(
                    where
                    | {"bin": int(number), "probability": round(float(mean), DIGITS)}
                    | {"fakes": round(float(fakes), DIGITS), "images": int(count)}
                )
    return rows, pd.DataFrame(points, columns=list(POINTS))


def decide(
    validation: pd.DataFrame,
    scores: Scores,
    calibrators: Calibrators,
    criterion: Criterion,
    kind: CalibratorKind,
) -> Decision:
    """Choose score, calibrator and threshold on validation alone.

    The score is the one with the highest average precision on validation. Ties go to the score that the
    detector lists last. Without validation fakes it is the detector's first score, and nothing is calibrated.

    Args:
        validation: The score table of the validation images.
        scores: The scores that it holds.
        calibrators: Calibrators fitted on validation.
        criterion: What the threshold maximizes.
        kind: The preferred calibrator. If it does not suit the score, `platt` is used; if that does not suit
            it either, the last calibrator that the score lists.

    Returns:
        The policy. Its expected error rates are measured on validation, with Clopper and Pearson's upper
        bound. They do not hold for reals of another kind or for unseen methods.

    Raises:
        UserError: If there are no reals, or a score is not finite.
    """
    labels = validation["label"].to_numpy()
    fakes = int(np.count_nonzero(labels))
    reals = labels.size - fakes
    score = scores[0]
    if fakes:
        ranked = [(average_precision(validation[one.column].to_numpy(), labels), one) for one in scores]
        score = max(reversed(ranked), key=lambda pair: round(pair[0], DIGITS + 3))[1]
    values = validation[score.column].to_numpy(dtype=np.float64)
    threshold = validation_threshold(validation, score.column, criterion)
    false_alarms = int(np.count_nonzero(values[labels == 0] >= threshold))
    missed = int(np.count_nonzero(values[labels == 1] < threshold))
    suitable = [one for one in (kind, "platt") if one in score.calibrators]
    used = calibrators.get((score.name, suitable[0] if suitable else score.calibrators[-1]))
    error = None if used is None else round(calibration_errors(used(values), labels)["ece"], DIGITS)
    return Decision(
        score=score.name,
        threshold=threshold,
        chosen=f"{CRITERIA[criterion]} on the validation images" if fakes else CHOSEN_ON_REALS,
        calibrator=used,
        expected_fpr=round(false_alarms / reals, DIGITS),
        expected_fpr_upper=round(upper_limit(false_alarms, reals), DIGITS),
        expected_fnr=round(missed / fakes, DIGITS) if fakes else None,
        expected_calibration_error=error,
        measured_on=MeasuredOn(reals=reals, fakes=fakes, images=VALIDATION),
    )
