"""A trained model's folder and what the pipeline measured of it, without its weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from fakeforensics.errors import UserError
from fakeforensics.metrics.spec import Scores
from fakeforensics.models.card import CARD, DetectorCard, detector_card, read_card
from fakeforensics.params import FacesParams, Name, parse, read_yaml
from fakeforensics.thresholds.policy import DECISION, Decision, read_decision

Crop = Literal["faces", "whole"]


class _Images(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    crop: dict[str, Crop]
    faces: FacesParams


class _Card(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    protocol: Name
    preprocess: dict[str, Any]
    images: _Images
    counts: dict[str, dict[str, dict[str, int]]] = {}


@dataclass(frozen=True)
class Trained:
    """A model's folder, `models/<protocol>/<detector>` or a copy of one.

    Args:
        directory: Holds `model.safetensors` and `model.json`.
    """

    directory: Path

    @cached_property
    def raw_card(self) -> dict[str, Any]:
        """All that `model.json` says."""
        return read_card(self.directory)

    @cached_property
    def card(self) -> _Card:
        """What inference needs of it."""
        return parse(_Card, self.raw_card, str(self.directory / CARD))

    @property
    def name(self) -> str:
        """`<protocol>/<detector>`."""
        return f"{self.card.protocol}/{self.detector.name}"

    @cached_property
    def detector(self) -> DetectorCard:
        """What the card says of the detector."""
        return detector_card(self.raw_card, str(self.directory / CARD))

    @property
    def scores(self) -> Scores:
        """What the detector's scores are, the main one first."""
        return self.detector.scores

    @property
    def label(self) -> str:
        """The detector's short name."""
        return self.detector.label

    @property
    def crop(self) -> Crop:
        """Whether it expects aligned faces or whole images; faces if it was trained on both."""
        crops = set(self.card.images.crop.values())
        return "whole" if crops == {"whole"} else "faces"

    @property
    def faces(self) -> FacesParams:
        """How the faces of its training data were cut."""
        return self.card.images.faces

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """What the evaluate stage measured; empty if that is not at hand."""
        return self._measured("metrics.json", ".json")

    @cached_property
    def details(self) -> dict[str, Any]:
        """Intervals of the metrics; empty if they are not at hand."""
        return self._measured("details.json", ".details.json")

    @cached_property
    def thresholds(self) -> dict[str, Any]:
        """The threshold analysis; empty if that is not at hand."""
        return self._measured("thresholds.json", ".thresholds.json")

    @cached_property
    def decision(self) -> Decision | None:
        """The decision policy; None if there is none, so that there can be no verdict.

        Raises:
            UserError: If it is damaged, or goes by a score that this model does not have.
        """
        for path in (self.directory / DECISION, *self._in_project(f".{DECISION}")):
            if path.is_file():
                return self._checked(read_decision(path), path)
        return None

    def _checked(self, decision: Decision, path: Path) -> Decision:
        names = [score.name for score in self.scores]
        if decision.score not in names:
            raise UserError(
                f"{path}: the decision policy goes by a score that the model {self.name} does not have",
                expected=", ".join(names),
                found=decision.score,
                fix="copy the policy of this very model, or run `dvc repro`",
            )
        return decision

    def _measured(self, beside: str, suffix: str) -> dict[str, Any]:
        for path in (self.directory / beside, *self._in_project(suffix)):
            if path.is_file():
                return _read_object(path)
        return {}

    @property
    def project(self) -> Path | None:
        """The project's folder, if the model lies in its `models/`."""
        parts = self.directory.absolute().parts
        return Path(*parts[: self._place(parts)]) if "models" in parts else None

    def _in_project(self, suffix: str) -> list[Path]:
        # models/<protocol>/<detector> and, of the pilot study, models/<protocol>/<detector>/n3.
        parts = self.directory.absolute().parts
        if self.project is None:
            return []
        inside = parts[self._place(parts) + 1 :]
        return [Path(self.project, "metrics", *inside[:-1], inside[-1] + suffix)] if inside else []

    @staticmethod
    def _place(parts: tuple[str, ...]) -> int:
        return len(parts) - 1 - parts[::-1].index("models")


def find_models(root: Path = Path("models")) -> list[Path]:
    """The folders below `root` that hold a model, sorted."""
    return sorted(path.parent for path in root.glob(f"**/{CARD}"))


def open_trained(directory: Path | None = None, root: Path = Path("models")) -> Trained:
    """Open a model's card.

    Args:
        directory: Its folder. By default the only one below `root` or, of several detectors of one protocol,
            the one whose best score has the highest average precision on validation. Nothing that was
            measured on a test set takes part: figures on the test sets would flatter a model that was chosen
            by them. Of equally good ones the last of the `detectors` in the params.yaml beside `root` is
            taken; without that file, the last by name.
        root: Where the pipeline puts models.

    Raises:
        UserError: If there is none, the choice is open, or the card is damaged or foreign.
    """
    trained = Trained(_default(root) if directory is None else Path(directory))
    _ = trained.card  # a damaged card is told of here
    return trained


def _default(root: Path) -> Path:
    models = find_models(root)
    if not models:
        raise UserError(
            f"{root}/: no trained model here",
            fix="run the command where `dvc repro` was run, or name a model's folder: --model DIR",
        )
    if len(models) == 1:
        return models[0]
    places = [path.relative_to(root).parts for path in models]
    # A folder below the detector's is an instance of the pilot study: none of them stands for the others.
    if any(len(place) != 2 for place in places) or len({place[0] for place in places}) > 1:
        raise _ask("which model? There are several:", models)
    precision = {path: _validation_ap(Trained(path)) for path in models}
    if any(ap is None for ap in precision.values()):
        raise _ask(
            "which model? There are several, and not all have an average precision on validation:", models
        )
    order = _detectors_of(root.parent / "params.yaml")
    place = {name: number for number, name in enumerate(order)}
    return max(models, key=lambda path: (precision[path], place.get(path.name, -1), path.name))


def _ask(what: str, models: Sequence[Path]) -> UserError:
    return UserError(
        what, found="\n".join(str(path) for path in models), fix=f"choose one: --model {models[0]}"
    )


def _validation_ap(trained: Trained) -> float | None:
    """The highest average precision on validation of the model's scores; None if it is not known."""
    by_score = trained.metrics.get("validation", {}).get("ap", {})
    return max(by_score.values(), default=None)


def _detectors_of(params: Path) -> list[str]:
    """The detectors that params.yaml names, in its order; empty without that file."""
    value = read_yaml(params) if params.is_file() else None
    listed = value.get("detectors") if isinstance(value, dict) else None
    return [str(name) for name in listed] if isinstance(listed, list) else []


def _read_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON", found=str(error), fix="run `dvc repro`") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a JSON object", fix="run `dvc repro`")
    return value
