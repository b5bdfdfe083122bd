"""Validates a given detector, by as many processes as torchrun started; the first writes what came out.

Run as `python -m tests.unit.training.validate_shares PROJECT CHECKPOINT OUT`.
"""

import json
import sys
from pathlib import Path

import pandas as pd

from fakeforensics.models.preprocess import Preprocess
from fakeforensics.models.saving import load_detector
from fakeforensics.objectives.registry import build_objective
from fakeforensics.training.augment import Augment
from fakeforensics.training.data import ManifestData
from fakeforensics.training.epochs import Epochs
from fakeforensics.training.module import Training
from fakeforensics.training.settings import load_settings
from fakeforensics.training.trainer import build_trainer


def main(project: Path, checkpoint: Path, out: Path) -> None:
    settings = load_settings(project / "data/settings/tiny/joint.json")
    manifests = (
        pd.read_parquet(project / f"data/manifests/tiny/{split}.parquet") for split in ("train", "val")
    )
    params, preprocess = settings.train, Preprocess(crop_size=settings.train.crop_size)
    augment = Augment(settings.augment, params.crop_size, settings.seed)
    data = ManifestData(*manifests, project / "data/images", params, augment, preprocess, settings.seed)
    detector, _ = load_detector(checkpoint)
    module = Training(detector, build_objective("joint", settings.lambda_), params, preprocess, data)
    trainer = build_trainer(params, Epochs(out.parent, params.patience), out.parent)
    trainer.validate(module, datamodule=data, verbose=False)
    if trainer.is_global_zero:
        out.write_text(
            json.dumps({"centre": detector.centre.tolist(), "world": trainer.world_size} | module.record)
        )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
