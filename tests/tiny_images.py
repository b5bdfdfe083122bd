"""A project of tiny images in shards, with manifests and settings, ready for training."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd

from fakeforensics.images.codec import encode_png
from fakeforensics.images.shards import ShardWriter

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
            data = encode_png(tiny_image(rng, label, side))
            place = writer.add(f"{number:04d}", data)
            rows.append(
                {
                    "key": f"{source}/{number:04d}",
                    "source": source,
                    "shard": place.shard,
                    "offset": place.offset,
                    "size": place.size,
                    "sha256": hashlib.sha256(data).hexdigest(),
                    "method": ("real", f"gan{number % 4}")[label],
                    "label": label,
                    "box": np.array([], dtype=np.float32),
                }
            )
    return pd.DataFrame(rows).astype({"label": "int8"})


def tiny_project(
    root: Path, train_labels, val_labels, detector="joint", own=None, augment=None, reference=None, **train
):
    """Everything the train stage reads for the protocol `tiny`; returns the settings' path.

    Args:
        root: The project's folder.
        train_labels: Label of each training image.
        val_labels: Label of each validation image.
        detector: Name of a detector.
        own: Its own settings; by default what joint and the centers need.
        augment: The `augment` group.
        reference: Class of each image of a reference set, half of which are for validation.
        train: What differs from `TRAIN`.
    """
    manifests = root / "data/manifests/tiny"
    if not manifests.exists():
        manifests.mkdir(parents=True)
        for split, labels in (("train", train_labels), ("val", val_labels)):
            manifest = tiny_manifest(root, labels, source=f"src_{split}", seed=len(split))
            manifest.assign(split=split, test_set="").to_parquet(manifests / f"{split}.parquet")
        if reference is not None:
            rows = tiny_manifest(root, [0] * len(reference), source="src_reference", seed=9)
            splits = [("train", "val")[place % 2] for place in range(len(rows))]
            rows = rows.assign(split=splits, test_set="", reference_class=reference)
            rows.to_parquet(manifests / "reference.parquet")
    if own is None:
        own = {"joint": {"lambda": 0.01, "center": "epoch"}, "sad": {"center": "epoch"}}.get(detector, {})
    settings = {"protocol": "tiny", "detector": detector, "seed": 3, "own": own, "train": TRAIN | train}
    settings["augment"] = augment or {"blur_prob": 0.3, "jpeg_prob": 0.3}
    path = root / f"data/settings/tiny/{detector}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings))
    return path
