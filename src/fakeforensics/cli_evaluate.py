"""`fakeforensics evaluate`: metrics, intervals and thresholds for scores from anybody's detector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option


def evaluate(
    scores: Annotated[
        list[Path],
        Argument(
            help="CSV files with columns score, label, test_set and optionally group, split, key; or the "
            "pipeline's own tables in data/scores."
        ),
    ],
    out: Annotated[Path | None, Option(help="Folder for tables and pictures.")] = None,
    against: Annotated[
        list[Path] | None,
        Option(help="Another detector's scores of the same images; again for each of its runs."),
    ] = None,
    fpr: Annotated[
        float | None,
        Option(
            min=1e-6,
            max=0.999999,
            help="False-positive rate of the advised threshold, such as 0.01: the largest share of reals "
            "like validation's that may be called fake. By default that of highest accuracy on validation.",
        ),
    ] = None,
    bootstrap: Annotated[int, Option(min=100, help="Replicates behind each interval.")] = 1000,
    seed: Annotated[int, Option(min=0, help="Of the bootstrap.")] = 0,
    score: Annotated[
        str | None, Option(help="Name of the score to read from a parquet table that has several.")
    ] = None,
) -> None:
    """Measure any detector's scores: AP, AUC, EER with intervals, and thresholds.

    A higher score is more likely fake; labels are 0 real, 1 fake. Rows whose split is val choose thresholds,
    one of which is advised; rows of one group are resampled together. Several files are runs of one detector
    with several seeds.

    \b
    Examples:
      fakeforensics evaluate scores.csv --fpr 0.01
      fakeforensics evaluate seed0.csv seed1.csv --against baseline.csv --out report
      fakeforensics evaluate data/scores/<protocol>/<detector>.parquet --score <score>
    """  # noqa: D301 (\b keeps the lines of the examples)
    from fakeforensics.external import evaluate_scores, render
    from fakeforensics.params import ThresholdsParams

    params = ThresholdsParams(bootstrap=bootstrap)
    report = evaluate_scores(scores, out, against or (), params, seed, score, fpr)
    typer.echo(render(report))
    if out is not None:
        typer.echo(f"\nwritten to {out}")
