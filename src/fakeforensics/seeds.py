"""How much the figures change with the seed of training: `python -m fakeforensics.seeds`."""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated, Any

import typer

from fakeforensics.errors import UserError
from fakeforensics.experiments import metrics, parameters, revisions, shown_experiments

FEWEST_SEEDS = 2
FILE = "seeds.json"  # in metrics/<protocol>
DIGITS = 6


def main(
    protocol: Annotated[str, typer.Option(help="The protocol's name.")] = "demo",
    folder: Annotated[Path, typer.Option(help="Folder of the metrics.")] = Path("metrics"),
) -> None:
    """Write mean and standard deviation over seeds to metrics/<protocol>/seeds.json for the report."""
    from fakeforensics.files import write_json

    spread = seed_spread(shown_experiments(), protocol)
    path = folder / protocol / FILE
    write_json(path, spread)
    typer.echo(f"seeds {', '.join(map(str, spread['seeds']))}, trained on: {'; '.join(spread['trained_on'])}")
    for detector, scores in spread["ap"].items():
        for score, sets in scores.items():
            found = ", ".join(
                f"{name} {one['mean']:.3f} ± {one['deviation']:.3f}" for name, one in sets.items()
            )
            typer.echo(f"{detector} {score}: {found}")
    typer.echo(f"{path}: written; `dvc repro report` shows it")


def seed_spread(shown: list[dict[str, Any]], protocol: str) -> dict[str, Any]:
    """Mean and standard deviation of average precision over the seeds of otherwise equal runs.

    Runs that differ from the workspace in another parameter belong to another study and are left out; a seed
    seen twice (a commit and its experiment) counts once.

    Args:
        shown: What `dvc exp show --json` gave; the workspace comes first.
        protocol: Whose metrics.

    Returns:
        `seeds`; `trained_on`, the machines in words; `ap`: by detector, score and test set the `mean` and the
        `deviation` (with n − 1), fractions of six digits. A detector is there if all seeds have it.

    Raises:
        UserError: If there are fewer than two seeds.
    """
    runs: dict[int, dict[str, dict[str, Any]]] = {}
    common = None
    for data in revisions(shown):
        params = parameters(data)
        if params is None:
            continue
        others = {key: value for key, value in params.items() if key not in {"seed", "protocols", "sources"}}
        common = others if common is None else common
        found = {name: one for name, one in metrics(data, protocol).items() if "ap" in one}
        if found and others == common:
            runs.setdefault(params["seed"], found)
    if len(runs) < FEWEST_SEEDS:
        raise UserError(
            f"the spread over seeds of the protocol {protocol!r} needs at least {FEWEST_SEEDS} of them",
            found="seeds " + (", ".join(map(str, runs)) or "(none)"),
            fix=f"run `make seeds PROTOCOL={protocol} SEEDS=0,1,2`",
        )
    seeds = sorted(runs)
    shared = [name for name in runs[seeds[0]] if all(name in runs[seed] for seed in seeds)]
    return {
        "seeds": seeds,
        "trained_on": sorted(
            {runs[seed][name].get("trained_on") or "unknown machine" for seed in seeds for name in shared}
        ),
        "ap": {
            name: {
                score: {
                    test_set: _spread([runs[seed][name]["ap"][score][test_set] for seed in seeds])
                    for test_set in sets
                }
                for score, sets in runs[seeds[0]][name]["ap"].items()
            }
            for name in shared
        },
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {"mean": round(fmean(values), DIGITS), "deviation": round(stdev(values), DIGITS)}


if __name__ == "__main__":
    try:
        typer.run(main)
    except UserError as error:
        typer.secho(f"error: {error}", err=True, fg=typer.colors.RED)
        sys.exit(1)
