"""The resolved settings of one run, so that a change of a parameter touches the runs that use it alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from fakeforensics.errors import UserError
from fakeforensics.params import Objective, Params
from fakeforensics.splits.protocol import load_protocol, resolve

# They say who does the work; a change must not train anew.
_MACHINE = {"workers", "devices"}


def resolve_settings(
    params: Params, protocol_name: str, objective: str, protocols: Path = Path("protocols")
) -> dict[str, Any]:
    """What a training run depends on: protocol, objective, seed, lambda (joint only), train and augment.

    `train.workers` and `train.devices` are left out: the machine's, not the experiment's.

    Raises:
        UserError: If the protocol or the objective does not exist, or an override is faulty.
    """
    if objective not in get_args(Objective):
        raise UserError(
            f"unknown objective {objective!r}", expected="one of " + ", ".join(get_args(Objective))
        )
    protocol = load_protocol(protocol_name, protocols)
    train, augment = resolve(protocol, params, str(protocols / f"{protocol_name}.yaml"))
    settings: dict[str, Any] = {"protocol": protocol_name, "objective": objective, "seed": params.seed}
    if objective == "joint":
        settings["lambda"] = params.lambda_
    if protocol.instances is not None:
        settings["instances"] = list(protocol.instances.seen)
    return settings | {
        "train": train.model_dump(mode="json", exclude=_MACHINE),
        "augment": augment.model_dump(mode="json"),
    }
