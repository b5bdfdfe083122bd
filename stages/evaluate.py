"""Stage `evaluate@<protocol>-<objective>`: scores of every image, and what they are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from stages._command import run_command


def main(
    protocol: Annotated[str, Option(help="A file in protocols/, without its suffix.")],
    objective: Annotated[str, Option(help="bce, sad or joint.")],
    params: Annotated[Path, Option(help="The settings.")] = Path("params.yaml"),
) -> None:
    """Score every validation and test image once, and measure the detector on each test set."""
    from fakeforensics.evaluation.files import read_manifest, read_undetected, write_curves
    from fakeforensics.evaluation.runs import measure_run, score_models
    from fakeforensics.files import write_json, write_parquet
    from fakeforensics.params import load_params
    from fakeforensics.scores.test_sets import read_test_sets
    from fakeforensics.training.device import worker_count

    settings = load_params(params)
    evaluate, test_sets = settings.evaluate, read_test_sets(protocol)
    run = f"{protocol}/{objective}"
    manifests = {
        name: read_manifest(Path("data/manifests") / protocol / f"{name}.parquet") for name in ("val", "test")
    }
    models, workers = Path("models") / run, worker_count(evaluate.workers)
    scores = score_models(models, manifests, Path("data/images"), evaluate.batch_size, workers)
    for name, suffix in {"val": ".val.parquet", "test": ".parquet"}.items():
        write_parquet(Path("data/scores") / f"{run}{suffix}", scores[name])
    undetected = read_undetected(Path("data/manifests") / protocol / "counts.json")
    found = measure_run(
        scores, test_sets.names, test_sets.unseen, settings.seed, evaluate.bootstrap, undetected
    )
    write_curves(found.table, Path("plots") / run)
    write_json(Path("metrics") / f"{run}.json", found.metrics)
    write_json(Path("metrics") / f"{run}.details.json", found.details)


if __name__ == "__main__":
    run_command(main)
