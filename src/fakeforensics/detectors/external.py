"""Somebody else's detector, as an ONNX file or a Python function: scored and compared like our own."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor

from fakeforensics.errors import UserError
from fakeforensics.files import sha256_file
from fakeforensics.metrics.spec import Scores, ScoreSpec
from fakeforensics.models.card import Architecture, Sees
from fakeforensics.models.detector import ForeignDetector, Values
from fakeforensics.models.onnx_session import run_session
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.params import Flag, Group, Number

S_EXT = ScoreSpec(name="ext", label="S_EXT", title="score from elsewhere", column="score_ext", scale="real")
MOST_BYTES = 2_000_000_000  # of a file; protobuf, its format, writes less than 2 GiB
Channels = tuple[Number, Number, Number]


class ExternalSettings(Group):
    """Settings of somebody else's detector; exactly one of `onnx` and `call` is given.

    Args:
        onnx: Path of an ONNX file. Its input is a batch of RGB crops, channels first or last, of 8 bits or
            normalized floating-point numbers.
        output: Which of the file's outputs is the score, if there are several.
        call: `module:function` of Python. It gets UInt8[batch, height, width, 3], RGB, and returns a score
            per image. The module is found from the project's folder or as an installed package.
        fake_class: 0 or 1, if there are two numbers for each image, one for each class: the place of the one
            for fake. The score is this number minus the other, for two logits the logit of their softmax.
        files: Further files that decide the scores, such as weights that the function reads. Those that an
            ONNX file stores beside itself need not be named.
        higher_is_fake: Whether a higher score means fake; if not, scores are negated.
        mean: Channel means (R, G, B), in [0, 1], taken from floating-point input.
        std: Channel standard deviations that it is divided by.
        sha256: Of the file, or of the function's module, and with further files of all their hashes; filled
            in when the settings are resolved, so that a changed file is noticed.
    """

    onnx: str | None = None
    output: str | None = None
    call: Annotated[str, Field(pattern=r"^[\w.]+:\w+$")] | None = None
    fake_class: Literal[0, 1] | None = None
    files: tuple[str, ...] = ()
    higher_is_fake: Flag = True
    mean: Channels = (0.485, 0.456, 0.406)
    std: Channels = (0.229, 0.224, 0.225)
    sha256: str | None = None

    @model_validator(mode="after")
    def _has_one_of_both(self) -> ExternalSettings:
        if (self.onnx is None) == (self.call is None):
            raise ValueError(
                "give either `onnx`, a file, or `call`, a Python function, as in "
                "detector_settings: {external: {onnx: their.onnx}}"
            )
        if min(self.std) <= 0:
            raise ValueError(f"std must be above 0, found {self.std}")
        return self


class External(ForeignDetector):
    """Scores from an ONNX file or a Python function that somebody else trained; nothing is fitted here.

    What fails there ends the stage with its own error: no image ever gets a made-up score.
    """

    name: ClassVar[str] = "external"
    label: ClassVar[str] = "External"
    title: ClassVar[str] = "somebody else's detector"
    sees: ClassVar[Sees] = "elsewhere"
    scores: ClassVar[Scores] = (S_EXT,)
    Settings: ClassVar[type[Group]] = ExternalSettings
    settings: ExternalSettings

    def __init__(self, architecture: Architecture, settings: Group) -> None:
        super().__init__(architecture, settings)
        self.runs_code = self.settings.call is not None

    @classmethod
    def complete(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Add the SHA-256 of the file that computes the scores."""
        parsed = ExternalSettings(**settings)
        return settings | {"sha256": _digest(parsed)}

    @property
    def preprocess(self) -> Preprocess:
        """The center crop; what is normalized, and how, depends on the file."""
        return Preprocess(crop_size=self.architecture.crop_size, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))

    def score(self, images: Float[Tensor, "batch 3 h w"]) -> Values:
        """The scores of images whose channels are in [0, 1].

        Raises:
            UserError: If the file has changed, does not take the images, or gives another number of scores
                or one that is not finite.
        """
        pixels = (images.float() * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
        found = np.asarray(self._run(np.ascontiguousarray(pixels.cpu().numpy())), dtype=np.float64)
        fake = self.settings.fake_class
        wanted = len(images) if fake is None else 2 * len(images)
        if found.size != wanted:
            raise UserError(
                f"{self._where} does not give {'one score' if fake is None else 'two numbers'} per image",
                expected=f"{wanted} numbers for {len(images)} images",
                found=f"an array of shape {found.shape}",
                fix="in detector_settings.external, set `output` to the ONNX output to use; if it gives two "
                "numbers and the second one is for fake, set `fake_class: 1`",
            )
        if fake is not None:
            found = found.reshape(-1, 2)
            found = found[:, fake] - found[:, 1 - fake]
        if wrong := int(np.count_nonzero(~np.isfinite(found))):
            raise UserError(
                f"{self._where} gives {wrong} of {found.size} images a score that is not a finite number",
                fix="correct that detector: only finite scores can be ranked",
            )
        values = torch.from_numpy(found.reshape(-1)).to(images.device)
        return {S_EXT.column: values if self.settings.higher_is_fake else -values}

    def write_onnx(self, path: Path) -> None:
        """Write the given ONNX file as a network from 8-bit crops to the score, with all weights in one file.

        Args:
            path: The file to write. Its input `images` is UInt8[batch, 3, crop size, crop size], RGB; its
                output, named like the score's column, a number per image; higher is more likely fake.

        Raises:
            UserError: If the given file is missing, is not one that `score` can use, or has more than 2 GB.
        """
        import onnx
        from onnx import TensorProto, compose, helper, numpy_helper

        given = _open(_file(self.settings), self.settings)
        size = sum(one.stat().st_size for one in (given.path, *_beside(given.path)))
        if size > MOST_BYTES:
            raise UserError(
                f"{given.path}: the network and its weights are too large for one ONNX file",
                expected=f"at most {MOST_BYTES:,} bytes",
                found=f"{size:,} bytes",
            )
        model = compose.add_prefix(onnx.load(given.path), "given/")
        if not any(one.domain in ("", "ai.onnx") for one in model.opset_import):
            model.opset_import.append(helper.make_opsetid("", 17))
        model.ir_version = max(model.ir_version, 4)  # before, each initializer had to be an input, too
        graph, node = model.graph, helper.make_node
        for one in graph.node:
            del one.metadata_props[:]  # torch notes where each line of code lies on its machine
        (taken,) = (one for one in graph.input if one.name == f"given/{given.input.name}")
        batch, *_ = given.input.shape
        side = self.architecture.crop_size
        before, last = [], "images"
        if not given.takes_bytes:
            channels = {"mean": self.settings.mean, "std": self.settings.std}
            constants = {key: np.array(of).reshape(1, 3, 1, 1) for key, of in channels.items()}
            for name, value in (constants | {"255": np.array(255.0)}).items():
                graph.initializer.append(numpy_helper.from_array(value.astype(np.float32), name))
            before = [
                node("Cast", ["images"], ["numbers"], to=TensorProto.FLOAT),
                node("Div", ["numbers", "255"], ["fractions"]),
                node("Sub", ["fractions", "mean"], ["centered"]),
                node("Div", ["centered", "std"], ["normalized"]),
                node("Cast", ["normalized"], ["typed"], to=taken.type.tensor_type.elem_type),
            ]
            last = "typed"
        before.append(
            node("Transpose", [last], [taken.name], perm=[0, 2, 3, 1])
            if given.channels_last
            else node("Identity", [last], [taken.name])
        )
        after, last = [node("Cast", [f"given/{given.output}"], ["float"], to=TensorProto.FLOAT)], "float"
        if (fake := self.settings.fake_class) is not None:
            for name, value in {"pairs": [-1, 2], "fake": [fake], "real": [1 - fake]}.items():
                graph.initializer.append(numpy_helper.from_array(np.array(value), name))
            after += [
                node("Reshape", ["float", "pairs"], ["of_class"]),
                *(node("Gather", ["of_class", of], [f"of_{of}"], axis=1) for of in ("fake", "real")),
                node("Sub", ["of_fake", "of_real"], ["difference"]),
            ]
            last = "difference"
        graph.initializer.append(numpy_helper.from_array(np.array([-1]), "all"))
        after += [
            node("Reshape", [last, "all"], ["flat"]),
            node("Identity" if self.settings.higher_is_fake else "Neg", ["flat"], [S_EXT.column]),
        ]
        nodes = [*before, *graph.node, *after]
        del graph.node[:], graph.output[:]
        graph.input.remove(taken)
        graph.node.extend(nodes)
        info = helper.make_tensor_value_info
        graph.input.insert(0, info("images", TensorProto.UINT8, [batch or "batch", 3, side, side]))
        graph.output.append(info(S_EXT.column, TensorProto.FLOAT, [batch or "batch"]))
        onnx.save(model, path)

    @property
    def _where(self) -> str:
        return str(self.settings.onnx or self.settings.call)

    @cached_property
    def _run(self) -> Callable[[np.ndarray], Any]:
        """From UInt8["batch h w 3"] to scores."""
        path = _file(self.settings)
        if self.settings.sha256 is not None and (found := _digest(self.settings)) != self.settings.sha256:
            others = f", or one of {', '.join(self.settings.files)}," if self.settings.files else ""
            raise UserError(
                f"{path}: the file{others} has changed since the settings were resolved",
                expected=f"SHA-256 {self.settings.sha256}",
                found=f"SHA-256 {found}",
                fix="run `dvc repro --force pipelines/PROTOCOL/dvc.yaml:settings@PROTOCOL`, then `dvc repro`",
            )
        return _function(self._where) if self.settings.call else _onnx(path, self.settings)


def _file(settings: ExternalSettings) -> Path:
    """The file that computes the scores."""
    if settings.call is not None:
        module = sys.modules[_function(settings.call).__module__]
        if module.__file__ is None:
            raise UserError(f"detector_settings.external.call: {settings.call} has no source file")
        return Path(module.__file__)
    path = Path(str(settings.onnx)).expanduser()
    if not path.is_file():
        raise UserError(f"{path}: no such file", fix="correct detector_settings.external.onnx in params.yaml")
    return path


def _digest(settings: ExternalSettings) -> str:
    """The SHA-256 of the file that computes the scores; with further files, of the hashes of all."""
    first = _file(settings)
    others = [Path(name).expanduser() for name in settings.files]
    for path in others:
        if not path.is_file():
            raise UserError(
                f"{path}: no such file", fix="correct detector_settings.external.files in params.yaml"
            )
    if settings.onnx is not None:
        others += [path for path in _beside(first) if path not in others]
    if not others:
        return sha256_file(first)
    paths = [first, *others]
    return hashlib.sha256("".join(map(sha256_file, paths)).encode()).hexdigest()


def _beside(path: Path) -> list[Path]:
    """The files in which an ONNX file stores weights beside itself."""
    try:
        import onnx
    except ModuleNotFoundError:
        raise UserError(
            "detector_settings.external.onnx needs the package onnx",
            fix="pip install 'fake-forensics[export]'",
        ) from None
    try:
        graph = onnx.load(path, load_external_data=False).graph
    except Exception as error:  # noqa: BLE001  protobuf has classes of its own
        raise UserError(f"{path}: not an ONNX file", found=str(error)) from None
    entries = (entry for tensor in graph.initializer for entry in tensor.external_data)
    found = sorted({path.parent / entry.value for entry in entries if entry.key == "location"})
    for one in found:
        if not one.is_file():
            raise UserError(f"{one}: no such file", expected=f"the weights of {path}", fix="copy it there")
    return found


def _function(call: str) -> Callable[[np.ndarray], Any]:
    module, _, name = call.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        function = getattr(import_module(module), name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise UserError(
            f"detector_settings.external.call: {call} is not found",
            found=str(error),
            fix="write `module:function`; the module must be installed or be in the project's folder",
        ) from None
    if not callable(function):
        raise UserError(f"detector_settings.external.call: {call} is not a function", found=repr(function))
    return function  # type: ignore[no-any-return]


@dataclass(frozen=True)
class _GivenFile:
    """An ONNX file that can be used: what it takes and gives.

    Attributes:
        path: The file.
        session: ONNX Runtime's session of it.
        input: Its only input.
        output: The name of the output that is the score.
        channels_last: Whether it takes batch, height, width, channel.
        takes_bytes: Whether it takes 8-bit pixels; if not, it takes normalized floating-point numbers.
    """

    path: Path
    session: Any
    input: Any
    output: str
    channels_last: bool
    takes_bytes: bool


def _open(path: Path, settings: ExternalSettings) -> _GivenFile:
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise UserError(
            "detector_settings.external.onnx needs ONNX Runtime", fix="pip install 'fake-forensics[export]'"
        ) from None
    try:
        session = onnxruntime.InferenceSession(str(path), providers=onnxruntime.get_available_providers())
    except Exception as error:  # noqa: BLE001  ONNX Runtime raises a dozen classes of its own
        raise UserError(f"{path}: not an ONNX file that ONNX Runtime reads", found=str(error)) from None
    inputs, outputs = session.get_inputs(), [one.name for one in session.get_outputs()]
    if len(inputs) != 1 or (settings.output is None and len(outputs) != 1):
        raise UserError(
            f"{path}: it is unclear which input and output to use",
            expected="one input; one output, or the name of one in detector_settings.external.output",
            found=f"inputs {', '.join(one.name for one in inputs)}; outputs {', '.join(outputs)}",
        )
    output = settings.output or outputs[0]
    if output not in outputs:
        raise UserError(f"{path}: no output {output!r}", expected=", ".join(outputs))
    (only,) = inputs
    last = len(only.shape) == 4 and only.shape[3] == 3 and only.shape[1] != 3
    return _GivenFile(path, session, only, output, last, only.type == "tensor(uint8)")


def _onnx(path: Path, settings: ExternalSettings) -> Callable[[np.ndarray], Any]:
    given = _open(path, settings)
    mean, std = (np.asarray(values, dtype=np.float32) for values in (settings.mean, settings.std))

    def run(pixels: np.ndarray) -> Any:
        batch = pixels
        if not given.takes_bytes:
            batch = (pixels.astype(np.float32) / 255 - mean) / std
            batch = batch.astype(np.float16 if given.input.type == "tensor(float16)" else np.float32)
        batch = batch if given.channels_last else np.ascontiguousarray(batch.transpose(0, 3, 1, 2))
        try:
            return run_session(given.session, [given.output], batch)[0]
        except Exception as error:
            raise UserError(
                f"{path}: ONNX Runtime fails on a batch of shape {batch.shape}",
                expected=f"{given.input.name}: {given.input.type} of shape {given.input.shape}",
                found=str(error),
                fix="detector_settings: {external: {train: {crop_size: …}}} sets the size of the crops",
            ) from error

    return run
