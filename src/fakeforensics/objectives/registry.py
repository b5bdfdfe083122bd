"""Objectives by name."""

from __future__ import annotations

from fakeforensics.errors import UserError
from fakeforensics.objectives.bce import Bce
from fakeforensics.objectives.joint import Joint
from fakeforensics.objectives.objective import Objective
from fakeforensics.objectives.sad import Sad


def build_objective(name: str, lambda_: float | None = None) -> Objective:
    """The objective of that name.

    Args:
        name: `bce`, `sad` or `joint`.
        lambda_: λ of equation 3.5, for `joint` alone.

    Raises:
        UserError: If the name is unknown, or `joint` has no λ of at least 0.
    """
    match name:
        case "bce":
            return Bce()
        case "sad":
            return Sad()
        case "joint":
            if lambda_ is None or not 0 <= lambda_ < float("inf"):
                raise UserError("joint needs `lambda`", expected="a number of at least 0", found=str(lambda_))
            return Joint(lambda_)
    raise UserError(f"unknown objective {name!r}", expected="bce, sad, joint")
