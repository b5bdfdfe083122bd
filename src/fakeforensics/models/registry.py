"""Finds detectors by name; each is a module of `fakeforensics.detectors`."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from inspect import isabstract
from typing import Any, get_args

from fakeforensics import detectors
from fakeforensics.errors import UserError
from fakeforensics.metrics.spec import EXTERNAL
from fakeforensics.models.card import Architecture, Sees
from fakeforensics.models.detector import Detector
from fakeforensics.parsing import parse


def detector_names() -> list[str]:
    """The names of all detectors, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(detectors.__path__))


def detector_class(name: str) -> type[Detector]:
    """Find the detector class of that name.

    Raises:
        UserError: If there is no such module, or it does not define exactly one detector of its name.
    """
    if name not in detector_names():
        raise UserError(
            f"unknown detector {name!r}",
            expected=", ".join(detector_names()),
            fix="correct `detectors` in params.yaml, or add the module src/fakeforensics/detectors/"
            f"{name}.py; docs/detectors.md describes its contents",
        )
    module = import_module(f"{detectors.__name__}.{name}")
    found = {
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Detector) and value.__dict__.get("name") == name
    }
    if len(found) != 1:
        raise UserError(
            f"{module.__file__}: does not define the detector {name!r}",
            expected=f"one subclass of Detector with name = {name!r}",
            found=f"{len(found)} of them",
        )
    (kind,) = found
    _check_declaration(kind)
    _check_scores(kind)
    return kind


def build_detector(name: str, architecture: Architecture, settings: dict[str, Any]) -> Detector:
    """Build an untrained detector, initialized from PyTorch's global generator.

    Args:
        name: The detector's name.
        architecture: The parameters of its network.
        settings: Its own settings by name; missing ones take their defaults.

    Raises:
        UserError: If the detector is unknown, or a setting is unknown or out of range.
    """
    kind = detector_class(name)
    return kind(architecture, parse(kind.Settings, settings, f"settings of the detector {name!r}"))


def _check_declaration(kind: type[Detector]) -> None:
    """Reject a class with which training or saving would fail later."""
    missing = [name for name in ("label", "title", "sees", "scores") if not hasattr(kind, name)]
    if missing or kind.sees not in get_args(Sees) or isabstract(kind):
        raise UserError(
            f"the declaration of the detector {kind.name!r} is incomplete",
            expected=f"label, title, scores, sees (one of {', '.join(get_args(Sees))}) and its methods",
            found=f"without {', '.join(missing)}"
            if missing
            else f"sees = {kind.sees!r}; abstract methods: {', '.join(sorted(kind.__abstractmethods__))}",
            fix="docs/detectors.md lists what a detector declares",
        )


def _check_scores(kind: type[Detector]) -> None:
    """Reject scores that tables or predictions could not tell apart."""
    columns = [one for score in kind.scores for one in (score.column, score.probability_column) if one]
    names = [score.name for score in kind.scores]
    labels = [score.label for score in kind.scores]
    unique = all(len(set(values)) == len(values) for values in (columns, names, labels))
    # The deciding score of a prediction takes the name of an external score file's only column.
    if not names or not unique or EXTERNAL.column in columns:
        raise UserError(
            f"the detector {kind.name!r} does not declare its scores properly",
            expected="at least one score; names, labels and columns that differ; no column "
            f"{EXTERNAL.column!r}",
            found=f"names {', '.join(names) or '(none)'}; labels {', '.join(labels)}; "
            f"columns {', '.join(columns)}",
        )
