"""Which λ to keep, and what other seeds give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from fakeforensics.errors import UserError

COLUMNS = ("lambda", "seed", "val_ap", "val_log_loss", "test_ap")


def pick_lambda(runs: pd.DataFrame) -> float:
    """The λ with the highest validation AP; ties go to the lower validation log loss, then to the smaller λ.

    Losses of different λ do not compare, since L itself depends on λ (equation 3.5). Test sets have no say.

    Args:
        runs: One row per run, with the columns `lambda`, `val_ap` and `val_log_loss` (NaN for a detector
            without a logit). Several seeds count by their means.

    Raises:
        UserError: If there is no run, or a validation AP is missing.
    """
    table = _means(runs)
    order = table.sort_values(["val_ap", "val_log_loss", "lambda"], ascending=[False, True, True])
    return float(order["lambda"].iloc[0])


def oracle_lambda(runs: pd.DataFrame) -> float:
    """The λ with the highest mean test AP: what the thesis reports ("the best results", section 4.2).

    It cannot be had without the test labels, so it bounds what a choice of λ could give.
    """
    table = _means(runs)
    return float(table.sort_values(["test_ap", "lambda"], ascending=[False, True])["lambda"].iloc[0])


def selection_table(runs: pd.DataFrame) -> str:
    """The grid as a Markdown table: each λ's validation and test figures, the choice and the oracle marked.

    Args:
        runs: As for `pick_lambda`, with `seed` and `test_ap` besides; fractions.
    """
    table, picked, oracle = _means(runs), pick_lambda(runs), oracle_lambda(runs)
    lines = [
        "| λ | seeds | validation AP | validation log loss | test AP | |",
        "|--:|--:|--:|--:|--:|:--|",
    ]
    for row in table.to_dict("records"):
        marks = [
            text
            for text, value in {
                "**picked by validation**": picked,
                "best by test: an oracle, not deployable": oracle,
            }.items()
            if row["lambda"] == value
        ]
        loss = "–" if np.isnan(row["val_log_loss"]) else f"{row['val_log_loss']:.4f}"
        values = [_percent(row, "val_ap"), loss, _percent(row, "test_ap")]
        lines.append(
            f"| {row['lambda']:g} | {row['seeds']} | " + " | ".join(values) + f" | {'; '.join(marks)} |"
        )
    return "\n".join(lines) + "\n"


def _means(runs: pd.DataFrame) -> pd.DataFrame:
    """Mean and spread over seeds for each λ, λ ascending."""
    if runs.empty:
        raise UserError("no finished run to choose from", fix="run `make lambda-grid`")
    if runs["val_ap"].isna().any():
        raise UserError("a run has no validation AP", fix="run its evaluate stage again")
    grouped = runs.groupby("lambda", sort=True)
    table = grouped[["val_ap", "val_log_loss", "test_ap"]].mean()
    for name in ("val_ap", "test_ap"):
        table[f"{name}_std"] = grouped[name].std()
    return table.assign(seeds=grouped.size()).reset_index()


def _percent(row: dict[Any, Any], name: str) -> str:
    spread = row[f"{name}_std"]
    return f"{100 * row[name]:.2f}" + ("" if np.isnan(spread) else f" ± {100 * spread:.2f}")
