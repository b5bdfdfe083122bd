"""Stage `evaluate@<protocol>-<objective>`: scores of every image, and what they are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from stages._command import run_command


def main(
    protocol: Annotated[str, Option(help="A file in protocols/, without its suffix.")],
    objective: Annotated[str, Option(help="bce, sad or joint; for the pilot study bce/n3 and the like.")],
    params: Annotated[Path, Option(help="The settings.")] = Path("params.yaml"),
) -> None:
    """Score every validation and test image once, and measure the detector on each test set."""
    from fakeforensics.evaluation.details import details
    from fakeforensics.evaluation.files import read_manifest, write_curves
    from fakeforensics.evaluation.intervals import intervals
    from fakeforensics.evaluation.scoring import score_manifest
    from fakeforensics.evaluation.summary import summarise
    from fakeforensics.files import write_json, write_parquet
    from fakeforensics.models.saving import load_detector
    from fakeforensics.params import load_params
    from fakeforensics.scores.table import in_order
    from fakeforensics.scores.test_sets import read_test_sets

    settings = load_params(params)
    test_sets = read_test_sets(protocol)
    run = f"{protocol}/{objective}"
    manifests, images = Path("data/manifests") / protocol, Path("data/images")
    detector, card = load_detector(Path("models") / (test_sets.models_from or protocol) / objective)
    scores = {}
    for name, suffix in {"val": ".val.parquet", "test": ".parquet"}.items():
        manifest = read_manifest(manifests / f"{name}.parquet")
        scores[name] = score_manifest(
            detector, card, manifest, images, settings.evaluate.batch_size, settings.evaluate.workers
        )
        write_parquet(Path("data/scores") / f"{run}{suffix}", scores[name])
    table = in_order(scores["test"], test_sets.names)
    metrics = summarise(table, test_sets.unseen, instances=objective.partition("/n")[2] or "all")
    draws = settings.evaluate.bootstrap
    metrics["intervals"] = intervals(table, test_sets.unseen, settings.seed, draws)
    metrics["details"] = details(table, scores["val"], settings.seed, draws)
    write_curves(table, Path("plots") / run)
    write_json(Path("metrics") / f"{run}.json", metrics)


if __name__ == "__main__":
    run_command(main)
