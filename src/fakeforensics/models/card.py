"""`model.json`, the card beside a detector's weights; reading it needs no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fakeforensics.errors import UserError

WEIGHTS, CARD = "model.safetensors", "model.json"
FORMAT = {"name": "fake-forensics detector", "version": 1}


def read_card(directory: Path) -> dict[str, Any]:
    """Read and check `model.json` alone, without the weights.

    Raises:
        UserError: If it is missing, not JSON, or not the card of a detector.
    """
    path = Path(directory) / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file", fix="train the model, or copy both of its files") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON", found=str(error), fix="train the model again") from None
    if not isinstance(card, dict) or not isinstance(card.get("format"), dict):
        raise UserError(f"{path}: not the card of a detector", expected=f"`format`: {FORMAT}")
    if card["format"] != FORMAT:
        raise UserError(f"{path}: another format", expected=str(FORMAT), found=str(card["format"]))
    architecture = card.get("architecture")
    if not isinstance(architecture, dict) or set(architecture) != {"backbone", "stem"}:
        raise UserError(
            f"{path}: `architecture` is not one", expected="backbone, stem", found=str(architecture)
        )
    if not isinstance(card.get("weights_sha256"), str):
        raise UserError(f"{path}: `weights_sha256` is missing", fix="train the model again")
    return card
