"""Reasons to doubt that a detector has learned anything, from its training and its validation."""

from __future__ import annotations

from collections import Counter

from fakeforensics.inference.package import Package


def doubts(package: Package) -> list[str]:
    """What speaks against using a detector, in sentences; usually nothing.

    Raises:
        UserError: If the card or the metrics are damaged.
    """
    found = []
    epochs = package.raw_card.get("epochs", 1)
    if epochs > 1 and package.raw_card.get("best_epoch") == 0:
        found.append(
            f"Training kept the first of its {epochs} epochs: no later one was better on validation, so more "
            "training did not help."
        )
    classes: Counter[bool] = Counter()
    for methods in package.card.counts.get("val", {}).values():
        for method, images in methods.items():
            classes[method != "real"] += images
    precision = package.metrics.get("validation", {}).get("ap") or {}
    if precision and classes[True] and classes[False]:
        best, chance = 100 * max(precision.values()), 100 * classes[True] / classes.total()
        if best <= chance:
            found.append(
                f"The average precision on validation, {best:.1f}, is not above chance, {chance:.1f}: the "
                "detector does not tell even the methods that it was trained on from real images."
            )
    return found
