"""`fakeforensics evaluate`: metrics, intervals and thresholds for the scores of any detector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

# The terms of the tables that `render` makes.
LEGEND = """\
AP: average precision; AUC: area under the ROC curve; EER: equal error rate; fpr: share of the reals called
fake; fnr: share of the fakes called real; oracle: chosen with the test labels, so it cannot be deployed;
gap closed: the share of the accuracy gap between validation's threshold and the oracle's that a rule
closes; Cllr: cost of the likelihood ratio in bits (0 is perfect, 1 is as good as no answer); Cllr_min:
Cllr after calibration on the set itself.
"""


def evaluate(
    scores: Annotated[
        list[Path],
        Argument(
            help="CSV files with the columns score, label, test_set and optionally group, split, key, video; "
            "or score tables of the pipeline, from data/scores. Several files are taken as runs of one "
            "detector with different seeds."
        ),
    ],
    out: Annotated[Path | None, Option(help="Folder for tables and pictures.")] = None,
    against: Annotated[
        list[Path] | None,
        Option(help="Scores of another detector on the same images; repeat the option for each of its runs."),
    ] = None,
    fpr: Annotated[
        float | None,
        Option(
            min=1e-6,
            max=0.999999,
            help="Highest false-positive rate of the advised threshold, such as 0.01: the share of real "
            "images that may be called fake, if they resemble the real validation images. By default, the "
            "advised threshold is the one with the highest accuracy on validation.",
        ),
    ] = None,
    bootstrap: Annotated[int, Option(min=100, help="Number of bootstrap replicates per interval.")] = 1000,
    seed: Annotated[int, Option(min=0, help="Seed of the bootstrap.")] = 0,
    score: Annotated[
        str | None, Option(help="Name of the score to read, if a parquet table holds several scores.")
    ] = None,
) -> None:
    """Measure the scores of any detector, with intervals, and choose thresholds.

    The metrics include average precision (AP), area under the ROC curve (AUC) and equal error rate (EER). A
    higher score must mean more likely fake; the label is 0 or real for a real image, 1 or fake for a fake.
    Thresholds are chosen on the rows whose split is val or validation, and one of them is advised; the other
    rows have the split test. Rows of one group are resampled together.

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
    typer.echo(f"{LEGEND}\n{render(report)}")
    if out is not None:
        typer.echo(f"\nwritten to {out}")
