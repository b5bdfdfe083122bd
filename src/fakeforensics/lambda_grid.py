"""Compares values of lambda over DVC's experiments: `python -m fakeforensics.lambda_grid`.

Lambda (λ) is the weight of the second loss in the joint loss L, equation 3.5. AP is the average precision.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated, Any

import typer

from fakeforensics.errors import UserError
from fakeforensics.experiments import comparable_runs, shown_experiments

FILE = "lambda.json"  # in metrics/<protocol>
LAMBDAS = "0.001,0.01,0.1,1"
FEWEST = 2
# Metrics that judge a lambda, in order of preference: for test sets with both classes, then for sets of fakes
# only.
MEASURES = ("ap", "accuracy", "accuracy_at_validation_threshold")
JUDGED_BY = ("mean_unseen", "mean")  # the means that decide the best lambda by test, the usual one first
DIGITS = 6

Numbers = dict[str, float]


def main(
    protocol: Annotated[str, typer.Option(help="Names of protocols, separated by commas.")] = "demo",
    lambdas: Annotated[str, typer.Option(help="Values of lambda, separated by commas.")] = LAMBDAS,
    seeds: Annotated[str, typer.Option(help="Seeds of each lambda, separated by commas.")] = "0",
    folder: Annotated[Path, typer.Option(help="Folder of the metrics.")] = Path("metrics"),
) -> None:
    """Write the results of each lambda to metrics/<protocol>/lambda.json for the report, and print them."""
    from fakeforensics.files import write_json

    shown = shown_experiments()
    for name in filter(None, map(str.strip, protocol.split(","))):
        grid = lambda_grid(shown, name, _numbers(lambdas, float), _numbers(seeds, int))
        path = folder / name / FILE
        write_json(path, grid)
        typer.echo(f"{name}, {grid_text(grid)}{path}: written; `dvc repro report` shows it")


def lambda_grid(
    shown: list[dict[str, Any]], protocol: str, lambdas: Sequence[float], seeds: Sequence[int]
) -> dict[str, Any]:
    """The results of each lambda, the lambda that validation picks, and the one that test sets would pick.

    Runs that differ from the workspace in any other parameter belong to another study and are left out.

    Args:
        shown: The output of `dvc exp show --json`; the workspace comes first.
        protocol: The protocol's name.
        lambdas: The values of lambda.
        seeds: Every lambda must have a run with each of these seeds.

    Returns:
        `lambdas` and `seeds`; `trained_on`, the machines in words; and `detectors`. By detector and score,
        `detectors` holds `measure` (`ap`, or an accuracy if the test sets hold only fakes), `picked` (the
        lambda that validation picks), `best_by_test` (the best lambda by each mean of `JUDGED_BY`), and
        `runs`: one per lambda and seed, with `validation` and `test` figures. A detector with the same
        figures at every lambda does not use lambda and is left out.

    Raises:
        UserError: If there are fewer than two lambdas, a run is missing, a run has no validation figures, or
            no detector uses lambda.
    """
    lambdas, seeds = sorted(set(lambdas)), sorted(set(seeds))
    wanted = [(lambda_, seed) for lambda_ in lambdas for seed in seeds]
    found: dict[tuple[float, int], dict[str, dict[str, Any]]] = {}
    for _, params, metrics in comparable_runs(shown, protocol, {"lambda", "seed"}):
        key = (float(params["lambda"]), int(params["seed"]))
        if key in wanted:
            found.setdefault(key, metrics)
    _check_complete(protocol, lambdas, seeds, found)
    first = found[wanted[0]]
    shared = [name for name in first if all(name in metrics for metrics in found.values())]
    detectors = {
        name: scores
        for name in shared
        if (scores := _scores(name, {key: found[key][name] for key in wanted}))
    }
    if not detectors:
        raise UserError(
            f"protocol {protocol!r}: no detector uses lambda",
            found=f"the same figures at each lambda for {', '.join(shared) or 'no detector at all'}",
            fix="add `joint` to `detectors` in params.yaml",
        )
    machines = {
        found[key][name].get("trained_on") or "unknown machine" for key in wanted for name in detectors
    }
    return {
        "lambdas": lambdas,
        "seeds": seeds,
        "trained_on": sorted(machines),
        "detectors": detectors,
    }


def _check_complete(
    protocol: str,
    lambdas: Sequence[float],
    seeds: Sequence[int],
    found: Mapping[tuple[float, int], Any],
) -> None:
    again = f"run `make lambda-grid PROTOCOL={protocol}`"
    if len(lambdas) < FEWEST or not seeds:
        raise UserError(
            "a grid needs at least two values of lambda and one seed",
            found=f"lambda {', '.join(f'{one:g}' for one in lambdas) or '(none)'}",
            fix=f"{again}, with LAMBDAS={LAMBDAS} for example",
        )
    missing = [(one, seed) for one in lambdas for seed in seeds if (one, seed) not in found]
    if missing:
        raise UserError(
            f"protocol {protocol!r}: the grid lacks {len(missing)} of {len(lambdas) * len(seeds)} runs",
            expected="an experiment of this commit with the workspace's other settings",
            found="no metrics for " + ", ".join(f"lambda {one:g} with seed {seed}" for one, seed in missing),
            fix=f"{again}; `dvc queue status` names the queued runs that failed",
        )


def _scores(name: str, runs: Mapping[tuple[float, int], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The results of each of a detector's scores over the grid; empty if lambda changes nothing.

    Args:
        name: The detector's name.
        runs: (lambda, seed) → the metrics of that run.
    """
    first = next(iter(runs.values()))
    rows: dict[str, tuple[str, list[dict[str, Any]]]] = {}
    for measure in MEASURES:
        for score in first.get(measure, {}):
            found = [_run(name, key, metrics, measure, score) for key, metrics in runs.items()]
            rows.setdefault(score, (measure, found))
    if not any(_differ(found) for _, found in rows.values()):
        return {}
    return {
        score: {
            "measure": measure,
            "picked": pick_lambda(found),
            "best_by_test": {
                mean: oracle_lambda(found, mean)
                for mean in JUDGED_BY
                if all(mean in row["test"] for row in found)
            },
            "runs": found,
        }
        for score, (measure, found) in rows.items()
    }


