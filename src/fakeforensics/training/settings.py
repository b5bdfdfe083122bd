"""The resolved settings of one run, as the settings stage writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from fakeforensics.errors import UserError
from fakeforensics.params import AugmentParams, Count, Group, Name, TrainParams, parse

MACHINE = {"workers", "devices"}  # who does the work: a change must not train again
_INHERITED = {"center"}  # among the own settings of the detectors that have one


class RunSettings(Group):
    """Everything that decides a training run apart from its data.

    Args:
        protocol: The protocol's name.
        detector: The detector's name.
        left_out: Why the protocol does not run this detector; None if it does.
        seed: Of initial weights, batches and augmentation.
        own: The detector's own settings, resolved.
        instances: In the pilot study, the numbers of seen instances for which a model is trained.
        train: How the detector is trained.
        augment: How training images are augmented.
        code: SHA-256 of the detector's module and of those detectors' modules that it imports.
    """

    protocol: str
    detector: Name
    left_out: str | None = None
    seed: Annotated[Count, Field(ge=0, lt=2**32)]
    own: dict[str, Any] = Field(default={})
    instances: Annotated[tuple[Annotated[Count, Field(ge=1)], ...] | None, Field(min_length=1)] = None
    train: TrainParams
    augment: AugmentParams
    code: dict[str, str] = Field(default={})

    def stored(self) -> dict[str, Any]:
        """As the settings stage writes it: nothing about the machine, nothing that is not given."""
        absent = {name: True for name in ("left_out", "instances") if getattr(self, name) is None}
        return self.model_dump(mode="json", exclude=absent | {"train": MACHINE | _INHERITED})

    def resolved(self) -> dict[str, Any]:
        """What decides the weights, for the model's card."""
        names = ("protocol", "detector", "own", "code")
        return {key: value for key, value in self.stored().items() if key not in names}

    def on_machine(self, machine: TrainParams) -> RunSettings:
        """The same run with the `workers` and `devices` of `machine`."""
        here = {name: getattr(machine, name) for name in MACHINE}
        return self.model_copy(update={"train": self.train.model_copy(update=here)})


def load_settings(path: Path) -> RunSettings:
    """Read a run's settings.

    Raises:
        UserError: If the file is missing or holds an unknown key or a value out of range.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file", fix="run the stage `settings` first") from None
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON", found=str(error), fix="run the stage `settings`") from None
    return parse(RunSettings, value, str(path))
