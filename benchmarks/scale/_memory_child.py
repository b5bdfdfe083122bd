"""Makes a run's batches and prints the memory of its processes as JSON, also with an earlier commit's code.

python _memory_child.py FOLDER ROWS WORKERS MODE
"""

from __future__ import annotations

import importlib.util
import json
import multiprocessing
import resource
import sys
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import torch

BATCH = 64
BATCHES = 562  # 36,000 images, at random: more than one of each page that holds rows
SUMMED = ("Pss_Anon", "Pss_Shmem")


def main(folder: Path, rows: int, workers: int, mode: str) -> None:
    """Read a part of an epoch and of the center's images."""
    manifests = folder / ("few" if rows == 80_000 else "many")
    make = _now if importlib.util.find_spec("fakeforensics.images") else _then
    train, reals, held = make(manifests, folder, workers, mode)
    # The first processes are kept, and so is the iterator: they are there when memory is measured.
    first, second = iter(train), iter(reals)
    for images in (first, second):
        for _ in islice(images, BATCHES):
            pass
    own = _pss("self")
    others = sum(_pss(str(process.pid)) for process in multiprocessing.active_children())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"parent": own, "workers": others, "all": own + others, "peak": peak}))
    del held


def _now(manifests: Path, folder: Path, workers: int, mode: str) -> tuple[Any, Any, Any]:
    from fakeforensics.images.manifest import read_manifest
    from fakeforensics.images.pixels import PixelStore
    from fakeforensics.models.preprocess import Preprocess
    from fakeforensics.models.runtime import keep_freed_memory, release_freed_memory
    from fakeforensics.params import AugmentParams, TrainParams
    from fakeforensics.training.data import Augment, RunData
    from fakeforensics.training.train import COLUMNS

    train, val = (read_manifest(manifests / f"{split}.parquet", COLUMNS) for split in ("train", "val"))
    keep_freed_memory()
    data = RunData(
        train,
        val,
        folder / "images",
        TrainParams(crop_size=32, batch_size=BATCH, workers=workers),
        Augment(AugmentParams(), 32, seed=0),
        Preprocess(crop_size=32),
        torch.device("cpu"),
        store=PixelStore(folder / "pixels", 1.0) if mode == "pixels" else None,
    )
    del train, val
    release_freed_memory()
    return data.train, data.reals, data


def _then(manifests: Path, folder: Path, workers: int, mode: str) -> tuple[Any, Any, Any]:
    import pandas as pd

    from fakeforensics.models.preprocess import Preprocess
    from fakeforensics.params import AugmentParams, TrainParams

    del mode
    train, val = (pd.read_parquet(manifests / f"{split}.parquet") for split in ("train", "val"))
    params = TrainParams(crop_size=32, batch_size=BATCH, workers=workers)
    augment = import_module("fakeforensics.training.augment").Augment(AugmentParams(), 32, seed=0)
    data = import_module("fakeforensics.training.data").ManifestData(
        train,
        val,
        folder / "images",
        params,
        augment,
        Preprocess(crop_size=32),
        0,
    )
    data.setup("fit")
    return data.train_dataloader(), data.real_dataloader(), data


def _pss(process: str) -> int:
    """Bytes, each page divided by the number of processes that share it; files do not count."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8").splitlines()[1:]
    values = {
        name: int(value.split()[0]) * 1024 for name, _, value in (line.partition(":") for line in lines)
    }
    return sum(values[name] for name in SUMMED)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
