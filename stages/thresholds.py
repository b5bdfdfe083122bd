"""Stage `thresholds@<protocol>-<detector>`: the best threshold of each test set, and validation's."""

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
    """Analyze the thresholds of a detector's scores, and write the decision policy for inference."""
    from stages._left_out import left_out, write_left_out

    run = f"{protocol}/{detector}"
    metrics, decision = Path(f"metrics/{run}.thresholds.json"), Path(f"metrics/{run}.decision.json")
    details, plots = Path(f"data/thresholds/{run}.csv"), Path(f"plots/{run}")
    if (reason := left_out(protocol, detector)) is not None:
        write_left_out(
            reason,
            tables=[details, details.with_suffix(".summary.csv"), plots / "reliability.csv"],
            metrics=[metrics, decision],
            pictures=[plots / f"{name}.png" for name in ("thresholds", "gap", "reliability")],
        )
        return

    from fakeforensics.metrics.table import in_order, of_one_model, read_scores, read_test_sets
    from fakeforensics.params import load_params
    from fakeforensics.thresholds.analysis import analyse
    from fakeforensics.thresholds.files import write_analysis

    settings = load_params(params)
    rows, scores = read_scores(Path(f"data/scores/{run}.parquet"))
    table = in_order(of_one_model(rows), read_test_sets(protocol).names)
    validation = of_one_model(read_scores(Path(f"data/scores/{run}.val.parquet")).rows)
    analysis = analyse(table, validation, scores, settings.thresholds, settings.seed)
    write_analysis(analysis, metrics=metrics, decision=decision, details=details, plots=plots)


if __name__ == "__main__":
    run_command(main)
