"""The resolved settings of one run, so that a change of a parameter touches only the runs that use it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fakeforensics.code import code_hashes
from fakeforensics.errors import UserError
from fakeforensics.models.backbone import check_backbone
from fakeforensics.models.detector import Detector
from fakeforensics.models.registry import detector_class
from fakeforensics.params import Params, parse
from fakeforensics.splits.protocol import load_protocol, resolve
from fakeforensics.training.settings import RunSettings


def resolve_settings(
    params: Params, protocol_name: str, detector_name: str, protocols: Path = Path("protocols")
) -> RunSettings:
    """What a training run depends on, with the protocol's overrides applied.

    A parameter of params.yaml that the detector does not inherit, such as `lambda`, is not part of it.

    Args:
        params: params.yaml.
        protocol_name: Of the protocol.
        detector_name: Of the detector.
        protocols: Folder of the protocols.

    Raises:
        UserError: If the protocol, the detector or the backbone does not exist, or a setting is faulty.
    """
    protocol = load_protocol(protocol_name, protocols)
    where = protocols / f"{protocol_name}.yaml"
    detector = detector_class(detector_name)
    train, augment = resolve(protocol, params, str(where))
    check_backbone(train.backbone)
    left_out = None
    if protocol.detectors is not None and detector_name not in protocol.detectors:
        left_out = f"{where} narrows `detectors` to {', '.join(protocol.detectors)}"
    return RunSettings(
        protocol=protocol_name,
        detector=detector_name,
        left_out=left_out,
        seed=params.seed,
        own=own_settings(detector, params.model_copy(update={"train": train})),
        instances=protocol.instances.seen if protocol.instances else None,
        train=train,
        augment=augment,
        # The train stage depends on this file instead of on all detectors' modules.
        code=code_hashes(detector.__module__, below="fakeforensics.detectors"),
    )


def check_detectors(params: Params, protocol_name: str, protocols: Path = Path("protocols")) -> None:
    """Refuse detectors that do not exist, and a protocol that leaves out every configured detector.

    Raises:
        UserError: Naming the detectors.
    """
    protocol = load_protocol(protocol_name, protocols)
    for name in (*(protocol.detectors or ()), *params.detector_settings, params.compare.baseline):
        detector_class(name)
    if protocol.detectors is not None and not {*protocol.detectors} & {*params.detectors}:
        raise UserError(
            f"{protocols / protocol_name}.yaml narrows `detectors` to {', '.join(protocol.detectors)}, "
            "none of which params.yaml trains",
            found=f"params.yaml: detectors: [{', '.join(params.detectors)}]",
            fix=f"add {protocol.detectors[0]} to `detectors` in params.yaml",
        )


def own_settings(detector: type[Detector], params: Params) -> dict[str, Any]:
    """A detector's own settings: its defaults, what it inherits, and `detector_settings`.

    Raises:
        UserError: If a setting is unknown or out of range.
    """
    known = params.model_dump(mode="json", by_alias=True)
    inherited = {name: _find(known, path) for name, path in detector.inherits.items()}
    changed = dict(params.detector_settings.get(detector.name, {}))
    where = f"params.yaml: detector_settings.{detector.name}"
    return parse(detector.Settings, inherited | changed, where).model_dump(mode="json", by_alias=True)


def _find(values: Mapping[str, Any], path: str) -> Any:
    found: Any = values
    for key in path.split("."):
        found = found[key]
    return found
