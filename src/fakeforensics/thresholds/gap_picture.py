"""The picture of the gap between validation's threshold and the oracle's, and of what closes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from fakeforensics.metrics.spec import Scores
from fakeforensics.thresholds.pictures import COLORS, draw_nothing, save, titles

NAMES = {
    "oracle": "oracle (bound)",
    "validation": "validation",
    "universal_mean": "universal, mean",
    "universal_worst": "universal, worst case",
    "prior_shift": "unlabelled: prior-shift EM",
    "mixture": "unlabelled: two Gaussians",
    "valley": "unlabelled: valley",
    "standardise": "unlabelled: standardised",
}
WORST = -2.0  # below, how much worse than validation a rule is does not matter
SHARES = {"own": "as it is", "0.01": "1%", "0.1": "10%", "0.5": "50%", "0.9": "90%"}


def draw_gap(summary: list[dict[str, Any]], scores: Scores, path: Path) -> None:
    """Draw mean accuracy with its interval, and the share of the gap that is closed at each share of fakes.

    Args:
        summary: From `deployable`.
        scores: What the scores are.
        path: The PNG to write.
    """
    views = list(dict.fromkeys(row["score"] for row in summary))
    if not views:
        draw_nothing("No test set holds both reals and fakes.", path)
        return
    rules = list(dict.fromkeys(row["rule"] for row in summary))
    size = (12, (1.4 + 0.3 * len(rules)) * len(views))
    figure, axes = plt.subplots(len(views), 2, figsize=size, squeeze=False, layout="constrained")
    for (left, right), view in zip(axes, views, strict=True):
        mine = [row for row in summary if row["score"] == view]
        _draw_accuracy(left, [row for row in mine if row["fake_share"] == "own"], rules)
        left.set_title(f"{titles(scores)[view]}\nmean accuracy over the sets as they are", fontsize=9)
        _draw_closed(right, mine, rules)
    save(figure, path)


def _draw_accuracy(axis: Any, rows: list[dict[str, Any]], rules: list[str]) -> None:
    place = {rule: number for number, rule in enumerate(rules)}
    for row in rows:
        low, high = row["accuracy_interval"]
        color = COLORS[4] if row["leans_on_fake_share"] else COLORS[0]
        complete = row["sets"] == row["of_sets"]
        axis.plot([low, high], [place[row["rule"]]] * 2, color=color, linewidth=2)
        axis.plot(
            row["accuracy"],
            place[row["rule"]],
            "o",
            color=color,
            markerfacecolor=color if complete else "white",
        )
        if row["rule"] in ("validation", "oracle"):
            axis.axvline(row["accuracy"], color="gray", linewidth=0.8, linestyle="--")
    axis.set_xlabel("accuracy (orange leans on the share of fakes; hollow: not all sets)", fontsize=8)
    axis.set_yticks(range(len(rules)), [_name(rule) for rule in rules], fontsize=8)
    axis.set_ylim(len(rules) - 0.5, -0.5)
    axis.grid(axis="x", linewidth=0.4)


def _draw_closed(axis: Any, rows: list[dict[str, Any]], rules: list[str]) -> None:
    found = {(row["rule"], row["fake_share"]): row["gap_closed"] for row in rows}
    shares = list(dict.fromkeys(row["fake_share"] for row in rows))
    values = np.array(
        [[_or_nan(found.get((rule, share))) for share in shares] for rule in rules], dtype=np.float64
    )
    axis.imshow(np.clip(values, -1, 1), cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
    for row, column in np.ndindex(values.shape):
        value = values[row, column]
        text = "–" if np.isnan(value) else f"{100 * value:.0f}%" if value > WORST else f"< {100 * WORST:.0f}%"
        dark = abs(value) > 0.6  # False for NaN
        axis.text(column, row, text, ha="center", va="center", fontsize=7, color="white" if dark else "black")
    axis.set_xticks(range(len(shares)), [SHARES.get(share, share) for share in shares], fontsize=8)
    axis.set_xlabel("share of fakes", fontsize=8)
    axis.set_yticks([])
    axis.set_title("share of the gap closed (–: no gap beyond chance, or no answer)", fontsize=9)


def _name(rule: str) -> str:
    if rule.startswith("reals_k"):
        known, rate = rule.removeprefix("reals_k").split("_fpr")
        return f"{known} known reals, FPR ≤ {rate}%"
    return NAMES[rule]


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value
