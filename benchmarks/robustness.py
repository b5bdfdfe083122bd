"""Processor time of scoring corrupted images, by parts, and next to another commit's.

    python -m benchmarks.robustness --json robustness.json
    git worktree add ../before 4a81131
    pip install --no-deps --target ../isal isal    # what that commit reads PNG files by
    PYTHONPATH=../isal python -m benchmarks.robustness --against ../before

Both score the same synthetic crops of 256 pixels under the corruptions of params.yaml, with an untrained
ResNet-18, a center crop of 224 pixels, float32 and one thread. They run in turn, each in a process of its
own. The other checkout must have the modules of commit 4a81131.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Option

CORRUPTIONS = (
    *("jpeg_90", "jpeg_50", "jpeg_30"),
    *("blur_1", "blur_2", "blur_4"),
    *("resize_0.5", "resize_2", "noise_8"),
)
ROOT = Path(__file__).resolve().parents[1]

# What is run in each checkout; `score` scores all images under one corruption.
OURS = """
from benchmarks.inference import _crops, untrained_model
from fakeforensics.images.pixels import PixelStore
from fakeforensics.models import runtime
from fakeforensics.models.saving import load_detector
from fakeforensics.scoring import score_manifest
runtime.takes_bf16 = lambda precision: False
manifest = _crops(None, images, root).assign(box=[[]] * images, raw_path="")
detector, card = load_detector(untrained_model(root / "models/p/joint", "whole"))
pixels = PixelStore(root / "pixels", 16)
def score(corruption):
    score_manifest(
        detector, card, manifest, root / "images", batch, 0, corruption, pixels=pixels, compare=False
    )
"""
THEIRS = """
from benchmarks.inference import _crops, _model
from fakeforensics.evaluation.corruptions import Corruption
from fakeforensics.evaluation.scoring import score_manifest
from fakeforensics.models.saving import load_detector
manifest = _crops(None, images, root).assign(box=[[]] * images)
detector, card = load_detector(_model(root / "models/p/joint"))
def score(corruption):
    score_manifest(detector, card, manifest, root / "images", batch, 0, Corruption(corruption))
"""
TIMED = """
score(corruptions[0])  # the first pass warms up, and decodes what is kept
before = time.process_time()
for corruption in corruptions:
    score(corruption)
print(json.dumps((time.process_time() - before) / images / len(corruptions)))
"""


def main(
    images: Annotated[int, Option(min=1, help="Images that are scored under each corruption.")] = 64,
    batch: Annotated[int, Option(min=1, help="Images per forward pass.")] = 32,
    rounds: Annotated[int, Option(min=1, help="Pairs of processes.")] = 2,
    against: Annotated[Path | None, Option(help="A checkout of commit 4a81131, timed in turn.")] = None,
    json_file: Annotated[Path | None, Option("--json", help="Write the figures here.")] = None,
) -> None:
    """Print milliseconds of processor time per corrupted image."""
    figures = parts(images, batch) if against is None else compare(against, images, batch, rounds)
    for name, value in figures.items():
        print(f"{name:34} {value:.4g}")
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2) + "\n")


def compare(other: Path, images: int, batch: int, rounds: int) -> dict[str, float]:
    """Milliseconds per image of both, medians over the rounds, and the median ratio of a pair."""
    found: dict[str, list[float]] = {"ours": [], "other": []}
    for number in range(rounds):
        ways = [("other", other.resolve(), THEIRS), ("ours", ROOT, OURS)]
        for name, root, code in ways if number % 2 == 0 else ways[::-1]:
            found[name].append(1000 * _run(root, code, images, batch))
    ratios = [ours / theirs for ours, theirs in zip(found["ours"], found["other"], strict=True)]
    return {
        "whole_ms": statistics.median(found["ours"]),
        "whole_ms_other": statistics.median(found["other"]),
        "whole_ratio": statistics.median(ratios),
    }


def _run(root: Path, code: str, images: int, batch: int) -> float:
    """Seconds per corrupted image in a checkout."""
    with tempfile.TemporaryDirectory() as name:
        lines = [
            "import json, time, torch",
            "from pathlib import Path",
            "torch.set_num_threads(1)",
            "torch.manual_seed(0)",
            f"root, images, batch, corruptions = Path({name!r}), {images}, {batch}, {CORRUPTIONS!r}",
            code,
            TIMED,
        ]
        environment = os.environ | {
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join([str(root / "src"), str(root), os.environ.get("PYTHONPATH", "")]),
        }
        output = subprocess.run(
            [sys.executable, "-c", "\n".join(lines)],
            cwd=root,
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
    return float(json.loads(output.splitlines()[-1]))


def _each(work: Callable[[Any], object], some: list[Any]) -> None:
    for one in some:
        work(one)


def parts(images: int, batch: int) -> dict[str, float]:
    """Milliseconds per image of what scoring a corrupted image consists of."""
    import numpy as np
    import torch

    from benchmarks._photos import _synthetic
    from fakeforensics.images.codec import decode, encode_png
    from fakeforensics.images.transforms import Corruption
    from fakeforensics.models.card import Architecture
    from fakeforensics.models.registry import build_detector

    torch.set_num_threads(1)
    detector = build_detector("joint", Architecture(), {"lambda": 0.01}).eval()
    network = detector.to(memory_format=torch.channels_last)
    preprocess = detector.preprocess
    pixels = list(_synthetic(images, 256))
    stored = [encode_png(image) for image in pixels]
    cropped = np.stack([preprocess.crop(image) for image in pixels])
    tensors = torch.from_numpy(cropped).permute(0, 3, 1, 2)

    def per_image(work: Callable[[], object]) -> float:
        work()
        before = time.process_time()
        work()
        return 1000 * (time.process_time() - before) / images

    figures = {"decode_ms": per_image(partial(_each, decode, stored))}
    for name in CORRUPTIONS:
        figures[f"{name}_ms"] = per_image(partial(_each, Corruption(name), pixels))
    figures["corrupt_ms"] = statistics.mean(figures[f"{name}_ms"] for name in CORRUPTIONS)
    figures["crop_ms"] = per_image(partial(_each, lambda image: preprocess.crop(image).copy(), pixels))
    batches = [tensors[begin : begin + batch] for begin in range(0, images, batch)]
    figures["normalize_ms"] = per_image(partial(_each, preprocess.normalize, batches))
    normal = [preprocess.normalize(some) for some in batches]
    with torch.inference_mode():
        figures["network_ms"] = per_image(partial(_each, network.score, normal))
    return figures


if __name__ == "__main__":
    typer.run(main)
