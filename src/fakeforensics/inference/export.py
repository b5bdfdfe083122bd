"""Exports a detector to ONNX or torch.export, and checks its scores against the model."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from fakeforensics.errors import UserError
from fakeforensics.files import atomic_path, sha256_file, write_json, write_text
from fakeforensics.images.codec import decode
from fakeforensics.images.index import INDEX_FILE, read_index
from fakeforensics.images.reader import ImageReader
from fakeforensics.inference.model_card import README, model_card
from fakeforensics.inference.onnx_record import ONNX, RECORD, OnnxRecord
from fakeforensics.inference.package import Package
from fakeforensics.models.card import CARD
from fakeforensics.models.detector import Detector, ForeignDetector
from fakeforensics.models.onnx_session import run_session
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.models.saving import load_detector
from fakeforensics.sums import write_sums
from fakeforensics.thresholds.policy import DECISION

TOLERANCE = 1e-4
_CHECKED = 16
Images = UInt8[Tensor, "batch 3 size size"]
Run = Callable[[Images], dict[str, Float[np.ndarray, " batch"]]]
Write = Callable[["Exported", Images, Path], Run]


class NotExportedError(UserError):
    """A network cannot be exported, or the export gives other scores."""


class Exported(nn.Module):
    """One network that computes scores from 8-bit pixels.

    Args:
        detector: The detector.
        preprocess: Its normalization.

    Attributes:
        outputs: Names of the outputs: the column of each score, followed by its probability column, if any.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, detector: Detector, preprocess: Preprocess) -> None:
        super().__init__()
        self.detector = detector
        columns = [(score.column, score.probability_column) for score in detector.scores]
        self.outputs = tuple(name for pair in columns for name in pair if name)
        self.register_buffer("mean", torch.tensor(preprocess.mean).view(1, 3, 1, 1) * 255)
        self.register_buffer("std", torch.tensor(preprocess.std).view(1, 3, 1, 1) * 255)

    def forward(self, images: Images) -> tuple[Float[Tensor, " batch"], ...]:
        """Score crops."""
        values = self.detector.score((images.float() - self.mean) / self.std)
        for score in self.detector.scores:
            if score.probability_column:
                values[score.probability_column] = values[score.column].sigmoid()
        return tuple(values[name] for name in self.outputs)


def export_model(package: Package, out: Path, kind: Literal["onnx", "torch"], images_root: Path) -> str:
    """Write the exported model, its card and its policy into a folder.

    Args:
        package: The model.
        out: Output folder for `model.onnx` or `model.pt2`, `model.json`, `README.md`, and `decision.json` if
            there is a policy.
        kind: `onnx`, or `torch` for torch.export.
        images_root: Folder of the sources' images. Crops from it check the export, or noise if there are
            none.

    Returns:
        A text: the file and the difference of its scores from the model's.

    Raises:
        UserError: If the folder holds another model, a package is missing, the model is damaged, or the
            export's scores differ by more than 1e-4 of their size.
    """
    detector, card = load_detector(package.directory)
    _refuse_another(out, card["weights_sha256"])
    network = Exported(detector, package.preprocess).eval()
    images, origin = check_images(package, package.preprocess, images_root)
    path = out / (ONNX if kind == "onnx" else "model.pt2")
    out.mkdir(parents=True, exist_ok=True)
    difference = _write_checked(network, images, path, _writer(detector, kind))
    shutil.copyfile(package.directory / CARD, out / CARD)
    if package.decision is not None:
        write_text(out / DECISION, package.decision.model_dump_json(indent=2) + "\n")
    write_text(out / README, model_card(package, out))
    return (
        f"{path}: outputs {', '.join(network.outputs)}; "
        f"checked on {len(images)} {origin}, largest relative difference {difference:.1g}"
    )


def add_onnx(package: Package, images_root: Path) -> OnnxRecord:
    """Add `model.onnx` to a package's folder if possible, and `onnx.json`.

    Args:
        package: The package. Its files must match `SHA256SUMS`, which is written again afterwards.
        images_root: As for `export_model`.

    Returns:
        The content of `onnx.json`, with the reason if there is no `model.onnx`.

    Raises:
        UserError: If a Python package is missing, or the model is damaged.
    """
    reason = None
    detector, _ = load_detector(package.directory, run_code=True)  # nothing runs before it scores
    if detector.runs_code:
        reason = "a Python function, which a package does not hold, computes the scores"
    else:
        images, _ = check_images(package, package.preprocess, images_root)
        network = Exported(detector, package.preprocess).eval()
        try:
            _write_checked(network, images, package.directory / ONNX, _writer(detector, "onnx"))
        except NotExportedError as error:
            reason = f"{error.what}; found: {error.found}"
    record = OnnxRecord(
        weights_sha256=package.raw_card["weights_sha256"],
        sha256=None if reason is not None else sha256_file(package.directory / ONNX),
        reason=reason,
        heat_maps=detector.heat_layer is not None,
    )
    write_json(package.directory / RECORD, record.model_dump(mode="json"))
    write_sums(package.directory)
    return record


