"""Speed of the group bootstrap and of the whole threshold analysis, on synthetic scores.

    python -m benchmarks.evaluation --json evaluation.json
    python -m benchmarks.evaluation --scores 100000 --replicates 200     # smaller, for a quick look
    git worktree add ../before COMMIT && python -m benchmarks.evaluation --against ../before

The bootstrap is compared with a loop that draws images, and gives them to scikit-learn; the loop is timed on
a few replicates before and after ours, since a million scores take it a third of a second each.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from sklearn.metrics import average_precision_score
from typer import Option

from fakeforensics.metrics.bootstrap import Resampling, replicate, resample_groups, weighted_ranking
from fakeforensics.metrics.ranking import rank
from fakeforensics.metrics.spec import ScoreSpec
from fakeforensics.params import ThresholdsParams
from fakeforensics.thresholds.analysis import analyze

SCORES = (
    ScoreSpec(name="logit", label="logit", title="logit", column="logit", scale="logit"),
    ScoreSpec(name="distance", label="distance", title="distance", column="distance", scale="positive"),
)


def main(
    scores: Annotated[int, Option(min=1000, help="Scores in the bootstrapped set.")] = 1_000_000,
    replicates: Annotated[int, Option(min=10, help="Bootstrap replicates.")] = 1000,
    loop: Annotated[int, Option(min=2, help="Replicates that scikit-learn's loop is timed on.")] = 10,
    sets: Annotated[int, Option(min=2, help="Test sets in the analysis.")] = 13,
    per_set: Annotated[int, Option(min=100, help="Scores in each of them.")] = 12_000,
    against: Annotated[Path | None, Option(help="A checkout of another commit, timed in turn.")] = None,
    json_file: Annotated[Path | None, Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Time the evaluation and check it against scikit-learn, or time it against another commit's."""
    if against is None:
        figures = bootstrap(scores, replicates, loop) | analysis(sets, per_set)
    else:
        figures = compare(against, {"bootstrap": (scores, replicates, 2), "analysis": (sets, per_set)})
    for name, value in figures.items():
        print(f"{name:34} {value:.4g}")
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2) + "\n")


def bootstrap(images: int, replicates: int, loop: int) -> dict[str, float]:
    """Ours on all replicates, between two halves of the loop's."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, images)
    score = rng.normal(size=images) + label
    table = pd.DataFrame({"key": np.arange(images), "test_set": "a", "label": label, "group": ""})

    def naive(count: int) -> None:
        for _ in range(count):
            drawn = rng.integers(0, images, images)
            average_precision_score(label[drawn], score[drawn])

    before = _seconds(lambda: naive(loop // 2))
    start = time.perf_counter()
    resampling = resample_groups(table, seed=0)
    weighted = weighted_ranking(rank(score, label), resampling.unit)
    drawn = replicate(resampling, [weighted.average_precision], replicates)[:, 0]
    ours = time.perf_counter() - start
    after = _seconds(lambda: naive(loop - loop // 2))
    return {
        "bootstrap_seconds": ours,
        "bootstrap_ratio": (before + after) / loop / (ours / replicates),
        "bootstrap_max_abs_error": _largest_error(label, score, resampling, drawn, min(5, replicates)),
        "bootstrap_peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def analysis(sets: int, per_set: int) -> dict[str, float]:
    """Table 4.10, every deployable threshold with intervals, and calibration; two scores, and fused."""
    shifts = np.linspace(-4, 4, sets)
    table = pd.concat([_scores(f"set{n:02d}", shift, per_set, n) for n, shift in enumerate(shifts)])
    validation = _scores("validation", 0.0, per_set, sets)
    seconds = _seconds(
        lambda: analyze(table.reset_index(drop=True), validation, SCORES, ThresholdsParams(), seed=0)
    )
    return {"analysis_seconds": seconds}


def compare(other: Path, work: dict[str, tuple[int, ...]]) -> dict[str, float]:
    """Run functions of this file by name, with their arguments, in another checkout and here, in turn.

    Each runs in a process of its own, there, here, here and there, so that neither is favored by what else
    the machine does meanwhile.

    Returns:
        For each function the seconds of both and their ratio, ours over the other's; and the same of the
        processor time of the whole process, which depends less on what else runs.
    """
    here = Path(__file__).resolve().parents[1]
    figures: dict[str, float] = {}
    for name, arguments in work.items():
        found: dict[str, list[tuple[float, float]]] = {"other": [], "ours": []}
        for who in ("other", "ours", "ours", "other"):
            root = (other if who == "other" else here).resolve()
            call = f"evaluation.{name}{arguments!r}"
            code = f"import json\nfrom benchmarks import evaluation\nprint(json.dumps({call}))"
            environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root / "src"), str(root)])}
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            output = subprocess.run(
                [sys.executable, "-c", code],
                cwd=root,
                env=environment,
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            ).stdout
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            found[who].append((json.loads(output.splitlines()[-1])[f"{name}_seconds"], processor))
        for number, unit in enumerate(("seconds", "processor_seconds")):
            ours, others = (sum(pair[number] for pair in found[who]) / 2 for who in ("ours", "other"))
            figures |= {f"{name}_{unit}": ours, f"{name}_{unit}_other": others}
            figures[f"{name}_{unit}_ratio"] = ours / others
    return figures


def _largest_error(
    label: np.ndarray, score: np.ndarray, resampling: Resampling, ours: np.ndarray, count: int
) -> float:
    """Against scikit-learn on the very images that were drawn."""
    errors = []
    for number in range(count):
        drawn = np.repeat(np.arange(label.size), resampling.draw(number)[resampling.unit])
        errors.append(abs(average_precision_score(label[drawn], score[drawn]) - ours[number]))
    return float(max(errors))


def _scores(name: str, shift: float, images: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    label = np.arange(images) % 2
    logit = rng.normal(size=images) + 3 * label + shift
    return pd.DataFrame(
        {
            "key": [f"{name}/{number}" for number in range(images)],
            "test_set": name,
            "label": label,
            "group": "",
            "logit": logit,
            "distance": np.exp(0.3 * (rng.normal(size=images) + 3 * label + shift)),
        }
    )


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    typer.run(main)
