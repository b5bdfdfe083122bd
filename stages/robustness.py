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
    from fakeforensics.errors import UserError
    from fakeforensics.evaluation.files import read_manifest
    from fakeforensics.evaluation.robustness import CLEAN, robustness_table, score_corrupted
    from fakeforensics.evaluation.robustness_picture import draw_robustness
    from fakeforensics.files import write_json
    from fakeforensics.models.saving import load_detector
    from fakeforensics.params import load_params
    from fakeforensics.scores.table import read_scores
    from fakeforensics.scores.test_sets import read_test_sets
    from fakeforensics.training.device import worker_count

    settings = load_params(params).evaluate
    test_sets = read_test_sets(protocol)
    run = f"{protocol}/{objective}"
    detector, card = load_detector(Path("models") / (test_sets.models_from or protocol) / objective)
    manifest = read_manifest(Path("data/manifests") / protocol / "test.parquet")
    tables = {CLEAN: read_scores(Path(f"data/scores/{run}.parquet"))}
    batch, workers = settings.batch_size, worker_count(settings.workers)
    for name in settings.corruptions:
        tables[name] = score_corrupted(
            detector, card, manifest, Path("data/images"), name, scratch, batch, workers
        )
    validation = read_scores(Path(f"data/scores/{run}.val.parquet"))
    rows = robustness_table(tables, validation, test_sets.names)
    if not rows:
        raise UserError(f"{protocol}: no test set holds both reals and fakes", fix="leave this stage out")
    write_json(Path(f"metrics/{run}.robustness.json"), {"robustness": rows})
    draw_robustness(rows, Path(f"plots/{run}/robustness.png"))


if __name__ == "__main__":
    run_command(main)
