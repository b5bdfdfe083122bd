"""The threshold to use and its error rates on each test set: reals called fake and fakes found."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from fakeforensics.errors import UserError
from fakeforensics.metrics.bootstrap import group_names
from fakeforensics.metrics.operating import outcome, validation_threshold
from fakeforensics.metrics.proportion import exact_interval
from fakeforensics.metrics.table import by_test_set, has_both_classes
from fakeforensics.thresholds.conformal import conformal_cuts
from fakeforensics.wording import percent


@dataclass(frozen=True)
class SetRates:
    """The error rates of a threshold on a test set, as fractions.

    Attributes:
        test_set: The set's name.
        fpr: Share of its reals that are called fake.
        low: Lower end of the 95% interval of `fpr`. The interval counts a group of images as one image.
        high: Upper end of that interval.
        recall: Share of its fakes that are called fake.
    """

    test_set: str
    fpr: float
    low: float
    high: float
    recall: float


@dataclass(frozen=True)
class Advice:
    """A threshold that was chosen on validation, and its error rates on the test sets.

    Attributes:
        threshold: Images that score at least this are called fake.
        chosen: How it was chosen, in words.
        sets: Its error rates on each test set with both classes.
    """

    threshold: float
    chosen: str
    sets: tuple[SetRates, ...]

    def as_json(self) -> dict[str, Any]:
        """The fields; rates have six digits."""
        rates = [
            {name: value if name == "test_set" else round(value, 6) for name, value in asdict(one).items()}
            for one in self.sets
        ]
        return {"threshold": self.threshold, "chosen": self.chosen, "sets": rates}

    def __str__(self) -> str:
        return f"Use {self.threshold:.9g}: {self.chosen}. {rates_text(self.sets)}"


def advise(
    test: pd.DataFrame, validation: pd.DataFrame | None, column: str, fpr: float | None = None
) -> Advice | None:
    """Choose a threshold on validation and measure it on the test sets.

    Args:
        test: Score table of test sets with both classes.
        validation: Score table of the validation images; None if there are none.
        column: The score's column in both tables.
        fpr: The largest expected share of reals like validation's that may be called fake, in (0, 1). None
            chooses the threshold with the highest accuracy on validation.

    Returns:
        None if no `fpr` is given and there is no validation with both classes.

    Raises:
        UserError: If `fpr` is given and there is no validation, or too few independent reals for that rate.
    """
    if fpr is None and (validation is None or not has_both_classes(validation)):
        return None
    if validation is None:
        raise UserError(
            "a false-positive rate needs real validation images", expected="rows whose split is val"
        )
    if fpr is None:
        threshold = validation_threshold(validation, column)
        chosen = "highest accuracy on validation"
    else:
        threshold = _threshold_at(validation, column, fpr)
        chosen = f"at most {fpr:.2%} of reals like validation's are called fake"
    return Advice(threshold, chosen, set_rates(test, column, threshold))


def set_rates(test: pd.DataFrame, column: str, threshold: float) -> tuple[SetRates, ...]:
    """The error rates of a threshold on each test set.

    Args:
        test: Score table of test sets with both classes.
        column: The score's column.
        threshold: Images that score at least this are called fake.
    """
    sets = []
    for name, rows in by_test_set(test):
        rates = outcome(rows[column].to_numpy(), rows["label"].to_numpy(), threshold)
        low, high = exact_interval(rates.fpr, _count_groups(rows[rows["label"] == 0]))
        sets.append(SetRates(str(name), rates.fpr, low, high, rates.recall))
    return tuple(sets)


def rates_text(sets: Sequence[SetRates], label: Callable[[str], str] = str) -> str:
    """The range of the error rates over the test sets, in a sentence.

    Args:
        sets: The rates of at least one test set.
        label: The name to show for a test set.
    """
    worst = max(sets, key=lambda one: (one.fpr, one.high, one.test_set))
    where, of = f"the {len(sets)} test sets", f" for {label(worst.test_set)}"
    if len(sets) == 1:
        where, of = f"the test set {label(worst.test_set)}", ""
    called = _range([(one.fpr, label(one.test_set)) for one in sets])
    found = _range([(one.recall, label(one.test_set)) for one in sets])
    return (
        f"On {where}: {called} of the reals called fake (95% interval{of}: {percent(worst.low)} to "
        f"{percent(worst.high)}), and {found} of the fakes found."
    )


def _range(shares: Sequence[tuple[float, str]]) -> str:
    """The lowest and the highest share with their names; one share without a name if all read the same."""
    low, high = min(shares), max(shares)
    if percent(low[0]) == percent(high[0]):
        return percent(low[0])
    return f"{percent(low[0])} ({low[1]}) to {percent(high[0])} ({high[1]})"


def _threshold_at(validation: pd.DataFrame, column: str, fpr: float) -> float:
    reals = validation[validation["label"] == 0]
    groups = pd.factorize(group_names(reals))[0]
    cut = conformal_cuts(reals[column].to_numpy(np.float64), np.zeros(len(reals), np.int8), groups, [fpr])[0]
    if cut.fake_from is None:
        raise UserError(
            f"no threshold guarantees a false-positive rate of {fpr:g}",
            expected=f"{math.ceil(1 / fpr - 1e-9) - 1} independent reals in validation or more",
            found=f"{_count_groups(reals)}",
            fix="ask for a higher rate, or add reals",
        )
    return cut.fake_from


def _count_groups(rows: pd.DataFrame) -> int:
    return len(np.unique(group_names(rows).astype(str)))
