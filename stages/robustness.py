"""Stage `robustness@<protocol>-<detector>`: the test sets again under corruptions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from stages._command import run_command


def main(
    protocol: Annotated[str, Option(help="A file in protocols/, without its suffix.")],
    detector: Annotated[str, Option(help="A detector of params.yaml.")],
    params: Annotated[Path, Option(help="The settings.")] = Path("params.yaml"),
    scratch: Annotated[Path, Option(help="Keeps scores for the next time.")] = Path(".scratch/robustness"),
) -> None:
    """Score the test images under each of evaluate.corruptions; what was scored before is reused."""
    from stages._left_out import left_out, write_left_out

    run = f"{protocol}/{detector}"
    metrics, details = Path(f"metrics/{run}.robustness.json"), Path(f"data/robustness/{run}.csv")
    picture = Path(f"plots/{run}/robustness.png")
    if (reason := left_out(protocol, detector)) is not None:
        write_left_out(reason, tables=[details], metrics=[metrics], pictures=[picture])
        return

    from fakeforensics.metrics.files import read_manifest, write_robustness
    from fakeforensics.metrics.robustness import score_corrupted
    from fakeforensics.metrics.robustness_table import CLEAN, robustness_table
    from fakeforensics.metrics.runs import model_folders
    from fakeforensics.metrics.table import in_order, of_one_model, read_scores, read_test_sets
    from fakeforensics.models.saving import load_detector
    from fakeforensics.params import load_params
    from fakeforensics.training.device import worker_count

    settings = load_params(params)
    evaluate, test_sets = settings.evaluate, read_test_sets(protocol)
    # In the pilot study, the model that saw most instances.
    *_, folder = model_folders(Path("models") / run).values()
    network, card = load_detector(folder)
    manifest = read_manifest(Path("data/manifests") / protocol / "test.parquet")
    clean, scores = read_scores(Path(f"data/scores/{run}.parquet"))
    tables = {CLEAN: of_one_model(clean)}
    batch, workers = evaluate.batch_size, worker_count(evaluate.workers)
    for name in evaluate.corruptions:
        tables[name] = score_corrupted(
            network, card, manifest, Path("data/images"), name, scratch, batch, workers
        )
    ordered = {name: in_order(table, test_sets.names) for name, table in tables.items()}
    validation = of_one_model(read_scores(Path(f"data/scores/{run}.val.parquet")).rows)
    rows = robustness_table(ordered, validation, scores, test_sets.unseen, settings.seed, evaluate.bootstrap)
    write_robustness(rows, scores, metrics=metrics, details=details, picture=picture)


if __name__ == "__main__":
    run_command(main)
