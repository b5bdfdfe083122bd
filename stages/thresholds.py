"""Stage `thresholds@<protocol>-<objective>`: each test set's best, and what validation's gives."""

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
    """Analyse the thresholds of a run's scores, and write the policy that inference goes by."""
    from fakeforensics.params import load_params
    from fakeforensics.scores.table import in_order, of_one_model, read_scores
    from fakeforensics.scores.test_sets import read_test_sets
    from fakeforensics.thresholds.analysis import analyse
    from fakeforensics.thresholds.files import write_analysis

    settings = load_params(params)
    run = f"{protocol}/{objective}"
    test = of_one_model(read_scores(Path(f"data/scores/{run}.parquet")))
    table = in_order(test, read_test_sets(protocol).names)
    validation = of_one_model(read_scores(Path(f"data/scores/{run}.val.parquet")))
    analysis = analyse(table, validation, settings.thresholds, settings.seed)
    write_analysis(
        analysis,
        metrics=Path(f"metrics/{run}.thresholds.json"),
        decision=Path(f"metrics/{run}.decision.json"),
        details=Path(f"data/thresholds/{run}.csv"),
        plots=Path(f"plots/{run}"),
    )


if __name__ == "__main__":
    run_command(main)
