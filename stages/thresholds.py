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
    """Analyse the thresholds of a run's scores."""
    from fakeforensics.files import write_json
    from fakeforensics.params import load_params
    from fakeforensics.scores.table import in_order, read_scores
    from fakeforensics.scores.test_sets import read_test_sets
    from fakeforensics.thresholds.oracle import oracle_table
    from fakeforensics.thresholds.pictures import draw_oracle

    settings = load_params(params)
    run = f"{protocol}/{objective}"
    table = in_order(read_scores(Path(f"data/scores/{run}.parquet")), read_test_sets(protocol).names)
    validation = read_scores(Path(f"data/scores/{run}.val.parquet"))
    rows = oracle_table(table, validation)
    write_json(Path(f"metrics/{run}.thresholds.json"), {"table_4_10": rows})
    draw_oracle(rows, Path(f"plots/{run}/thresholds.png"), settings.thresholds.criterion)


if __name__ == "__main__":
    run_command(main)
