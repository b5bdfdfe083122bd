"""Reasons to doubt a detector, from the records of its training, its validation and its policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fakeforensics.metrics.chance import NoEvidence, evidence_against
from fakeforensics.metrics.spec import VALIDATION
from fakeforensics.models.card import REFERENCE
from fakeforensics.models.doubts import epoch_doubt
from fakeforensics.thresholds.policy import Decision


def doubts(card: Mapping[str, Any], metrics: Mapping[str, Any], decision: Decision | None) -> list[str]:
    """Reasons not to use a detector, in sentences; usually there are none.

    Args:
        card: The model's card, from `read_card`.
        metrics: The content of `metrics/<protocol>/<detector>.json`.
        decision: The detector's policy, which records the numbers of validation images and groups; None if
            there is none.
    """
    found = epoch_doubt(card), no_evidence(card, metrics, decision)
    return [str(doubt) for doubt in found if doubt is not None]


def no_evidence(
    card: Mapping[str, Any], metrics: Mapping[str, Any], decision: Decision | None
) -> NoEvidence | None:
    """What speaks against a detector that is not better than chance on validation; see `doubts`."""
    precision = metrics.get("validation", {}).get("ap") or {}
    ratio = None if decision is None else decision.likelihood_ratio
    groups = None if ratio is None else (ratio.reals, ratio.fakes)
    return evidence_against(precision, _validation_images(card, decision), groups)


def _validation_images(card: Mapping[str, Any], decision: Decision | None) -> tuple[int, int]:
    """Numbers of real and fake validation images, from the policy or else from the model's card."""
    measured = None if decision is None else decision.measured_on
    if measured is not None and measured.images == VALIDATION:
        return measured.reals, measured.fakes
    counts = [0, 0]
    for methods in card.get("counts", {}).get("val", {}).values():
        for method, images in methods.items():
            if method != REFERENCE:
                counts[method != "real"] += images
    return counts[0], counts[1]
