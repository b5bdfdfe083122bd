"""Pictures, and the same pictures after they were shrunk and enlarged again in several ways."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from benchmarks._fitting import Task, fit
from benchmarks._photos import PICTURES
from examples.demo import dffd
from examples.demo.upsamplers import UpSampling, generate, train_upsampler
from fakeforensics.errors import UserError
from fakeforensics.images.codec import decode
from fakeforensics.metrics.ranking import average_precision, roc_auc
from fakeforensics.models.card import Architecture
from fakeforensics.models.detector import HeadDetector
from fakeforensics.models.registry import build_detector

SIDE = 128  # of a picture, in pixels
TILE = 64  # of what AutoGAN's classifier sees
_LESSONS = 24  # pictures from which up-sampling networks learn, and which nobody else sees
_STEPS = {"convolution": 100, "network": 60}  # in which up-sampling is learned
# What two cores train in minutes. From random weights the paper's optimizer would need many more epochs.
_SIMULATOR = {"width": 8, "blocks": 2, "epochs": 8}
_CLASSIFIER = {"max_epochs": 4, "optimizer": "adam", "learning_rate": 1e-3}

Pictures = Float32[np.ndarray, "n side side 3"]
Enlarge = Callable[[Pictures], Pictures]
NETWORKS: tuple[UpSampling, ...] = ("transposed", "nearest", "blurred", "shuffle")


class Found(NamedTuple):
    """Figures in percent: accuracy at the score's own boundary, AUC and AP."""

    accuracy: float
    auc: float
    precision: float


def read_pictures(folder: Path | None, most: int) -> Pictures:
    """Real pictures of 128 x 128 pixels, in [0, 1].

    They are shrunk to that by area averages from at least twice the size, which leaves little of a JPEG's
    blocks: the coding tells nothing.

    Args:
        folder: Searched in depth, in the order of names; nothing for reals as the demo makes them.
        most: How many.

    Raises:
        UserError: If the folder holds too few, or a picture is too small.
    """
    if folder is None:
        with tempfile.TemporaryDirectory() as temporary:
            root = Path(temporary)
            for number in range(most):
                dffd.make_still(dffd.Still("celeba", "train", number), {}, 0, root)
            return read_pictures(root, most)
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
    pictures = [_shrink(decode(path.read_bytes()), path) for path in islice(files, most)]
    if len(pictures) < 4 * _LESSONS:
        raise UserError(f"{folder}: too few pictures", expected=str(4 * _LESSONS), found=str(len(pictures)))
    return np.stack(pictures).astype(np.float32) / 255


def _shrink(pixels: np.ndarray, path: Path) -> np.ndarray:
    side = min(pixels.shape[:2])
    if side < 2 * SIDE:
        raise UserError(f"{path}: too small", expected=f"{2 * SIDE} pixels", found=f"{side} pixels")
    top, left = ((size - side) // 2 for size in pixels.shape[:2])
    square = pixels[top : top + side, left : left + side]
    return np.asarray(cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA))


def plain_ways(lessons: Pictures) -> dict[str, Enlarge]:
    """Ways to enlarge what was shrunk to half the size: two interpolations, a learned transposed convolution.

    Args:
        lessons: What the transposed convolution learns from.
    """
    network = train_upsampler(
        "transposed",
        [(one, one) for one in lessons],
        seed=0,
        steps=_STEPS["convolution"],
        code=0,
        doublings=1,
    )
    return {
        "nearest": lambda pictures: _rescaled(pictures, cv2.INTER_NEAREST),
        "bilinear": lambda pictures: _rescaled(pictures, cv2.INTER_LINEAR),
        "transposed convolution": lambda pictures: np.stack([generate(network, one) for one in pictures]),
    }


