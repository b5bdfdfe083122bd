"""The schema of `onnx.json`, which records whether a package has its network as ONNX. It needs no torch."""

from __future__ import annotations

from pydantic import model_validator

from fakeforensics.inference.training_data import Sha256
from fakeforensics.params import Flag, Group

ONNX, RECORD = "model.onnx", "onnx.json"


class OnnxRecord(Group):
    """The record of `model.onnx`: its hash, or the reason why there is no such file.

    Args:
        weights_sha256: SHA-256 of the weights that it was made from, as in `model.json`.
        sha256: SHA-256 of `model.onnx`; None if there is no such file.
        reason: Why there is no such file; None if there is one.
        heat_maps: Whether the detector has a layer that heat maps can show.
    """

    weights_sha256: Sha256
    sha256: Sha256 | None
    reason: str | None
    heat_maps: Flag

    @model_validator(mode="after")
    def _has_one_of_both(self) -> OnnxRecord:
        if (self.sha256 is None) == (self.reason is None):
            raise ValueError("give either `sha256`, of model.onnx, or the `reason` why there is none")
        return self
