"""Weights to start from: ImageNet's through torchvision, or a local file checked by its hash."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from safetensors.torch import load_file
from torch import nn
from torchvision import models as zoo

from fakeforensics.errors import UserError
from fakeforensics.files import sha256_file
from fakeforensics.models.backbone import load_backbone


def load_pretrained(
    backbone: nn.Module, name: str, weights: str, sha256: str | None = None
) -> dict[str, str]:
    """Put the weights that training starts from into a backbone.

    Args:
        backbone: Of `build_backbone`; either stem takes the same weights.
        name: Its name, `resnet18` and so on.
        weights: `none`, `imagenet` (torchvision's IMAGENET1K_V1, downloaded once), or a local file: a state
            dict as torchvision publishes it (`.pth`, read without unpickling code) or `.safetensors`.
        sha256: First digits of a local file's SHA-256; by default those in its name.

    Returns:
        What was loaded, for the record: `weights`, and for files `sha256`.

    Raises:
        UserError: If the download fails, or the file is missing, of another hash, or of another network.
    """
    if weights == "none":
        return {"weights": "none"}
    if weights == "imagenet":
        load_backbone(backbone, _download(name), f"ImageNet weights of {name}")
        return {"weights": f"{name} {_published(name)}"}
    path = Path(weights).expanduser()
    digest = _checked(path, sha256)
    load_backbone(backbone, _read(path), str(path))
    return {"weights": path.name, "sha256": digest}


def _published(name: str) -> Any:
    return zoo.get_model_weights(name)["IMAGENET1K_V1"]


def _download(name: str) -> Mapping[str, Any]:
    published = _published(name)
    try:
        state: Mapping[str, Any] = published.get_state_dict(progress=False, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        raise UserError(
            f"the ImageNet weights of {name} could not be downloaded from {published.url}",
            found=str(error),
            fix="download that file elsewhere and set `train.weights` to its path, or set it to `none`",
        ) from None
    return state


def _checked(path: Path, sha256: str | None) -> str:
    if not path.is_file():
        raise UserError(
            f"{path}: no such file", expected="`train.weights`: imagenet, none, or the path of a local file"
        )
    if sha256 is None:
        in_name = re.search(r"-([0-9a-f]{8,64})$", path.stem)
        if in_name is None:
            raise UserError(
                f"{path}: its SHA-256 is not known, so the file cannot be checked",
                fix=f"set `train.weights_sha256`, for instance to {sha256_file(path)}, if you trust the file",
            )
        sha256 = in_name[1]
    digest = sha256_file(path)
    if not digest.startswith(sha256):
        raise UserError(
            f"{path}: not the file that was meant",
            expected=f"SHA-256 {sha256}…",
            found=f"SHA-256 {digest}",
            fix="download it again, or correct `train.weights_sha256`",
        )
    return digest


def _read(path: Path) -> Mapping[str, Any]:
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
    except Exception as error:  # noqa: BLE001  (the readers raise a dozen kinds for a damaged file)
        raise UserError(f"{path}: not a file of weights", found=str(error).splitlines()[0]) from None
    if not isinstance(state, Mapping):
        raise UserError(f"{path}: not a state dict", found=type(state).__name__)
    return state
