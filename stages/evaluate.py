"""Stage `evaluate@<protocol>-<detector>`: scores of every image, and metrics of every test set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from stages._command import run_command


def main(
    protocol: Annotated[str, Option(help="A file in protocols/, without its suffix.")],
    detector: Annotated[str, Option(help="A detector of params.yaml.")],
    params: Annotated[Path, Option(help="The settings.")] = Path("params.yaml"),
) -> None:
    """Score every validation and test image once, and measure the detector on each test set."""
    from stages._left_out import left_out, write_left_out

    run = f"{protocol}/{detector}"
    tables = {"val": Path(f"data/scores/{run}.val.parquet"), "test": Path(f"data/scores/{run}.parquet")}
    plots = Path("plots") / run
    metrics, details = Path(f"metrics/{run}.json"), Path(f"metrics/{run}.details.json")
    if (reason := left_out(protocol, detector)) is not None:
        write_left_out(
            reason, folders=[plots / "pr", plots / "roc"], tables=tables.values(), metrics=[metrics, details]
        )
        return

    from fakeforensics.files import write_json
    from fakeforensics.metrics.files import read_manifest, read_undetected, write_curves
    from fakeforensics.metrics.runs import measure_run, score_models
    from fakeforensics.metrics.table import read_test_sets, write_scores
    from fakeforensics.params import load_params
    from fakeforensics.training.device import worker_count

    settings = load_params(params)
    evaluate, test_sets = settings.evaluate, read_test_sets(protocol)
    folder = Path("data/manifests") / protocol
    manifests = {name: read_manifest(folder / f"{name}.parquet") for name in tables}
    models, workers = Path("models") / run, worker_count(evaluate.workers)
    scored = score_models(models, manifests, Path("data/images"), evaluate.batch_size, workers)
    for name, path in tables.items():
        write_scores(path, scored[name])
    undetected = read_undetected(folder / "counts.json")
    found = measure_run(
        scored, test_sets.names, test_sets.unseen, settings.seed, evaluate.bootstrap, undetected
    )
    write_curves(found.table, scored["test"].scores, plots)
    write_json(metrics, found.metrics)
    write_json(details, found.details)


if __name__ == "__main__":
    run_command(main)
