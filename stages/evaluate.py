"""Stage `evaluate@<protocol>-<detector>`: compute everything that depends on a detector's scores alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option, echo

from fakeforensics.names import check_name
from stages._command import run_command


def main(
    protocol: Annotated[
        str, Option(callback=check_name, help="Name of a file in protocols/, without its suffix.")
    ],
    detector: Annotated[str, Option(callback=check_name, help="Name of a detector in params.yaml.")],
    params: Annotated[Path, Option(help="Settings file.")] = Path("params.yaml"),
) -> None:
    """Measure the detector on each test set, clean and corrupted, and analyze its thresholds."""
    from stages._left_out import left_out, write_left_out

    run = f"{protocol}/{detector}"
    plots = Path("plots") / run
    metrics = {
        name: Path(f"metrics/{run}{name and '.'}{name}.json")
        for name in ("", "details", "robustness", "thresholds", "decision")
    }
    robustness, thresholds = Path(f"data/robustness/{run}.csv"), Path(f"data/thresholds/{run}.csv")
    if (reason := left_out(protocol, detector)) is not None:
        write_left_out(
            reason,
            folders=[plots / "pr", plots / "roc"],
            tables=[
                *(robustness, thresholds, thresholds.with_suffix(".summary.csv")),
                *(plots / "reliability.csv", plots / "tippett.csv"),
            ],
            metrics=metrics.values(),
            lists=[metrics.values()],
            pictures=[
                plots / f"{name}.png"
                for name in ("robustness", "thresholds", "gap", "reliability", "tippett")
            ],
        )
        _list_plots(plots)
        return

    from fakeforensics.files import write_json
    from fakeforensics.images.manifest import read_manifest
    from fakeforensics.metrics.chance import class_sizes, evidence_against
    from fakeforensics.metrics.files import read_counts
    from fakeforensics.metrics.robustness import robustness_table, write_robustness
    from fakeforensics.metrics.summary import measure_run, read_undetected_videos, write_curves
    from fakeforensics.metrics.table import (
        in_order,
        need_every_row,
        need_same_rows,
        read_scores,
        read_test_sets,
    )
    from fakeforensics.params import load_params
    from fakeforensics.sums import write_list
    from fakeforensics.thresholds.analysis import analyze, write_analysis

    settings, test_sets = load_params(params), read_test_sets(protocol)
    path = Path(f"data/scores/{run}.parquet")
    tested, scores, trained_on = read_scores(path)
    validation = read_scores(Path(f"data/scores/{run}.val.parquet")).rows
    table = in_order(tested, test_sets.names)
    counts = Path(f"data/manifests/{protocol}/counts.json")
    need_every_row(path, table, validation, read_counts(counts))
    bootstrap = test_sets.unseen, settings.seed, settings.evaluate.bootstrap
    undetected = read_undetected_videos(counts)
    summary, details = measure_run(table, validation, scores, *bootstrap, undetected)
    precision = summary.get("validation", {}).get("ap", {})
    if (doubt := evidence_against(precision, *class_sizes(validation))) is not None:
        echo(f"warning: {run}: {doubt}", err=True)
    analysis = analyze(table, validation, scores, settings.thresholds, settings.seed)
    summary |= analysis.likelihood.summary(settings.thresholds.likelihood_ratio, test_sets.unseen)
    # The machine is a text, so that `dvc metrics diff` shows if two commits were trained on different ones.
    write_json(metrics[""], summary | {"trained_on": trained_on})
    write_json(metrics["details"], details)
    write_curves(table, scores, plots)

    corrupted = Path(f"data/scores/{run}.corrupted")
    tables = {
        name: in_order(read_scores(corrupted / f"{name}.parquet").rows, test_sets.names)
        for name in settings.evaluate.corruptions
    }
    asked = in_order(read_manifest(Path(f"data/manifests/{protocol}/corrupted.parquet")), test_sets.names)
    for name, rows in tables.items():
        need_same_rows(corrupted / f"{name}.parquet", rows, asked)
    write_robustness(
        robustness_table(table, tables, validation, scores, *bootstrap),
        scores,
        metrics=metrics["robustness"],
        details=robustness,
        picture=plots / "robustness.png",
    )
    write_analysis(
        analysis,
        metrics=metrics["thresholds"],
        decision=metrics["decision"],
        details=thresholds,
        plots=plots,
    )
    write_list(metrics.values())
    _list_plots(plots)


def _list_plots(folder: Path) -> None:
    """List the files of this stage in a folder: all but the learning curves, the list and DVC's own files."""
    from fakeforensics.sums import SUMS, write_sums

    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    write_sums(folder, [str(path) for path in files if path.name not in ("history.csv", SUMS, ".gitignore")])


if __name__ == "__main__":
    run_command(main, "seed", "evaluate.bootstrap", "evaluate.corruptions", "thresholds")