def _rescaled(pictures: Pictures, how: int) -> Pictures:
    small = [cv2.resize(one, (SIDE // 2, SIDE // 2), interpolation=cv2.INTER_AREA) for one in pictures]
    return np.stack([cv2.resize(one, (SIDE, SIDE), interpolation=how) for one in small])


def _tensor(pictures: Pictures) -> Float[Tensor, "n 3 side side"]:
    """Rounded to 8 bits, as a stored picture is: reals and fakes alike."""
    rounded = np.round(pictures * 255).clip(0, 255) / 255
    return torch.from_numpy(rounded.astype(np.float32)).permute(0, 3, 1, 2)


def measure_spectrum(
    pictures: Pictures, variants: Mapping[str, Mapping[str, Any]], repeats: int
) -> dict[tuple[str, str], Found]:
    """Learn on four fifths of the pictures and their enlarged selves, test on the rest; means over repeats.

    Args:
        pictures: Reals.
        variants: Settings of `spectrum`, by name.
        repeats: Random splits. A picture and its enlarged self never lie on two sides.

    Returns:
        Figures by way of enlarging and variant.
    """
    lessons, rest = pictures[:_LESSONS], pictures[_LESSONS:]
    sides = {"real": _tensor(rest)} | {way: _tensor(do(rest)) for way, do in plain_ways(lessons).items()}
    found = {}
    for name, settings in variants.items():
        head = build_detector("spectrum", Architecture(crop_size=SIDE), dict(settings))
        assert isinstance(head, HeadDetector)
        tables = {side: head.features(images).double() for side, images in sides.items()}
        for way in list(sides)[1:]:
            results = [_one_split(head, tables["real"], tables[way], seed) for seed in range(repeats)]
            found[way, name] = Found(*np.mean(results, axis=0).tolist())
    return found


def _one_split(
    head: HeadDetector, reals: Float[Tensor, "n dim"], fakes: Float[Tensor, "n dim"], seed: int
) -> Found:
    order = np.random.default_rng(seed).permutation(len(reals))
    learned, tested = np.split(order, [round(0.8 * len(order))])

    def both(rows: np.ndarray) -> tuple[Tensor, np.ndarray]:
        return torch.cat([reals[rows], fakes[rows]]), np.repeat([0, 1], len(rows))

    table, labels = both(learned)
    head.set_fitted(head.fit(table.numpy(), labels, seed))
    table, labels = both(tested)
    return _figures(head.score_features(table)[head.scores[0].column].numpy(), labels)


def measure_autogan(pictures: Pictures, seed: int) -> dict[str, Found]:
    """Learn from reals and simulated fakes, test on networks of each kind of up-sampling.

    The simulator up-samples by transposed convolutions. Nobody saw the test's reals; the networks that make
    its fakes were trained on pictures of their own, as autoencoders.

    Returns:
        Figures by kind of up-sampling; also for the simulator's own fakes, the only ones that were seen.
    """
    lessons, rest = pictures[:_LESSONS], pictures[_LESSONS:]
    learned, tested = np.split(rest, [round(2 / 3 * len(rest))])
    detector = build_detector("autogan", Architecture(crop_size=TILE), dict(_SIMULATOR))
    images, reals = _tiles(_tensor(learned)), _tiles(_tensor(tested))
    nothing = np.zeros(len(images), dtype=np.int64)
    fit(detector, Task(images, nothing, reals, nothing[: len(reals)]), _CLASSIFIER, seed)
    sets: dict[str, Tensor] = {"its simulator": detector.simulate(reals)}  # type: ignore[operator]
    for kind in NETWORKS:
        network = train_upsampler(kind, [(one, one) for one in lessons], seed=seed, steps=_STEPS["network"])
        sets[kind] = _tiles(_tensor(np.stack([generate(network, one) for one in tested])))
    for way, how in (("plain nearest", cv2.INTER_NEAREST), ("plain bilinear", cv2.INTER_LINEAR)):
        sets[way] = _tiles(_tensor(_rescaled(tested, how)))
    detector.eval()
    found: dict[str, Found] = {}
    with torch.inference_mode():
        column = detector.scores[0].column
        known = detector.score(reals)[column].numpy()
        for name, fakes in sets.items():
            scores = np.concatenate([known, detector.score(fakes)[column].numpy()])
            found[name] = _figures(scores, np.repeat([0, 1], [len(known), len(fakes)]))
    return found


def _tiles(images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "m 3 64 64"]:
    """Cut each picture into squares."""
    parts = images.unfold(2, TILE, TILE).unfold(3, TILE, TILE)
    return parts.permute(0, 2, 3, 1, 4, 5).flatten(0, 2).contiguous()


def _figures(scores: np.ndarray, labels: np.ndarray) -> Found:
    right = float(((scores > 0) == (labels == 1)).mean())
    return Found(*(100 * one for one in (right, roc_auc(scores, labels), average_precision(scores, labels))))