def _write_checked(network: Exported, images: Images, path: Path, write: Write) -> float:
    """Write an exported network if its scores equal the network's; returns the largest difference."""
    with atomic_path(path) as temporary:
        run = write(network, images, temporary)
        difference = largest_difference(network, run, images)
        if not difference <= TOLERANCE:  # also true for NaN
            raise NotExportedError(
                f"{path.name}: the export's scores are not the model's, so it was not kept",
                expected=f"a relative difference of at most {TOLERANCE:g}",
                found=f"{difference:.2g}",
                fix="try the other --format, or other versions of torch and onnxruntime",
            )
    return difference


def _refuse_another(out: Path, weights_sha256: str) -> None:
    """Refuse a folder with the export of other weights, or with an unreadable card."""
    if not (out / CARD).is_file():
        return
    try:
        other = Package(out)
        if other.raw_card["weights_sha256"] == weights_sha256:
            return
        found = other.name
    except UserError as error:
        found = error.what
    raise UserError(
        f"{out}: holds the export of another model, whose threshold and card would be replaced",
        found=found,
        fix="give another folder with --out, or remove this one",
    )


def largest_difference(network: Exported, run: Run, images: Images) -> float:
    """The largest |export − model| / max(|model|, 1) over all outputs, for the batch and for its first image.

    The result is NaN if a score of the model or of the export is NaN.
    """
    worst = [0.0]
    for batch in (images, images[:1]):
        with torch.inference_mode():
            expected = dict(zip(network.outputs, network(batch), strict=True))
        for name, values in run(batch).items():
            wanted = expected[name].double().numpy()
            worst.append(float(np.max(np.abs(values - wanted) / np.maximum(np.abs(wanted), 1))))
    return float(np.max(worst))  # unlike Python's max, it keeps NaN


def check_images(package: Package, preprocess: Preprocess, images_root: Path) -> tuple[Images, str]:
    """Crops to check an export on, and their origin in words.

    They are crops of the training sources if there are any, otherwise noise.
    """
    pixels: list[np.ndarray] = []
    for source in package.card.images.crop:
        reader = ImageReader(images_root)
        if not (images_root / source / INDEX_FILE).is_file() or not reader.has(source):
            continue
        index = read_index(images_root, source)
        chosen = index.iloc[:: max(1, len(index) // _CHECKED)].head(_CHECKED)
        rows = chosen.to_dict("records")
        pixels += [preprocess.crop(decode(reader.read_row(row))) for row in rows]
        reader.close()
    origin = "real crops of its sources" if pixels else "noise images"
    pixels = pixels[:: max(1, len(pixels) // _CHECKED)][:_CHECKED]
    rng, side = np.random.default_rng(0), preprocess.crop_size
    for contrast in () if pixels else np.linspace(0, 80, _CHECKED):
        noise = 128 + contrast * rng.normal(size=(side, side, 3))
        pixels.append(noise.clip(0, 255).astype(np.uint8))
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous(), origin


def _writer(detector: Detector, kind: Literal["onnx", "torch"]) -> Write:
    """What writes a detector in that form."""
    if kind == "torch":
        return _write_torch
    if not isinstance(detector, ForeignDetector):
        return _write_onnx

    def write(network: Exported, images: Images, path: Path) -> Run:  # noqa: ARG001
        try:
            detector.write_onnx(path)
        except UserError as error:
            raise NotExportedError(error.what, found=error.found) from error
        return _runs_onnx(network, path)

    return write


def _write_onnx(network: Exported, images: Images, path: Path) -> Run:
    try:
        import onnx
        import onnxruntime  # noqa: F401 (what checks it)
        import onnxscript  # noqa: F401 (what torch.onnx builds on)
    except ModuleNotFoundError as error:
        raise UserError(
            f"the export needs the package {error.name}, which is not installed",
            fix="pip install 'fake-forensics[export]'",
        ) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own internals
        try:
            torch.onnx.export(
                network,
                (images[:2],),
                path,
                dynamo=True,
                external_data=False,
                verbose=False,
                input_names=["images"],
                output_names=list(network.outputs),
                dynamic_shapes={"images": {0: torch.export.Dim("batch", min=1)}},
            )
        except torch.onnx.OnnxExporterError as error:
            raise NotExportedError(
                "the network has no ONNX form that torch.onnx can write", found=str(error).splitlines()[0]
            ) from error
    model = onnx.load(path)
    for node in model.graph.node:
        del node.metadata_props[:]  # the exporter notes where each line of code lies on this machine
    onnx.save(model, path)
    return _runs_onnx(network, path)


def _runs_onnx(network: Exported, path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(batch: Images) -> dict[str, np.ndarray]:
        values = run_session(session, network.outputs, batch.numpy())
        return dict(zip(network.outputs, values, strict=True))

    return run


def _write_torch(network: Exported, images: Images, path: Path) -> Run:
    shapes = {"images": {0: torch.export.Dim("batch", min=1)}}
    program = torch.export.export(network, (images[:2],), dynamic_shapes=shapes)
    torch.export.save(program, path)
    module = program.module()

    def run(batch: Images) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            return {name: value.numpy() for name, value in zip(network.outputs, module(batch), strict=True)}

    return run
