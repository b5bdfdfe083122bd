"""A project of tiny images in shards, with manifests and settings, ready for training."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from fakeforensics.storage.images import encode_png
from fakeforensics.storage.shards import ShardWriter

TRAIN = {"weights": "none", "crop_size": 32, "batch_size": 8, "max_epochs": 2, "learning_rate": 0.001}


def tiny_image(rng, label, side=36):
    """Noise; a fake repeats every second line, as nearest-neighbour up-sampling would."""
    image = rng.integers(60, 190, (side, side, 3)).astype(np.uint8)
    if label:
        image[1::2] = image[::2]
    return image


def tiny_manifest(root: Path, labels, source="src", seed=0, side=36):
    """Store images with these labels in a shard of `root`/data/images/`source`; their rows of a manifest."""
    rng = np.random.default_rng(seed)
    folder = root / "data/images" / source
    folder.mkdir(parents=True)
    rows = []
    with ShardWriter(folder, 1 << 28) as writer:
        for number, label in enumerate(labels):
            place = writer.add(f"{number:04d}", encode_png(tiny_image(rng, label, side)))
            rows.append(
                {
                    "key": f"{source}/{number:04d}",
                    "source": source,
                    "shard": place.shard,
                    "offset": place.offset,
                    "size": place.size,
                    "sha256": f"{seed}-{number}",
                    "method": ("real", f"gan{number % 4}")[label],
                    "label": label,
                    "box": np.array([], dtype=np.float32),
                }
            )
    return pd.DataFrame(rows).astype({"label": "int8"})


def tiny_project(
    root: Path, train_labels, val_labels, objective="joint", lambda_=0.01, augment=None, **train
):
    """Everything the train stage reads for the protocol `tiny`; returns the settings' path."""
    manifests = root / "data/manifests/tiny"
    if not manifests.exists():
        manifests.mkdir(parents=True)
        for split, labels in (("train", train_labels), ("val", val_labels)):
            manifest = tiny_manifest(root, labels, source=f"src_{split}", seed=len(split))
            manifest.assign(split=split, test_set="").to_parquet(manifests / f"{split}.parquet")
    settings = {"protocol": "tiny", "objective": objective, "seed": 3, "train": TRAIN | train}
    settings["augment"] = augment or {"blur_prob": 0.3, "jpeg_prob": 0.3}
    if objective == "joint":
        settings["lambda"] = lambda_
    path = root / f"data/settings/tiny/{objective}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings))
    return path
