"""Measures how much results change with the training seed: `python -m fakeforensics.seeds`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import fmean, stdev
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from fakeforensics.errors import UserError
from fakeforensics.experiments import WORKSPACE, comparable_runs, shown_experiments
from fakeforensics.reading import read_json

if TYPE_CHECKING:
    from fakeforensics.metrics.compare import Model
    from fakeforensics.metrics.table import ScoreTable, TestSets
    from fakeforensics.models.card import DetectorCard

FEWEST_SEEDS = 2
FILE = "seeds.json"  # in metrics/<protocol>
DIGITS = 6


class SeedRun(NamedTuple):
    """The results of one training run of a detector.

    Args:
        card: The part of `model.json` about the detector.
        machine: The machine that it was trained on, in words.
        cost: What the training took: seconds, processor_seconds and the number of images.
        test: Its test scores.
    """

    card: DetectorCard
    machine: str
    cost: dict[str, float]
    test: ScoreTable


def main(
    protocol: Annotated[str, typer.Option(help="The protocol's name.")] = "demo",
    folder: Annotated[Path, typer.Option(help="Folder of the metrics.")] = Path("metrics"),
    params: Annotated[Path, typer.Option(help="Settings file.")] = Path("params.yaml"),
) -> None:
    """Rank the detectors over several seeds, and write metrics/<protocol>/seeds.json for the report."""
    from fakeforensics.files import write_json
    from fakeforensics.metrics.table import read_test_sets
    from fakeforensics.params import load_params

    settings = load_params(params)
    runs = {
        seed: read_runs(places, protocol)
        for seed, places in seed_revisions(shown_experiments(), protocol).items()
    }
    baseline, replicates = settings.compare.baseline, settings.evaluate.bootstrap
    found = seed_spread(runs, read_test_sets(protocol), baseline, replicates)
    path = folder / protocol / FILE
    write_json(path, found)
    typer.echo(f"seeds {', '.join(map(str, found['seeds']))}, trained on: {'; '.join(found['trained_on'])}")
    typer.echo(markdown(found))
    some = sorted({name for by_name in runs.values() for name in by_name} - set(found["detectors"]))
    if some:
        typer.echo(f"left out, because some seeds lack them: {', '.join(some)}")
    typer.echo(f"{path}: written; `dvc repro report` shows it")


def seed_revisions(shown: list[dict[str, Any]], protocol: str) -> dict[int, dict[str, str]]:
    """Find the detectors that were trained with each seed.

    If a detector and seed appear twice (in a commit and its experiment), they count once.

    Args:
        shown: The output of `dvc exp show --json`; the workspace comes first.
        protocol: The protocol's name.

    Returns:
        By seed and detector, the revision that holds its results.

    Raises:
        UserError: If there are fewer than two seeds.
    """
    found: dict[int, dict[str, str]] = {}
    for revision, params, metrics in comparable_runs(shown, protocol, {"seed"}):
        if measured := [name for name, one in metrics.items() if "ap" in one]:
            revision_of = found.setdefault(params["seed"], {})
            for name in measured:
                revision_of.setdefault(name, revision)
    if len(found) < FEWEST_SEEDS:
        raise UserError(
            f"the spread over seeds of the protocol {protocol!r} needs at least {FEWEST_SEEDS} seeds",
            found="seeds " + (", ".join(map(str, found)) or "(none)"),
            fix=f"run `make seeds PROTOCOL={protocol} SEEDS=0,1,2`",
        )
    return dict(sorted(found.items()))


def read_runs(places: Mapping[str, str], protocol: str) -> dict[str, SeedRun]:
    """Read the results of detectors, from the workspace or from DVC's cache.

    Args:
        places: The revision that holds each detector, by the detector's name.
        protocol: The protocol's name.

    Raises:
        UserError: If a file is not in the cache.
    """
    from fakeforensics.metrics.table import read_scores
    from fakeforensics.models.card import detector_card, trained_on

    with TemporaryDirectory() as temporary:
        copiers = {one: _copier(one, Path(temporary)) for one in set(places.values())}
        found = {}
        for name, revision in places.items():
            local, run = copiers[revision], f"{protocol}/{name}"
            card = read_json(local(f"models/{run}/model.json"))
            cost = read_json(local(f"metrics/{run}.cost.json"))
            test = read_scores(local(f"data/scores/{run}.parquet"))
            found[name] = SeedRun(detector_card(card), trained_on(card), cost, test)
        return found


def _copier(revision: str, folder: Path) -> Callable[[str], Path]:
    """A function that takes a path in the project and returns a local copy of that revision's file."""
    if revision == WORKSPACE:
        return Path
    from dvc.api import DVCFileSystem

    files = DVCFileSystem(rev=revision)

    def local(path: str) -> Path:
        try:
            copy = folder / path.replace("/", "+")
            copy.write_bytes(files.read_bytes(path))
        except OSError as error:
            raise UserError(
                f"{path} of the revision {revision} is not in DVC's cache",
                found=str(error),
                fix="run `dvc exp pull` if the experiment was pushed, or train it again",
            ) from None
        return copy

    return local


