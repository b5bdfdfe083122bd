"""The settings of one run, resolved from params.yaml and the protocol, and stored by the settings stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from fakeforensics.code import code_hashes
from fakeforensics.errors import UserError
from fakeforensics.params import AugmentParams, Count, Group, Name, Params, TrainParams
from fakeforensics.parsing import Model, parse
from fakeforensics.reading import read_json

if TYPE_CHECKING:
    from fakeforensics.models.detector import Detector

MACHINE = {"workers", "devices"}  # settings of the machine: changing them must not train again
# What the thesis literally says. It mentions no augmentation and no reduced precision, and its loss L_sad is
# the loss of Deep SAD, where the center is fixed. docs/training.md explains where the defaults differ.
AS_WRITTEN: Mapping[str, Mapping[str, Any]] = {
    "train": {"center": "init", "precision": "32"},
    "augment": {
        "resize": None,
        "blur_prob": 0.0,
        "jpeg_prob": 0.0,
        "crop": "center",
        "flip_prob": 0.0,
        "vertical_flip_prob": 0.0,
    },
}
_INHERITED = {"center"}  # stored with the detector's own settings instead


class RunSettings(Group):
    """Everything that determines a training run, except its data.

    Args:
        protocol: The protocol's name.
        detector: The detector's name.
        left_out: Why the protocol does not run this detector; None if it does.
        seed: Seed of initial weights, batches and augmentation.
        own: The resolved settings of the detector itself.
        train: How the detector is trained.
        augment: How training images are augmented.
        code: Hashes of the detector's module and of the detectors' modules that it imports, by module name.
    """

    protocol: str
    detector: Name
    left_out: str | None = None
    seed: Annotated[Count, Field(ge=0, lt=2**32)]
    own: dict[str, Any] = Field(default={})
    train: TrainParams
    augment: AugmentParams
    code: dict[str, str] = Field(default={})

    def stored(self) -> dict[str, Any]:
        """The content of the file that the settings stage writes, without the settings of the machine."""
        absent = {"left_out": True} if self.left_out is None else {}
        return self.model_dump(mode="json", exclude=absent | {"train": MACHINE | _INHERITED})

    def resolved(self) -> dict[str, Any]:
        """The groups `train` and `augment` and the seed, for the model's card."""
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
    fix = "run the stage `settings` first, or again if the file is damaged"
    return parse(RunSettings, read_json(Path(path), fix), str(path), fix)


def resolve_settings(
    params: Params,
    protocol: str,
    detector_name: str,
    *,
    where: str,
    overrides: Mapping[str, dict[str, Any]],
    detectors: tuple[str, ...] | None = None,
    as_written: bool = False,
) -> RunSettings:
    """Resolve the settings of one training run.

    Later values replace earlier ones, in this order: params.yaml; `AS_WRITTEN`, if the protocol asks for it;
    the detector's `recipe`; the protocol's `params`; `train` and `augment` in the protocol's
    `detector_settings`; and `train` and `augment` in the `detector_settings` of params.yaml. A parameter that
    the detector does not inherit, such as `lambda`, is not part of the result.

    Args:
        params: The content of params.yaml.
        protocol: The protocol's name.
        detector_name: The detector's name.
        where: The protocol's file, for messages.
        overrides: Changes by the protocol, in the groups `train`, `augment` and `detector_settings`.
        detectors: The detectors that the protocol runs; None runs all.
        as_written: Whether `AS_WRITTEN` replaces values of params.yaml.

    Raises:
        UserError: If the detector or the backbone does not exist, or a setting is invalid.
    """
    from fakeforensics.models.backbone import check_backbone
    from fakeforensics.models.registry import detector_class

    detector = detector_class(detector_name)
    in_params = f"params.yaml: detector_settings.{detector_name}"
    in_protocol = f"{where}: params.detector_settings.{detector_name}"
    defaults = dict(overrides.get("detector_settings", {}).get(detector_name, {}))
    own = dict(params.detector_settings.get(detector_name, {}))
    recipes = detector.recipe_of(defaults | own)

    def resolved(kind: type[Model], group: str, values: Model) -> Model:
        """A group with all changes applied; each change is checked, so that an error names its place."""
        recipe = {
            key.partition(".")[2]: value for key, value in recipes.items() if key.startswith(f"{group}.")
        }
        for changes, place in (
            (AS_WRITTEN[group] if as_written else {}, f"{where}: as_written"),
            (recipe, f"the recipe of the detector {detector_name!r}: {group}"),
            (overrides[group], f"{where}: params.{group}"),
            (defaults.pop(group, {}), f"{in_protocol}.{group}"),
            (own.pop(group, {}), f"{in_params}.{group}"),
        ):
            values = parse(kind, values.model_dump() | dict(changes), place)
        return values

    train = resolved(TrainParams, "train", params.train)
    augment = resolved(AugmentParams, "augment", params.augment)
    check_backbone(train.backbone)
    _check_monitor(detector, train, where)
    left_out = None
    if detectors is not None and detector_name not in detectors:
        left_out = f"{where} narrows `detectors` to {', '.join(detectors)}"
    return RunSettings(
        protocol=protocol,
        detector=detector_name,
        left_out=left_out,
        seed=params.seed,
        own=_own_settings(
            detector_name,
            {in_protocol: defaults, in_params: own},
            params.model_copy(update={"train": train}),
        ),
        train=train,
        augment=augment,
        # With these hashes the train stage depends on this file, and not on the modules of all detectors.
        code=code_hashes(detector.__module__, below="fakeforensics.detectors"),
    )


def check_detectors(
    params: Params, where: str, detectors: tuple[str, ...] | None, defaults: Iterable[str] = ()
) -> None:
    """Check that all named detectors exist, and that the protocol runs at least one.

    Args:
        params: The content of params.yaml.
        where: The protocol's file, for messages.
        detectors: The detectors that the protocol runs; None runs all.
        defaults: The detectors whose settings the protocol changes.

    Raises:
        UserError: If a detector does not exist, or params.yaml trains none that the protocol runs.
    """
    from fakeforensics.models.registry import detector_class

    for name in (*(detectors or ()), *defaults, *params.detector_settings, params.compare.baseline):
        detector_class(name)
    if detectors is not None and not {*detectors} & {*params.detectors}:
        raise UserError(
            f"{where} narrows `detectors` to {', '.join(detectors)}, none of which params.yaml trains",
            found=f"params.yaml: detectors: [{', '.join(params.detectors)}]",
            fix=f"add {detectors[0]} to `detectors` in params.yaml",
        )


def _check_monitor(detector: type[Detector], train: TrainParams, where: str) -> None:
    if train.monitor == "accuracy" and detector.scores[0].boundary is None:
        raise UserError(
            f"{where}: `train.monitor: accuracy` needs a score with a boundary between real and fake",
            found=f"{detector.scores[0].label} of the detector {detector.name!r}, which only ranks images",
            fix="use `monitor: loss` for this detector",
        )


def _own_settings(name: str, changes: Mapping[str, dict[str, Any]], params: Params) -> dict[str, Any]:
    """A detector's own settings: its defaults, inherited values, and the changes in each place."""
    from fakeforensics.models.registry import detector_class

    detector = detector_class(name)
    known = params.model_dump(mode="json", by_alias=True)
    values = {key: reduce(getitem, path.split("."), known) for key, path in detector.inherits.items()}
    for place, changed in changes.items():
        values |= changed
        if changed or place == [*changes][-1]:  # a required setting may be set in the last place only
            parsed = parse(detector.Settings, values, place)
    return detector.complete(parsed.model_dump(mode="json", by_alias=True))