def _differ(runs: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the figures of some seed depend on lambda."""
    return any(
        one["seed"] == other["seed"] and any(one[kind] != other[kind] for kind in ("validation", "test"))
        for one, other in combinations(runs, 2)
    )


def _run(
    name: str, key: tuple[float, int], metrics: Mapping[str, Any], measure: str, score: str
) -> dict[str, Any]:
    """One run as the file stores it: lambda, seed, and figures on validation and on the test sets."""
    lambda_, seed = key
    validation = metrics.get("validation")
    if not validation:
        raise UserError(
            f"{name}: the run with lambda {lambda_:g} and seed {seed} has no validation figures",
            expected="a validation set with real and fake images",
            fix="run its evaluate stage again, or give the protocol validation images of both classes",
        )
    test = dict(metrics[measure][score])
    if measure != "ap":  # the metrics hold no mean over sets of fakes only
        test["mean"] = round(fmean(test.values()), DIGITS)
    return {
        "lambda": lambda_,
        "seed": seed,
        "validation": {"ap": validation["ap"][score]}
        | ({"log_loss": validation["log_loss"]} if "log_loss" in validation else {}),
        "test": test,
    }


def pick_lambda(runs: Sequence[Mapping[str, Any]]) -> float:
    """The λ with the highest validation AP; ties go to the lower validation log loss, then to the smaller λ.

    Losses of different λ cannot be compared, because the loss L itself depends on λ (equation 3.5). Test sets
    are not used.

    Args:
        runs: The runs of one score. The figures of several seeds are averaged.
    """
    loss = {one: of.get("log_loss", 0.0) for one, of in _means(runs, "validation").items()}
    precision = {one: of["ap"] for one, of in _means(runs, "validation").items()}
    return min(precision, key=lambda one: (-precision[one], loss[one], one))


def oracle_lambda(runs: Sequence[Mapping[str, Any]], mean: str) -> float:
    """The λ with the best mean on the test sets; ties go to the smaller λ.

    The thesis reports this one ("the best results", section 4.2). It needs the test labels, so it is an upper
    bound for every way of choosing λ.

    Args:
        runs: The runs of one score.
        mean: The mean that decides: `mean` over all test sets or `mean_unseen`.
    """
    test = {one: of[mean] for one, of in _means(runs, "test").items()}
    return min(test, key=lambda one: (-test[one], one))


def at_lambda(runs: Sequence[Mapping[str, Any]], lambda_: float, kind: str) -> dict[str, list[float]]:
    """The figures of all seeds at one λ, by name.

    Args:
        runs: The runs of one score.
        lambda_: A value of the grid.
        kind: `validation` or `test`.
    """
    mine = [run[kind] for run in runs if run["lambda"] == lambda_]
    return {name: [one[name] for one in mine] for name in mine[0] if all(name in one for one in mine)}


def _means(runs: Sequence[Mapping[str, Any]], kind: str) -> dict[float, Numbers]:
    return {
        lambda_: {name: fmean(values) for name, values in at_lambda(runs, lambda_, kind).items()}
        for lambda_ in sorted({run["lambda"] for run in runs})
    }


def grid_text(grid: Mapping[str, Any]) -> str:
    """The grid as Markdown tables in percent; the picked λ and the oracles are marked."""
    lines = [f"seeds {', '.join(map(str, grid['seeds']))}, trained on: {'; '.join(grid['trained_on'])}"]
    for detector, scores in grid["detectors"].items():
        for score, found in scores.items():
            means = list(found["best_by_test"])
            lines += [
                "",
                f"{detector} {score}, {found['measure'].replace('_', ' ')} on the test sets:",
                "",
                "| λ | validation AP | validation log loss | "
                + " | ".join(f"test {name}" for name in means)
                + " | |",
                "|--:" * (3 + len(means)) + "|:--|",
                *(_text_row(found, lambda_, means) for lambda_ in grid["lambdas"]),
            ]
    return "\n".join(lines) + "\n"


def _text_row(found: Mapping[str, Any], lambda_: float, means: Sequence[str]) -> str:
    validation, test = (at_lambda(found["runs"], lambda_, kind) for kind in ("validation", "test"))
    marks = ["**picked by validation**"] if lambda_ == found["picked"] else []
    marks += [f"best by test {name}: an oracle" for name in means if lambda_ == found["best_by_test"][name]]
    loss = f"{fmean(validation['log_loss']):.4f}" if "log_loss" in validation else "–"
    values = [f"{lambda_:g}", in_percent(validation["ap"]), loss, *(in_percent(test[name]) for name in means)]
    return "| " + " | ".join(values) + f" | {'; '.join(marks)} |"


def in_percent(values: Sequence[float]) -> str:
    """The mean over seeds in percent, with the standard deviation (n − 1) if there are several."""
    spread = f" ± {100 * stdev(values):.2f}" if len(values) > 1 else ""
    return f"{100 * fmean(values):.2f}{spread}"


def _numbers(text: str, kind: type[float] | type[int]) -> list[Any]:
    """Parse numbers that are separated by commas.

    Raises:
        UserError: If a part is not a number.
    """
    try:
        return [kind(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise UserError(
            "not a list of numbers", expected="numbers separated by commas, such as 0.001,0.01", found=text
        ) from None


if __name__ == "__main__":
    try:
        typer.run(main)
    except UserError as error:
        typer.secho(f"error: {error}", err=True, fg=typer.colors.RED)
        sys.exit(1)
