"""Stage `robustness@<protocol>-<objective>`: test sets again under corruption."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from stages._command import run_command


def main(
    protocol: Annotated[str, Option(help="A file in protocols/, without its suffix.")],
    objective: Annotated[str, Option(help="bce, sad or joint.")],
    params: Annotated[Path, Option(help="The settings.")] = Path("params.yaml"),
    scratch: Annotated[Path, Option(help="Keeps scores for the next time.")] = Path(".scratch/robustness"),
) -> None:
    """Score the test images under each of evaluate.corruptions; what was scored before is reused."""
    from fakeforensics.evaluation.files import read_manifest, write_robustness
    from fakeforensics.evaluation.robustness import score_corrupted
    from fakeforensics.evaluation.robustness_table import CLEAN, robustness_table
    from fakeforensics.evaluation.runs import model_folders
    from fakeforensics.models.saving import load_detector
    from fakeforensics.params import load_params
    from fakeforensics.scores.table import in_order, of_one_model, read_scores
    from fakeforensics.scores.test_sets import read_test_sets
    from fakeforensics.training.device import worker_count

    settings = load_params(params)
    evaluate, test_sets = settings.evaluate, read_test_sets(protocol)
    run = f"{protocol}/{objective}"
    # Of the pilot study's models the one that saw most instances.
    *_, folder = model_folders(Path("models") / run).values()
    detector, card = load_detector(folder)
    manifest = read_manifest(Path("data/manifests") / protocol / "test.parquet")
    tables = {CLEAN: of_one_model(read_scores(Path(f"data/scores/{run}.parquet")))}
    batch, workers = evaluate.batch_size, worker_count(evaluate.workers)
    for name in evaluate.corruptions:
        tables[name] = score_corrupted(
            detector, card, manifest, Path("data/images"), name, scratch, batch, workers
        )
    ordered = {name: in_order(table, test_sets.names) for name, table in tables.items()}
    validation = of_one_model(read_scores(Path(f"data/scores/{run}.val.parquet")))
    rows = robustness_table(ordered, validation, test_sets.unseen, settings.seed, evaluate.bootstrap)
    write_robustness(
        rows,
        metrics=Path(f"metrics/{run}.robustness.json"),
        details=Path(f"data/robustness/{run}.csv"),
        picture=Path(f"plots/{run}/robustness.png"),
    )


if __name__ == "__main__":
    run_command(main)
