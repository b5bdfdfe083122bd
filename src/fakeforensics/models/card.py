"""`model.json`, the card stored with a detector's weights. Reading it needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fakeforensics.errors import UserError
from fakeforensics.metrics.spec import Scores
from fakeforensics.params import Count, Flag, Group, Name
from fakeforensics.parsing import parse
from fakeforensics.reading import read_json

WEIGHTS, CARD = "model.safetensors", "model.json"
FORMAT = {"name": "fake-forensics detector", "version": 2}

# What to do about a folder whose files do not belong together.
MADE_AGAIN = "copy the whole folder again, or make it again: `dvc repro` for a package, training for a model"

Sees = Literal["reals", "reals+simulated", "reals+fakes", "reals+reference", "elsewhere"]
SEES: dict[Sees, str] = {
    "reals": "real images alone",
    "reals+simulated": "real images alone, and fakes that it makes of them itself",
    "reals+fakes": "real and fake images",
    "reals+reference": "real images and a labeled reference set, no fakes",
    "elsewhere": "images that are not known here",
}
REFERENCE = "reference"  # the method of a reference set's images


class Architecture(Group):
    """The parameters from which a detector's network is built.

    Args:
        backbone: Name of a torchvision classification network.
        stem: `standard` or `no_downsampling`.
        code: `pooled` or `map`.
        crop_size: Side of the images that the network sees, in pixels.
    """

    backbone: Name = "resnet18"
    stem: Literal["standard", "no_downsampling"] = "standard"
    code: Literal["pooled", "map"] = "pooled"
    crop_size: Annotated[Count, Field(ge=32, le=1024)] = 224


class DetectorCard(Group):
    """What a card records about the detector itself.

    Args:
        name: The name of its module in `fakeforensics.detectors`.
        label: Short name for tables.
        title: A description in a few words.
        sees: What it was trained on.
        settings: Its own settings.
        architecture: The parameters of its network.
        scores: Its scores, the main one first.
    """

    name: Name
    label: str
    title: str
    sees: Sees
    settings: dict[str, Any] = Field(default={})
    architecture: Architecture = Architecture()
    scores: Annotated[Scores, Field(min_length=1)]


class _Machine(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    processor: str
    threads: Count
    processes: Count
    bf16: Flag


class _Training(BaseModel):
    """What a card may record about training: images by split, source and method, and the machine."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    counts: dict[str, dict[str, dict[str, Count]]] = {}
    machine: _Machine | None = None


def detector_card(card: dict[str, Any], where: str = CARD) -> DetectorCard:
    """The detector's part of a card.

    Args:
        card: From `read_card`.
        where: The file's name, for the message.

    Raises:
        UserError: If it lacks a key or holds an unknown one.
    """
    return parse(DetectorCard, card.get("detector"), f"{where}: detector")


def seen(card: dict[str, Any]) -> str:
    """What images a detector was trained on, in words, with the sources of its reference set.

    Args:
        card: From `read_card`.
    """
    words = SEES[detector_card(card).sees]
    sources = parse(_Training, card, CARD).counts.get("train", {}).items()
    named = [source for source, methods in sources if REFERENCE in methods]
    return f"{words} ({', '.join(named)})" if named else words


def trained_on(card: dict[str, Any]) -> str:
    """The machine on which a model was trained, in words; figures of different machines differ by chance.

    Args:
        card: From `read_card`.

    Returns:
        The processor, threads and precision, or `elsewhere` if this pipeline did not train the model.
    """
    if detector_card(card).sees == "elsewhere":
        return "elsewhere"
    machine = parse(_Training, card, CARD).machine
    if machine is None:
        return "unknown machine"
    precision = "bfloat16" if machine.bf16 else "float32"
    processes = "" if machine.processes == 1 else f"{machine.processes} processes of "
    return f"{machine.processor}, {processes}{machine.threads} threads, {precision}"


def read_card(directory: Path) -> dict[str, Any]:
    """Read and check `model.json` alone, without the weights.

    Raises:
        UserError: If it is missing, not JSON, or not the card of a detector of this version.
    """
    path = Path(directory) / CARD
    card = read_json(path, MADE_AGAIN)
    if not isinstance(card.get("format"), dict):
        raise UserError(f"{path}: not the card of a detector", expected=f"`format`: {FORMAT}", fix=MADE_AGAIN)
    if card["format"] != FORMAT:
        raise UserError(
            f"{path}: another format",
            expected=str(FORMAT),
            found=str(card["format"]),
            fix="train the model again, or use the version of this package that wrote it",
        )
    detector_card(card, str(path))
    parse(_Training, card, str(path), MADE_AGAIN)
    if not isinstance(card.get("weights_sha256"), str):
        raise UserError(f"{path}: `weights_sha256` is missing", fix="train the model again")
    return card
