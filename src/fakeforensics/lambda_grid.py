"""The lambda grid's table, from the experiments that DVC knows: `python -m fakeforensics.lambda_grid`."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fakeforensics.errors import UserError
from fakeforensics.experiments import metrics as measured
from fakeforensics.experiments import parameters, revisions, shown_experiments

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("lambda", "seed", "val_ap", "val_log_loss", "test_ap")
FREE = {"lambda", "seed"}  # what a grid varies


def main(
    detector: Annotated[str, typer.Option(help="The detector that the grid trained.")],
    protocol: Annotated[str, typer.Option(help="The protocol's name.")] = "demo",
    score: Annotated[
        str | None, typer.Option(help="Name of the score to report; the detector's first score by default.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the table there.")] = None,
) -> None:
    """Print what each lambda gives, which one validation picks, and which one the test sets would."""
    from fakeforensics.files import write_text

    table = grid_table(grid_runs(shown_experiments(), protocol, detector, score))
    typer.echo(table, nl=False)
    if out:
        write_text(out, table)


def grid_runs(
    shown: list[dict[str, Any]], protocol: str, detector: str, score: str | None = None
) -> pd.DataFrame:
    """The runs of a grid, one row per lambda and seed.

    Runs that differ from the workspace in any other parameter belong to another study and are left out; the
    same lambda and seed seen twice (a commit and its experiment) count once.

    Args:
        shown: What `dvc exp show --json` gave; the workspace comes first.
        protocol: Whose metrics.
        detector: The detector that the grid trained.
        score: The name of one of its scores; None takes the first.

    Returns:
        A table with the columns lambda, seed, val_ap, val_log_loss (NaN for a detector without a logit) and
        test_ap (the mean over test sets).

    Raises:
        UserError: If the detector has no such score.
    """
    import pandas as pd

    rows: dict[tuple[float, int], dict[str, float]] = {}
    common = None
    for data in revisions(shown):
        params = parameters(data)
        metrics = measured(data, protocol).get(detector)
        if params is None:
            continue
        others = {key: value for key, value in params.items() if key not in FREE | {"protocols", "sources"}}
        common = others if common is None else common
        if not metrics or not {"validation", "ap"} <= metrics.keys() or others != common:
            continue
        score = score or next(iter(metrics["ap"]))
        if score not in metrics["ap"]:
            raise UserError(
                f"{detector} has no score {score!r}", expected=" or ".join(metrics["ap"]), found=score
            )
        rows.setdefault(
            (params["lambda"], params["seed"]),
            {
                "val_ap": metrics["validation"]["ap"][score],
                "val_log_loss": metrics["validation"].get("log_loss", float("nan")),
                "test_ap": metrics["ap"][score]["mean"],
            },
        )
    found = [{"lambda": lambda_, "seed": seed} | row for (lambda_, seed), row in sorted(rows.items())]
    return pd.DataFrame(found, columns=list(COLUMNS))


def pick_lambda(runs: pd.DataFrame) -> float:
    """The λ with the highest validation AP; ties go to the lower validation log loss, then to the smaller λ.

    Losses of different λ do not compare, since L itself depends on λ (equation 3.5). Test sets are not used.

    Args:
        runs: From `grid_runs`. Several seeds count by their means.

    Raises:
        UserError: If there is no run, or a validation AP is missing.
    """
    order = _means(runs).sort_values(["val_ap", "val_log_loss", "lambda"], ascending=[False, True, True])
    return float(order["lambda"].iloc[0])


def oracle_lambda(runs: pd.DataFrame) -> float:
    """The λ with the highest mean test AP: what the thesis reports ("the best results", section 4.2).

    It needs the test labels, so it bounds what a choice of λ could give.
    """
    order = _means(runs).sort_values(["test_ap", "lambda"], ascending=[False, True])
    return float(order["lambda"].iloc[0])


def grid_table(runs: pd.DataFrame) -> str:
    """The grid as a Markdown table in percent, the choice and the oracle marked."""
    picked, oracle = pick_lambda(runs), oracle_lambda(runs)
    lines = [
        "| λ | seeds | validation AP | validation log loss | test AP | |",
        "|--:|--:|--:|--:|--:|:--|",
    ]
    for row in _means(runs).to_dict("records"):
        marks = [
            text
            for text, value in {
                "**picked by validation**": picked,
                "best by test: an oracle, not deployable": oracle,
            }.items()
            if row["lambda"] == value
        ]
        loss = "–" if math.isnan(row["val_log_loss"]) else f"{row['val_log_loss']:.4f}"
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
    """The mean in percent, with the standard deviation if there are several seeds."""
    spread = f" ± {100 * row[f'{name}_std']:.2f}" if row["seeds"] > 1 else ""
    return f"{100 * row[name]:.2f}{spread}"


if __name__ == "__main__":
    try:
        typer.run(main)
    except UserError as error:
        typer.secho(f"error: {error}", err=True, fg=typer.colors.RED)
        sys.exit(1)
