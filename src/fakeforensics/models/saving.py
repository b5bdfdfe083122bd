"""Stores a detector as `model.safetensors` and `model.json`; nothing is ever unpickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from fakeforensics.errors import UserError
from fakeforensics.files import atomic_path, sha256_file, write_json
from fakeforensics.models.card import CARD, FORMAT, MADE_AGAIN, WEIGHTS, detector_card, read_card
from fakeforensics.models.detector import Detector
from fakeforensics.models.registry import build_detector
from fakeforensics.sums import check_sums, write_sums


def save_detector(directory: Path, detector: Detector, card: dict[str, Any]) -> None:
    """Write a detector.

    Args:
        directory: Gets `model.safetensors` (all parameters and buffers), `model.json`, and the SHA-256 of all
            files that are there then.
        detector: On any device; saved from the CPU.
        card: The other entries of `model.json`: resolved settings, preprocessing, versions, counts. This
            function adds `format`, `weights_sha256` and `detector` before them.

    Raises:
        ValueError: If a weight or a value of the card is not finite.
    """
    directory = Path(directory)
    state = {
        name: tensor.detach().cpu().contiguous().clone() for name, tensor in detector.state_dict().items()
    }
    if name := _not_finite(state):
        raise ValueError(f"the weights to be saved are not finite: {name}")
    with atomic_path(directory / WEIGHTS) as temporary:
        save_file(state, temporary)
    own = {
        "format": FORMAT,
        "weights_sha256": sha256_file(directory / WEIGHTS),
        "detector": detector.card.model_dump(mode="json"),
    }
    write_json(directory / CARD, own | card)
    write_sums(directory)


def load_detector(directory: Path, *, run_code: bool = False) -> tuple[Detector, dict[str, Any]]:
    """Read what `save_detector` wrote.

    Args:
        directory: Holds `model.safetensors` and `model.json`, as they were written together.
        run_code: Whether a detector may call a Python function that its card names.

    Returns:
        The detector on the CPU, in evaluation mode, and its card.

    Raises:
        UserError: If a file is missing, was changed or is of another kind, or the detector would run code
            without `run_code`.
    """
    directory = Path(directory)
    card = read_card(directory)
    weights = directory / WEIGHTS
    check_sums(directory, MADE_AGAIN)
    try:
        state = load_file(weights)
    except SafetensorError as error:
        raise UserError(f"{weights}: not a safetensors file", found=str(error)) from None
    about = detector_card(card, str(directory / CARD))
    detector = build_detector(about.name, about.architecture, about.settings)
    if detector.runs_code and not run_code:
        raise UserError(
            f"{directory / CARD}: this detector runs somebody else's Python function",
            found=f"{about.name}: {about.settings.get('call')}",
            fix="call that function directly: loading a model never runs code that its files name",
        )
    if detector.scores != about.scores:
        raise UserError(
            f"{directory / CARD}: the scores are not those of the current detector {about.name!r}",
            expected="; ".join(map(str, detector.scores)),
            found="; ".join(map(str, about.scores)),
            fix="train the model again",
        )
    detector.prepare(state)
    own = {name: (tensor.shape, tensor.dtype) for name, tensor in detector.state_dict().items()}
    if own != {name: (tensor.shape, tensor.dtype) for name, tensor in state.items()}:
        raise UserError(
            f"{weights}: the tensors are not those of the detector {about.name!r} with the backbone "
            f"{about.architecture.backbone}"
        )
    if name := _not_finite(state):
        raise UserError(
            f"{weights}: holds values that are not finite", found=name, fix="train the model again"
        )
    detector.load_state_dict(state)
    return detector.eval(), card


def _not_finite(state: dict[str, torch.Tensor]) -> str | None:
    return next((name for name, tensor in state.items() if not torch.isfinite(tensor).all()), None)
