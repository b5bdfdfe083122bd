"""Verdicts with stated error rates, from a conformal threshold (a cut) for reals and one for fakes.

A score is inconclusive if it is compatible with both classes, or with neither. `verdict_table` measures the
errors and the inconclusive verdicts on each test set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int, Shaped

from fakeforensics.metrics.bootstrap import group_names
from fakeforensics.metrics.spec import ScoreSpec
from fakeforensics.metrics.table import by_test_set, has_both_classes
from fakeforensics.params import ThresholdsParams
from fakeforensics.thresholds.known_reals import conformal_draws, draw_known_reals, fill_unjudged
from fakeforensics.thresholds.likelihood import group_weights
from fakeforensics.thresholds.policy import ConformalCut
from fakeforensics.thresholds.targets import Target

Row = dict[str, Any]
Vector = Float[np.ndarray, " n"]
Labels = Shaped[np.ndarray, " n"]
Groups = Int[np.ndarray, " n"]

DIGITS = 6


def upper_cut(scores: Vector, weights: Vector, error_rate: float) -> float | None:
    """The lowest score that is not compatible with a class, at a stated error rate.

    The p-value of a score is (1 + W) / (1 + G), where W is the total weight of the images that score at least
    as high, and G the number of groups. Let an image come from another group that is exchangeable with these.
    The probability that its p-value is at most `error_rate` is at most `error_rate`, whatever the
    distribution of scores. The guarantee holds for the mean over draws of the groups.

    Args:
        scores: Scores of images of the class.
        weights: 1 over the number of images of the class in the image's group, so that a group counts once.
        error_rate: The stated error rate, in (0, 1).

    Returns:
        The lowest score whose p-value is at most `error_rate`; None if there is none, such as with fewer than
        1 / `error_rate` − 1 groups.

    Source:
        Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005. For groups: Lee, Barber and
        Willett, Distribution-free inference with hierarchical data, 2023.
    """
    values, place = np.unique(scores, return_inverse=True)
    by_value = np.bincount(place, weights)
    # Sums of thirds and rates such as 0.1 are not exact in binary.
    allowed = error_rate * (1 + by_value.sum()) - 1 + 1e-9
    if allowed < 0:
        return None
    above = np.cumsum(by_value[::-1])[::-1]
    return float(np.nextafter(values[above > allowed][-1], np.inf))


def conformal_cuts(
    scores: Vector, labels: Labels, groups: Groups, rates: Sequence[float]
) -> tuple[ConformalCut, ...]:
    """The cuts for each error rate.

    Args:
        scores: Finite; higher is more likely fake.
        labels: 0 real, 1 fake.
        groups: The group number of each image.
        rates: Error rates, in (0, 1).

    Returns:
        For each rate the cut of the reals and the cut of the fakes. A cut is None if its class has no images,
        or too few groups for the rate.
    """
    weights = group_weights(labels, groups)
    cuts = []
    for rate in rates:
        found: list[float | None] = []
        for label, sign in ((0, 1), (1, -1)):
            mine = labels == label
            cut = upper_cut(sign * scores[mine], weights[mine], rate) if mine.any() else None
            found.append(None if cut is None else sign * cut)
        cuts.append(ConformalCut(error_rate=rate, fake_from=found[0], real_to=found[1]))
    return tuple(cuts)


def fit_conformal(
    validation: pd.DataFrame, score: ScoreSpec, params: ThresholdsParams
) -> tuple[ConformalCut, ...]:
    """The cuts of a score on validation, for each error rate in the settings.

    Args:
        validation: The score table of the validation images.
        score: The score.
        params: The settings: `false_positive_rates` and `inconclusive`.
    """
    rates = {*params.false_positive_rates} | ({params.inconclusive} if params.inconclusive else set())
    return conformal_cuts(
        validation[score.column].to_numpy(dtype=np.float64),
        validation["label"].to_numpy(),
        pd.factorize(group_names(validation))[0],
        sorted(rates),
    )


def verdict_table(
    table: pd.DataFrame,
    score: ScoreSpec,
    cuts: Sequence[ConformalCut],
    params: ThresholdsParams,
    seed: int,
) -> list[Row]:
    """Errors and inconclusive verdicts of a score on each test set.

    Args:
        table: The score table of the test images, with the test sets in the protocol's order.
        score: The deciding score.
        cuts: The cuts from validation.
        params: The settings: the numbers of known reals of a test set that replace validation's reals
            (`known_reals`), and the number of random draws of them (`draws`).
        seed: Seed of the draws.

    Returns:
        A row for each error rate, origin of the reals' cut and test set. The origin is `validation`, or
        `reals_k` and the number of known reals of the test set. A row has the shares of the reals called fake
        and inconclusive, and of the fakes called real and inconclusive; `inconclusive` is the share of all
        images. Shares of an absent class are left out. A number of known reals has no rows if it is too small
        for the rate, or leaves too few reals to measure on.
    """
    unit = pd.factorize(group_names(table))[0]
    rows: list[Row] = []
    for name, images in by_test_set(table):
        values, labels = images[score.column].to_numpy(dtype=np.float64), images["label"].to_numpy()
        fake = labels == 1
        for cut in cuts:
            beyond = np.zeros(fake.size) if cut.fake_from is None else (values >= cut.fake_from).astype(float)
            rows.append(_head(score, cut, "validation", name) | _shares(values, fake, beyond, cut))
        if not has_both_classes(images):
            continue
        target = Target(name, values, fake, unit[images.index], unit[images.index])
        rates = tuple(cut.error_rate for cut in cuts)
        for size in params.known_reals:
            known = draw_known_reals(target, size, params.draws, seed)
            draws = {} if isinstance(known, str) else conformal_draws(target, known, rates)
            for cut in cuts:
                if cut.error_rate in draws:
                    beyond = fill_unjudged(draws[cut.error_rate].called, fake)
                    rows.append(
                        _head(score, cut, f"reals_k{size}", name) | _shares(values, fake, beyond, cut)
                    )
    return rows


def _head(score: ScoreSpec, cut: ConformalCut, reals_from: str, test_set: str) -> Row:
    return {
        "score": score.name,
        "error_rate": cut.error_rate,
        "reals_from": reals_from,
        "test_set": test_set,
    }


def _shares(values: Vector, fake: Shaped[np.ndarray, " n"], beyond: Vector, cut: ConformalCut) -> Row:
    """Shares of verdicts; `beyond` is the probability that an image scores at or above the reals' cut."""
    below = np.zeros(fake.size, dtype=bool) if cut.real_to is None else values <= cut.real_to
    called_fake, called_real = np.where(below, 0.0, beyond), np.where(below, 1 - beyond, 0.0)
    inconclusive = 1 - called_fake - called_real
    row: Row = {}
    for label, mine, wrong in (("reals", ~fake, called_fake), ("fakes", fake, called_real)):
        if mine.any():
            error = "called_fake" if label == "reals" else "called_real"
            row |= {
                f"{label}_{error}": wrong[mine].mean(),
                f"{label}_inconclusive": inconclusive[mine].mean(),
            }
    row["inconclusive"] = inconclusive.mean()
    return {name: round(float(value), DIGITS) for name, value in row.items()}
