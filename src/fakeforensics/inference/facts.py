"""What is known of a model, gathered from its card, its metrics and its protocol's file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakeforensics.inference.trained import Trained
from fakeforensics.metrics.spec import ScoreSpec
from fakeforensics.params import read_yaml

DEMO_WARNING = (
    "Demo model: it was trained on synthetic faces that the demo makes from one portrait, to show that the "
    "pipeline runs. Do not judge real pictures by it."
)


@dataclass(frozen=True)
class Measured:
    """Average precision on one test set, by one score.

    Args:
        test_set: Its name; `mean` and `mean_unseen` for the means.
        score: Its label.
        ap: Percent.
        interval: 95 % interval, percent; None if none was computed.
        unseen: Whether training saw neither its forgery method nor its image world; None where the
            protocol's file is not at hand.
    """

    test_set: str
    score: str
    ap: float
    interval: tuple[float, float] | None
    unseen: bool | None


def title(trained: Trained) -> str:
    """What the protocol calls itself; its name where the file is not at hand."""
    return str(_protocol(trained).get("title") or trained.name)


def score_name(score: ScoreSpec) -> str:
    """A score's label and what it is."""
    return f"{score.label}, {score.title}"


def is_demo(trained: Trained) -> bool:
    """Whether it was trained on the embedded demo's synthetic faces: a proof of the pipeline, no detector."""
    return any(source.startswith("demo") for source in trained.card.images.crop)


def training_images(trained: Trained) -> dict[str, int]:
    """Images by method, summed over the sources; `real` first."""
    total: dict[str, int] = {}
    for methods in trained.card.counts.get("train", {}).values():
        for method, count in methods.items():
            total[method] = total.get(method, 0) + count
    return dict(sorted(total.items(), key=lambda item: (item[0] != "real", item[0])))


def measured(trained: Trained) -> list[Measured]:
    """Every average precision that the evaluate stage measured, in the protocol's order."""
    labels = {score.name: score.label for score in trained.scores}
    known = bool(_protocol(trained))
    unseen = unseen_sets(trained)
    intervals = trained.details.get("ap_interval", {})
    return [
        Measured(
            test_set,
            labels.get(score, score),
            100 * float(value),
            _percent(intervals.get(score, {}).get(test_set)),
            (test_set in unseen or test_set == "mean_unseen") if known else None,
        )
        for score, sets in trained.metrics.get("ap", {}).items()
        for test_set, value in sets.items()
    ]


def unseen_sets(trained: Trained) -> list[str]:
    """Test sets with a method or image world that training never saw."""
    return [str(name) for name in _protocol(trained).get("unseen") or ()]


def _protocol(trained: Trained) -> dict[str, Any]:
    project = trained.project
    path = None if project is None else project / "protocols" / f"{trained.card.protocol}.yaml"
    if path is None or not path.is_file():
        return {}
    value = read_yaml(path)
    return value if isinstance(value, dict) else {}


def _percent(bounds: Any) -> tuple[float, float] | None:
    return None if bounds is None else (100 * float(bounds[0]), 100 * float(bounds[1]))


def crops_on_disk(trained: Trained) -> Path | None:
    """The folder of the training images, where the project that made the model is at hand."""
    images = None if trained.project is None else trained.project / "data/images"
    return images if images is not None and images.is_dir() else None
