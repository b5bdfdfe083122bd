"""The lambda grid's table, from the experiments that DVC knows: `python -m fakeforensics.training.grid`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from fakeforensics.errors import UserError

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
    from fakeforensics.training.selection import selection_table

    table = selection_table(grid_runs(_experiments(), protocol, detector, score))
    typer.echo(table, nl=False)
    if out:
        write_text(out, table)


def grid_runs(shown: list[dict[str, Any]], protocol: str, detector: str, score: str | None = None) -> Any:
    """The runs of a grid, one row per lambda and seed.

    Runs that differ from the workspace in any other parameter belong to another study and are left out; the
    same lambda and seed seen twice (a commit and its experiment) count once.

    Args:
        shown: What `dvc exp show --json` gave; the workspace comes first.
        protocol: Whose metrics.
        detector: The detector that the grid trained.
        score: The name of one of its scores; None takes the first.

    Returns:
        A table with lambda, seed, val_ap, val_log_loss (NaN for a detector without a logit) and test_ap (the
        mean over test sets).

    Raises:
        UserError: If the detector has no such score.
    """
    import pandas as pd

    from fakeforensics.training.selection import COLUMNS

    rows: dict[tuple[float, int], dict[str, float]] = {}
    common = None
    for data in _revisions(shown):
        params = (data.get("params") or {}).get("params.yaml", {}).get("data")
        metrics = (data.get("metrics") or {}).get(f"metrics/{protocol}/{detector}.json", {}).get("data")
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


def _revisions(shown: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The data of the workspace, of each commit and of each experiment."""
    for state in shown:
        if state.get("data"):
            yield state["data"]
        for experiment in state.get("experiments") or []:
            # The last revision of an experiment is what it ended with.
            yield from (rev["data"] for rev in experiment["revs"][:1] if rev.get("data"))


def _experiments() -> list[dict[str, Any]]:
    try:
        done = subprocess.run(["dvc", "exp", "show", "--json"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UserError("dvc is not installed", fix="pip install 'fake-forensics[pipeline]'") from None
    if done.returncode:
        raise UserError("`dvc exp show` failed", found=done.stderr.strip())
    shown: list[dict[str, Any]] = json.loads(done.stdout)
    return shown


if __name__ == "__main__":
    try:
        typer.run(main)
    except UserError as error:
        typer.secho(f"error: {error}", err=True, fg=typer.colors.RED)
        sys.exit(1)
