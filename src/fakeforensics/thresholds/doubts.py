"""Reasons to doubt a detector, from what its training, its validation and its policy record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fakeforensics.metrics.chance import chance_doubt
from fakeforensics.metrics.spec import VALIDATION
from fakeforensics.models.card import REFERENCE
from fakeforensics.models.doubts import epoch_doubt
from fakeforensics.thresholds.policy import Decision


def doubts(card: Mapping[str, Any], metrics: Mapping[str, Any], decision: Decision | None) -> list[str]:
    """What speaks against using a detector, in sentences; usually nothing.

    Args:
        card: From `read_card`.
        metrics: From `metrics/<protocol>/<detector>.json`.
        decision: Its policy, which knows how many validation images and groups there were.
    """
    precision = metrics.get("validation", {}).get("ap") or {}
    ratio = None if decision is None else decision.likelihood_ratio
    groups = None if ratio is None else (ratio.reals, ratio.fakes)
    found = (epoch_doubt(card), chance_doubt(precision, _validation_images(card, decision), groups))
    return [doubt for doubt in found if doubt is not None]


def _validation_images(card: Mapping[str, Any], decision: Decision | None) -> tuple[int, int]:
    """Real and fake validation images: all of them, or those that training saw."""
    measured = None if decision is None else decision.measured_on
    if measured is not None and measured.images == VALIDATION:
        return measured.reals, measured.fakes
    counts = [0, 0]
    for methods in card.get("counts", {}).get("val", {}).values():
        for method, images in methods.items():
            if method != REFERENCE:
                counts[method != "real"] += images
    return counts[0], counts[1]
