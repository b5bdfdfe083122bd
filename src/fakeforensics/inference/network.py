"""Computes the scores of a packaged detector with ONNX Runtime or torch, and chooses between the two."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import UInt8

from fakeforensics.devices import has_gpu
from fakeforensics.errors import UserError
from fakeforensics.files import sha256_file
from fakeforensics.inference.onnx_record import ONNX, RECORD, OnnxRecord
from fakeforensics.inference.package import Package, rebuild_command
from fakeforensics.models.onnx_session import run_session
from fakeforensics.models.processor import processor_name

Runtime = Literal["onnxruntime", "torch"]
Wanted = Literal["auto", "onnxruntime", "torch"]
Crops = Sequence[UInt8[np.ndarray, "size size 3"]]


class Choice(NamedTuple):
    """The runtime, and the reason why ONNX Runtime is not possible; None if it is possible."""

    runtime: Runtime
    why_not_onnx: str | None


class Network(ABC):
    """A loaded network.

    Attributes:
        runtime: Name and version of the library that computes.
        device: `cpu` or `cuda`.
        processor: The name of the processor or GPU.
        threads: Number of threads on the processor.
        has_heat_maps: Whether the detector has a layer that heat maps can show.
    """

    runtime: str
    device: str
    processor: str
    threads: int
    has_heat_maps: bool

    @abstractmethod
    def score(self, crops: Crops) -> dict[str, list[float]]:
        """The scores of crops by column, in their order."""


class OnnxNetwork(Network):
    """The `model.onnx` of a package, computed on the processor.

    The graph normalizes the pixels. The package stage has checked that its scores agree with those of torch
    to 1e-4 of their size.

    Args:
        package: The package.

    Raises:
        UserError: If the file is damaged, or does not belong to the package's weights.
    """

    def __init__(self, package: Package) -> None:
        import onnxruntime

        path, record = _checked_file(package)
        self.runtime = f"onnxruntime {onnxruntime.__version__}"
        self.device = "cpu"
        self.processor = processor_name()
        self.threads = len(os.sched_getaffinity(0))
        self.has_heat_maps = record.heat_maps
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        # A waiting thread must leave its core to the processes that find faces.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001  ONNX Runtime raises a dozen own classes
            raise UserError(
                f"{path}: ONNX Runtime cannot load it",
                found=str(error),
                fix=f"install onnxruntime as pyproject.toml says, or {rebuild_command(package)}",
            ) from None
        self._columns = [score.column for score in package.scores]

    def score(self, crops: Crops) -> dict[str, list[float]]:
        """The scores of crops by column, in their order."""
        images = np.ascontiguousarray(np.stack(crops).transpose(0, 3, 1, 2))
        values = run_session(self._session, self._columns, images)
        return {column: one.tolist() for column, one in zip(self._columns, values, strict=True)}


def choose_runtime(package: Package, wanted: Wanted = "auto") -> Choice:
    """Choose the library that computes the scores.

    `auto` takes ONNX Runtime, which starts in a fraction of torch's time. It takes torch if the package has
    no `model.onnx`, if onnxruntime is not installed, or if the machine has a GPU and the model was trained
    here.

    Raises:
        UserError: If onnxruntime is wanted but not possible, or `onnx.json` is damaged.
    """
    if wanted == "torch":
        return Choice("torch", None)
    why_not = _why_not_onnx(package)
    if why_not is None:
        # The package of a detector that was trained elsewhere holds its network in this form alone.
        on_gpu = wanted == "auto" and package.detector.sees != "elsewhere" and has_gpu()
        return Choice("torch" if on_gpu else "onnxruntime", None)
    if wanted == "onnxruntime":
        raise UserError(f"{package.directory}: cannot run on onnxruntime", found=why_not, fix="use torch")
    return Choice("torch", why_not)


def open_network(package: Package, wanted: Wanted = "auto") -> Network:
    """Load a package's network.

    Raises:
        UserError: If the package is damaged, or the wanted runtime is not possible.
    """
    if choose_runtime(package, wanted).runtime == "onnxruntime":
        return OnnxNetwork(package)
    from fakeforensics.inference.torch_network import TorchNetwork

    return TorchNetwork(package)


def _why_not_onnx(package: Package) -> str | None:
    record = package.onnx
    if record is None:
        return f"the package holds no {ONNX}; to add it, {rebuild_command(package)}"
    if record.reason is not None:
        return record.reason
    if find_spec("onnxruntime") is None:
        return "the package onnxruntime is not installed: pip install onnxruntime"
    return None


def _checked_file(package: Package) -> tuple[Path, OnnxRecord]:
    """The path of `model.onnx` and its record, after comparing its hash and that of its weights."""
    path, record = package.directory / ONNX, package.onnx
    fix = f"copy the whole folder again, or {rebuild_command(package)}"
    if record is None or not path.is_file():
        raise UserError(f"{path}: no such file", fix=fix)
    if record.weights_sha256 != package.raw_card["weights_sha256"]:
        raise UserError(f"{package.directory / RECORD}: describes the network of other weights", fix=fix)
    if (found := sha256_file(path)) != record.sha256:
        raise UserError(
            f"{path}: not the network that {RECORD} next to it describes",
            expected=f"SHA-256 {record.sha256}",
            found=f"SHA-256 {found} ({path.stat().st_size} bytes)",
            fix=fix,
        )
    return path, record
