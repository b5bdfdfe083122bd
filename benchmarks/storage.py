"""How crops are best stored: bytes, encode and decode time per crop, and DVC's time on a source.

python -m benchmarks.storage data/images SOURCE --json storage.json
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer

from fakeforensics.files import write_json
from fakeforensics.images.codec import decode, encode_png
from fakeforensics.images.index import read_index
from fakeforensics.images.shards import ShardReader, ShardWriter

Encoder = Callable[[np.ndarray], bytes]


def main(
    images: Annotated[Path, typer.Argument(help="The folder of all sources' images, data/images.")],
    source: Annotated[str, typer.Argument(help="A source with face crops.")],
    count: Annotated[int, typer.Option(help="Crops to encode.")] = 60,
    dvc: Annotated[int, typer.Option(help="Crops for DVC's part; 0 leaves it out.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
) -> None:
    """Print the table and write the figures as flat JSON."""
    index, reader = read_index(images, source), ShardReader(images)
    chosen = index.iloc[np.linspace(0, len(index) - 1, min(count, len(index))).astype(int)]
    places = zip(chosen["shard"], chosen["offset"], chosen["size"], strict=True)
    crops = [decode(reader.read(source, str(shard), int(at), int(size))) for shard, at, size in places]
    figures: dict[str, Any] = {"crops": len(crops), "side": crops[0].shape[0]}
    typer.echo(f"{'':24}{'KB':>8}{'encode ms':>11}{'decode ms':>11}")
    for name, encoder in _encoders().items():
        size, encoding, decoding = _measure(crops, encoder, raw=name == "raw")
        figures |= {f"{name}_kb": size, f"{name}_encode_ms": encoding, f"{name}_decode_ms": decoding}
        typer.echo(f"{name:24}{size:8.1f}{encoding:11.2f}{decoding:11.2f}")
    if dvc:
        figures |= {"dvc_crops": dvc, **_dvc([encode_png(crop) for crop in crops], dvc)}
        typer.echo(
            f"dvc on {dvc} crops: add {figures['dvc_add_s']:.1f} s, status {figures['dvc_status_s']:.1f} s"
        )
    if json_file is not None:
        write_json(json_file, figures)


def _encoders() -> dict[str, Encoder]:
    def opencv(suffix: str, *options: int) -> Encoder:
        return lambda bgr: cv2.imencode(suffix, bgr, options)[1].tobytes()

    level, filter_ = cv2.IMWRITE_PNG_COMPRESSION, cv2.IMWRITE_PNG_FILTER
    rle = (level, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE)
    return {
        "ours": lambda bgr: encode_png(bgr[:, :, ::-1]),
        "png_level1": opencv(".png", level, 1),
        "png_level3": opencv(".png", level, 3),
        "png_level6": opencv(".png", level, 6),
        "png_level9": opencv(".png", level, 9),
        "png_rle": opencv(".png", *rle),
        "png_rle_average": opencv(".png", *rle, filter_, cv2.IMWRITE_PNG_FILTER_AVG),
        "png_rle_paeth": opencv(".png", *rle, filter_, cv2.IMWRITE_PNG_FILTER_PAETH),
        "webp_lossless": opencv(".webp", cv2.IMWRITE_WEBP_QUALITY, 101),
        "raw": lambda bgr: bgr.tobytes(),
    }


def _measure(crops: Sequence[np.ndarray], encode: Encoder, raw: bool) -> tuple[float, float, float]:
    bgr = [np.ascontiguousarray(crop[:, :, ::-1]) for crop in crops]
    start = time.process_time()
    files = [encode(crop) for crop in bgr]
    middle = time.process_time()
    for file, crop in zip(files, bgr, strict=True):
        if raw:
            np.frombuffer(file, np.uint8).reshape(crop.shape).copy()
        else:
            decode(file)
    end = time.process_time()
    kb = sum(map(len, files)) / len(files) / 1000
    return kb, (middle - start) / len(files) * 1000, (end - middle) / len(files) * 1000


def _dvc(files: Sequence[bytes], count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "images"
        folder.mkdir()
        with ShardWriter(folder, 256 * 2**20) as writer:
            for number in range(count):
                writer.add(f"{number}.png", files[number % len(files)])
        _run(name, "init", "--no-scm", "-q")
        return {"dvc_add_s": _run(name, "add", "-q", "images"), "dvc_status_s": _run(name, "status", "-q")}


def _run(folder: str, *command: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "dvc", *command], cwd=folder, check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    typer.run(main)
