"""Memory of a training process and its decoding processes per training row, beside an earlier commit's.

    python -m benchmarks.scale.memory --json memory.json

720,000 simulated rows point into real shards of tiny images. A child process makes the batches of a run as
training does, reads 36,000 images with augmentation and as many reals (which touches nearly every page that
holds rows) and sums up the anonymous and shared memory of itself and its decoding processes, each page
divided by the number of processes that share it (PSS). A second child does the same with 80,000 rows; the
difference is what rows cost.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

ROOT = Path(__file__).parents[2]
THEN = "4a81131"
CHILD = Path(__file__).with_name("_memory_child.py")
SHARD = 20_000  # images of a shard
FEW = 80_000  # rows of the child whose memory is subtracted
WORDS = ("airplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow")


def main(
    rows: Annotated[int, typer.Option(help="Training rows, a multiple of 20,000.")] = 720_000,
    workers: Annotated[list[int] | None, typer.Option(help="Decoding processes, 4; may be repeated.")] = None,
    then: Annotated[str, typer.Option(help="The earlier commit; empty for none.")] = THEN,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
) -> None:
    """Print the table and write the figures as flat JSON."""
    from fakeforensics.files import write_json

    figures: dict[str, Any] = {"rows": rows}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate(folder, rows)
        variants = {"now": (ROOT, "decode"), "now, pixels kept": (ROOT, "pixels")}
        if then:
            variants[then] = (_unpack(then, folder / "then"), "decode")
        for count in workers or [4]:
            for variant, (code, mode) in variants.items():
                few, many = (measure(code, folder, size, count, mode) for size in (FEW, rows))
                per_row = {
                    key: round((many[key] - few[key]) / (rows - FEW), 1)
                    for key in ("parent", "workers", "all", "peak")
                }
                print(f"{variant}, {count} workers, {many['all'] / 2**20:.0f} MiB; bytes per row: {per_row}")
                figures |= {f"{variant}, {count} workers, {key}": value for key, value in per_row.items()}
    if json_file is not None:
        write_json(json_file, figures)


def measure(code: Path, folder: Path, rows: int, workers: int, mode: str) -> dict[str, int]:
    """Bytes of a child's processes, with the packages of a checkout."""
    paths = os.pathsep.join((str(code / "src"), str(code)))
    done = subprocess.run(
        [sys.executable, str(CHILD), str(folder), str(rows), str(workers), mode],
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{code}, {mode}:\n{done.stderr}")
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def simulate(folder: Path, rows: int) -> None:
    """Write shards of 20,000 tiny images and manifests; all shards are links to the first."""
    import numpy as np
    import pandas as pd

    from fakeforensics.files import write_parquet
    from fakeforensics.images.codec import encode_png
    from fakeforensics.images.index import INDEX_SCHEMA
    from fakeforensics.images.shards import ShardWriter

    source = folder / "images/cnn_synth"
    source.mkdir(parents=True)
    rng = np.random.default_rng(0)
    places, digests = [], []
    with ShardWriter(source, 1 << 30) as writer:
        for number in range(SHARD):
            data = encode_png(rng.integers(0, 256, (8, 8, 3), np.uint8))
            places.append(writer.add(f"{number:06d}", data))
            digests.append(hashlib.sha256(data).hexdigest())
    shards = [f"shard-{number:05d}.tar" for number in range(rows // SHARD)]
    for name in shards[1:]:
        os.link(source / shards[0], source / name)
    blank = {"string": "", "bool": False, "list<element: float>": [], "list<item: float>": []}
    for split, parts in (("train", shards), ("few", shards[: FEW // SHARD]), ("val", shards[:1])):
        count = len(parts) * SHARD
        numbers = np.arange(count)
        label = numbers % 2
        keys = [
            f"cnn_synth/progan_train/{WORDS[n // 7200 % 10]}/{n % 2}_{('real', 'fake')[n % 2]}/{n:08d}.png"
            for n in range(count)
        ]
        own = {
            "key": keys,
            "shard": np.repeat(parts, SHARD),
            "offset": np.tile([place.offset for place in places], len(parts)),
            "size": np.tile([place.size for place in places], len(parts)),
            "sha256": digests * len(parts),
            "source": "cnn_synth",
            "method": np.where(label == 0, "real", "progan"),
            "label": label.astype(np.int8),
            "group": keys,
            "raw_path": keys,
        }
        columns = {
            field.name: own.get(field.name, [blank.get(str(field.type), 0)] * count) for field in INDEX_SCHEMA
        }
        name = "train" if split == "few" else split
        target = folder / ("few" if split == "few" else "many") / f"{name}.parquet"
        target.parent.mkdir(exist_ok=True)
        write_parquet(target, pd.DataFrame(columns).assign(split=name, test_set=""))
    os.link(folder / "many/val.parquet", folder / "few/val.parquet")


def _unpack(commit: str, folder: Path) -> Path:
    """The packages of an earlier commit."""
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", commit, "src"], capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return folder


if __name__ == "__main__":
    typer.run(main)
