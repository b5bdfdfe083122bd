"""Which models there are, and how good they were."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fakeforensics.errors import UserError
from fakeforensics.inference.facts import is_demo
from fakeforensics.inference.trained import Trained, find_models


@dataclass(frozen=True)
class Entry:
    """One model.

    Args:
        directory: Its folder.
        crop: `faces` or `whole`; "" if the card is damaged.
        ap: By the score's label: mean average precision over all test sets and, if there are any, over the
            unseen ones; percent.
        problem: Why it cannot be used; None if it can.
        is_demo: Whether it was trained on the demo's synthetic faces.
    """

    directory: Path
    crop: str
    ap: dict[str, tuple[float, float | None]]
    problem: str | None = None
    is_demo: bool = False


def list_models(root: Path) -> list[Entry]:
    """Every model below `root`, sorted by folder; damaged ones too, with the reason."""
    return [_entry(directory) for directory in find_models(root)]


def _entry(directory: Path) -> Entry:
    trained = Trained(directory)
    try:
        crop = trained.crop
        labels = {score.name: score.label for score in trained.scores}
        measured = trained.metrics.get("ap", {})
    except UserError as error:
        return Entry(directory, "", {}, error.what)
    ap = {
        labels.get(score, score): (100 * float(values["mean"]), _percent(values.get("mean_unseen")))
        for score, values in measured.items()
        if "mean" in values
    }
    return Entry(directory, crop, ap, is_demo=is_demo(trained))


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * float(value)
