"""The resolved settings of one run, as the settings stage writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from fakeforensics.errors import UserError
from fakeforensics.params import AugmentParams, Count, Group, Number, Objective, TrainParams, parse


class RunSettings(Group):
    """Everything that decides a training run apart from its data.

    Args:
        protocol: The protocol's name.
        objective: `bce`, `sad` or `joint`.
        seed: Of initial weights, batches and augmentation.
        lambda_: λ of equation 3.5; given for `joint` and for nothing else, `lambda` in the file.
        instances: In the pilot study, the numbers of seen instances for which a model is trained.
        train: How the detector is trained.
        augment: How training images are augmented.
    """

    protocol: str
    objective: Objective
    seed: Annotated[Count, Field(ge=0, lt=2**32)]
    lambda_: Annotated[Number | None, Field(ge=0, alias="lambda")] = None
    instances: Annotated[tuple[Annotated[Count, Field(ge=1)], ...] | None, Field(min_length=1)] = None
    train: TrainParams
    augment: AugmentParams

    def resolved(self) -> dict[str, Any]:
        """What decides the weights, as JSON has it: no names, no machine, nothing that is not given."""
        absent = {name: True for name in ("lambda_", "instances") if getattr(self, name) is None}
        names: dict[str, Any] = {"protocol": True, "objective": True}
        return self.model_dump(
            mode="json", by_alias=True, exclude=names | absent | {"train": {"workers", "devices"}}
        )

    def on_machine(self, machine: TrainParams) -> RunSettings:
        """The same run with the `workers` and `devices` of `machine`."""
        here = {"workers": machine.workers, "devices": machine.devices}
        return self.model_copy(update={"train": self.train.model_copy(update=here)})

    @model_validator(mode="after")
    def _lambda_is_joints(self) -> RunSettings:
        if (self.lambda_ is None) == (self.objective == "joint"):
            raise ValueError("`lambda` belongs to the joint objective, and only there")
        return self


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
