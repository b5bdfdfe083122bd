"""Validates a given detector, by as many processes as torchrun started; the first writes what came out."""

import json
from pathlib import Path

import pandas as pd

from fakeforensics.models.runtime import processes
from fakeforensics.models.saving import load_detector
from fakeforensics.training.data import Augment, RunData
from fakeforensics.training.loop import Run, make_fabric
from fakeforensics.training.settings import load_settings


def main(project: Path, checkpoint: Path, out: Path) -> None:
    settings = load_settings(project / "data/settings/tiny/joint.json")
    train, val = (
        pd.read_parquet(project / f"data/manifests/tiny/{split}.parquet") for split in ("train", "val")
    )
    params = settings.train
    fabric = make_fabric(*processes(params.devices))
    detector, _ = load_detector(checkpoint)
    data = RunData(
        train,
        val,
        project / "data/images",
        params,
        Augment(settings.augment, params.crop_size, settings.seed),
        detector.preprocess,
        fabric.device,
        fabric.global_rank,
        fabric.world_size,
    )
    run = Run(detector, data, params, fabric, out.parent)
    detector.on_epoch_end(data.reals)
    row = run.validate(0)
    if fabric.is_global_zero:
        out.write_text(json.dumps({"center": detector.center.tolist(), "world": fabric.world_size} | row))
