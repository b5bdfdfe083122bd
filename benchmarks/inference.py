"""How close `fakeforensics predict` comes to the score stage's rate on the same crops.

Both score the same images with the same model in one process, in turn, so that a change of the machine's
speed affects both: the score stage reads shards, predict reads a folder of files.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer


def main(
    folder: Annotated[
        Path | None, typer.Argument(help="Pictures; by default synthetic crops of 256 pixels.")
    ] = None,
    images: Annotated[int, typer.Option(help="How many to score.")] = 2000,
    rounds: Annotated[int, typer.Option(help="The ratios are medians over them.")] = 3,
    workers: Annotated[int, typer.Option(help="Decoding processes of the score stage.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
) -> None:
    """Print the table and write the figures as flat JSON."""
    from fakeforensics.files import write_json
    from fakeforensics.inference.crops import ExtractionSettings
    from fakeforensics.inference.inputs import find_inputs
    from fakeforensics.inference.package import Package
    from fakeforensics.inference.predict import Predictor
    from fakeforensics.models.saving import load_detector
    from fakeforensics.scoring import score_manifest

    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        manifest = _crops(folder, images, root)
        package = Package(untrained_model(root / "models/p/joint", "whole"))
        detector, card = load_detector(package.directory)
        predictor = Predictor(package, ExtractionSettings("whole", package.faces))
        items = find_inputs([str(root / "crops")]).items
        scored: dict[str, list[float]] = {}

        def score() -> None:
            table = score_manifest(detector, card, manifest, root / "images", workers=workers)
            scored["score"] = list(table["logit"])

        def predict() -> None:
            scored["predict"] = [one.faces[0].scores["logit"] for one in predictor.predict(items)]

        seconds = _in_turn({"score": score, "predict": predict}, rounds)
    gap = max(
        abs(left - right) / abs(left) for left, right in zip(scored["score"], scored["predict"], strict=True)
    )
    figures: dict[str, Any] = {"images": len(items), "score_gap": gap}
    for kind in ("wall", "processor"):
        rates = {way: [len(items) / one for one in seconds[way, kind]] for way in scored}
        ratios = [ours / theirs for theirs, ours in zip(rates["score"], rates["predict"], strict=True)]
        figures[f"ratio_to_score_{kind}"] = statistics.median(ratios)
        evaluated, predicted = (statistics.median(rates[way]) for way in ("score", "predict"))
        typer.echo(
            f"{kind:>9} time: score stage {evaluated:7.1f} images/s, predict {predicted:7.1f} images/s, "
            f"ratio {statistics.median(ratios):.3f}"
        )
    typer.echo(f"largest relative difference of a score: {gap:.1e}")
    if json_file:
        write_json(json_file, figures)


def _in_turn(ways: dict[str, Callable[[], None]], rounds: int) -> dict[tuple[str, str], list[float]]:
    seconds: dict[tuple[str, str], list[float]] = {}
    for number in range(rounds + 1):
        for name, run in ways.items():
            wall, processor = time.perf_counter(), _processor()
            run()
            if number:  # the first round warms up
                seconds.setdefault((name, "wall"), []).append(time.perf_counter() - wall)
                seconds.setdefault((name, "processor"), []).append(_processor() - processor)
    return seconds


def _processor() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _crops(folder: Path | None, images: int, root: Path) -> Any:
    """Store pictures as PNG in a shard and as files, shifted if there are too few; return their manifest."""
    import hashlib

    import numpy as np
    import pandas as pd

    from fakeforensics.images.codec import decode, encode_png
    from fakeforensics.images.shards import ShardWriter
    from fakeforensics.inference.inputs import find_inputs

    paths = [item.path for item in find_inputs([str(folder)]).items if item.kind == "image"] if folder else []
    rng = np.random.default_rng(0)
    (root / "images/s").mkdir(parents=True)
    (root / "crops").mkdir()
    rows = []
    with ShardWriter(root / "images/s", 2**28) as writer:
        for number in range(images):
            if paths:
                again, place = divmod(number, len(paths))
                pixels = np.roll(decode(paths[place].read_bytes()), again, axis=1)  # no two files are alike
            else:
                coarse = rng.integers(40, 215, (16, 16, 3)).astype(np.uint8)
                noise = rng.integers(0, 12, (256, 256, 3)).astype(np.uint8)
                pixels = coarse.repeat(16, axis=0).repeat(16, axis=1) + noise
            data = encode_png(pixels)
            (root / f"crops/{number:05d}.png").write_bytes(data)
            stored = writer.add(f"{number:05d}", data)._asdict()
            digest = hashlib.sha256(data).hexdigest()
            rows.append(stored | {"key": f"s/{number:05d}", "sha256": digest})
    fixed: dict[str, Any] = {
        "source": "s",
        "method": "real",
        "domain": "d",
        "label": 0,
        "group": "",
        "video": "",
        "frame": -1,
    }
    return pd.DataFrame(rows).assign(test_set="t", **fixed)


def untrained_model(folder: Path, crop: str) -> Path:
    """Save a detector that nobody trained, for `crop`: `faces` or `whole` images."""
    from fakeforensics.models.card import Architecture
    from fakeforensics.models.registry import build_detector
    from fakeforensics.models.saving import save_detector
    from fakeforensics.params import FacesParams

    detector = build_detector("joint", Architecture(), {"lambda": 0.01})
    card = {
        "protocol": "p",
        "preprocess": detector.preprocess.model_dump(mode="json"),
        "images": {"crop": {"s": crop}, "faces": FacesParams().model_dump(mode="json")},
    }
    save_detector(folder, detector, card)
    return folder


if __name__ == "__main__":
    typer.run(main)