def seed_spread(
    runs: Mapping[int, Mapping[str, SeedRun]], test_sets: TestSets, baseline: str, replicates: int
) -> dict[str, Any]:
    """Average precision (AP) over seeds, with intervals and the difference from the baseline.

    Args:
        runs: The runs by seed and detector; all have the same settings except the seed.
        test_sets: The protocol's test sets.
        baseline: The detector whose first score all others are compared with.
        replicates: Number of bootstrap replicates; groups of images are resampled.

    Returns:
        `seeds`; `trained_on`, the machines in words; `baseline`; and `detectors`, by name, those that all
        seeds have. Each detector has `label`, `title`, `sees`, `cost` (means over the seeds) and `scores`.
        Each score has its `label` and, per test set and mean over test sets, `ap` and `difference`. `ap`
        holds `mean`, `deviation` (standard deviation, n − 1), `low` and `high` (a 95% interval over images
        and seeds). `difference` is the difference from the baseline in the same replicates; the baseline has
        none. Values are fractions with six digits.

    Raises:
        UserError: If the runs score different images.
    """
    from fakeforensics.metrics.compare import differences, interval_over_runs
    from fakeforensics.metrics.registry import METRICS, Measure

    (metric,) = (one for one in METRICS if one.name == "ap")
    seeds = sorted(runs)
    shared = [name for name in runs[seeds[0]] if all(name in runs[seed] for seed in seeds)]
    models = {name: _models(name, [runs[seed][name] for seed in seeds], test_sets) for name in shared}
    reference = next(iter(models[baseline].values())) if baseline in models else None
    found = {}
    for name in shared:
        first = runs[seeds[0]][name]
        costs = [runs[seed][name].cost for seed in seeds]
        scores = {}
        for score, model in models[name].items():
            bounds = interval_over_runs(metric, model, test_sets.unseen, 0, replicates)
            measure = Measure(metric, model.score, None)
            values = [metric.with_means(measure.values(run.test), test_sets.unseen) for run in model.runs]
            ap = {
                key: _spread([float(one[key]) for one in values]) | {"low": low, "high": high}
                for key, (low, high) in bounds.items()
            }
            scores[score] = {"label": model.score.label, "ap": ap}
            if reference is not None and model is not reference:
                rows = differences(metric, [(model, reference)], test_sets.unseen, 0, replicates)
                keys = ("difference", "low", "high", "p_value")
                scores[score]["difference"] = {
                    row["test_set"]: {key: row[key] for key in keys} for row in rows
                }
        found[name] = {
            "label": first.card.label,
            "title": first.card.title,
            "sees": first.card.sees,
            "cost": {key: round(fmean(cost[key] for cost in costs), 1) for key in costs[0]},
            "scores": scores,
        }
    machines = {runs[seed][name].machine for seed in seeds for name in shared}
    return {"seeds": seeds, "trained_on": sorted(machines), "baseline": baseline, "detectors": found}


def markdown(found: dict[str, Any]) -> str:
    """The ranking as a Markdown table, best first, with average precision (AP) and differences in percent.

    Args:
        found: The result of `seed_spread`.
    """
    rows = [(about, score) for about in found["detectors"].values() for score in about["scores"].values()]
    main = "mean_unseen" if all("mean_unseen" in score["ap"] for _, score in rows) else "mean"
    rows.sort(key=lambda row: -row[1]["ap"][main]["mean"])
    where = "unseen sets" if main == "mean_unseen" else "all sets"
    baseline = found["detectors"].get(found["baseline"], {}).get("label", found["baseline"])
    lines = [
        f"| detector | sees | mean AP, {where} | 95% interval | against {baseline} | mean AP, all sets "
        "| processor s |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for about, score in rows:
        ap, against = score["ap"], score.get("difference", {}).get(main)
        cells = (
            f"{about['label']}, {score['label']}",
            about["sees"],
            _scatter(ap[main]),
            f"{100 * ap[main]['low']:.1f} to {100 * ap[main]['high']:.1f}",
            _difference(against) if against else "",
            _scatter(ap["mean"]),
            f"{about['cost']['processor_seconds']:.0f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _scatter(ap: Mapping[str, float]) -> str:
    return f"{100 * ap['mean']:.1f} ± {100 * ap['deviation']:.1f}"


def _difference(values: Mapping[str, float]) -> str:
    difference, low, high = (f"{100 * values[key]:+.1f}" for key in ("difference", "low", "high"))
    return f"{difference} ({low} to {high})"


def _models(name: str, runs: list[SeedRun], test_sets: TestSets) -> dict[str, Model]:
    from fakeforensics.metrics.compare import Model, Run
    from fakeforensics.metrics.table import in_order

    tables = [Run(in_order(run.test.rows, test_sets.names)) for run in runs]
    return {score.name: Model(f"{name}/{score.name}", tables, score) for score in runs[0].test.scores}


def _spread(values: list[float]) -> dict[str, float]:
    return {"mean": round(fmean(values), DIGITS), "deviation": round(stdev(values), DIGITS)}


if __name__ == "__main__":
    try:
        typer.run(main)
    except UserError as error:
        typer.secho(f"error: {error}", err=True, fg=typer.colors.RED)
        sys.exit(1)
