"""A trained model's folder and what the pipeline measured of it, without its weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from fakeforensics.errors import UserError
from fakeforensics.inference.decision import DECISION, Decision, read_decision, validation_decision
from fakeforensics.models.card import CARD, read_card
from fakeforensics.params import FacesParams, Name, Objective, parse

PREFERRED: tuple[Objective, ...] = ("joint", "bce", "sad")
Crop = Literal["faces", "whole"]


class _Images(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    crop: dict[str, Crop]
    faces: FacesParams


class _Card(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    protocol: Name
    objective: Objective
    preprocess: dict[str, Any]
    images: _Images
    counts: dict[str, dict[str, dict[str, int]]] = {}


@dataclass(frozen=True)
class Trained:
    """A model's folder, `models/<protocol>/<objective>` or a copy of one.

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
        """`<protocol>/<objective>`."""
        return f"{self.card.protocol}/{self.card.objective}"

    @property
    def objective(self) -> Objective:
        """`bce`, `sad` or `joint`."""
        return self.card.objective

    @property
    def crop(self) -> Crop:
        """Whether it expects aligned faces or whole images; faces if it was trained on both."""
        crops = set(self.card.images.crop.values())
        return "whole" if crops == {"whole"} else "faces"

    @property
    def faces(self) -> FacesParams:
        """How the faces of its training data were cut."""
        return self.card.images.faces

    @property
    def seen_methods(self) -> tuple[str, ...]:
        """The forgery methods among its training images."""
        methods = {method for source in self.card.counts.get("train", {}).values() for method in source}
        return tuple(sorted(methods - {"real"}))

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
        """The decision policy; None if there is none, so that there can be no verdict."""
        for path in (self.directory / DECISION, *self._in_project(f".{DECISION}")):
            if path.is_file():
                return read_decision(path)
        return validation_decision(self.thresholds, "cd" if self.objective == "sad" else "sl")

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
        # models/<protocol>/<objective> and, of the pilot study, models/<protocol>/<objective>/n3.
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
        directory: Its folder. By default the one below `root`: of a single trained protocol the joint
            detector or, failing that, bce or sad.
        root: Where the pipeline puts models.

    Raises:
        UserError: If there is none, the choice is open, or the card is damaged or foreign.
    """
    trained = Trained(_only(root) if directory is None else Path(directory))
    _ = trained.card  # a damaged card is told of here
    return trained


def _only(root: Path) -> Path:
    models = find_models(root)
    if not models:
        raise UserError(
            f"{root}/: no trained model here",
            fix="run the command where `dvc repro` was run, or name a model's folder: --model DIR",
        )
    protocols = {path.relative_to(root).parts[0] for path in models}
    if len(protocols) == 1:
        for objective in PREFERRED:
            wanted = root / next(iter(protocols)) / objective
            if wanted in models:
                return wanted
    raise UserError(
        "which model? There are several:",
        found="\n".join(str(path) for path in models),
        fix=f"choose one: --model {models[0]}",
    )


def _read_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON", found=str(error), fix="run `dvc repro`") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a JSON object", fix="run `dvc repro`")
    return value
