"""A project as the train stage leaves it: noise images, manifests, and a detector that nobody trained."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml

from fakeforensics.files import write_json, write_parquet
from fakeforensics.images.codec import encode_png
from fakeforensics.images.shards import ShardWriter
from fakeforensics.models.card import Architecture
from fakeforensics.models.registry import build_detector
from fakeforensics.models.saving import save_detector

SIDE = 40  # pixels of a stored image; the detector sees the 32 in the middle


def make_project(root: Path, detectors=("bce", "sad", "joint")) -> Path:
    """Test sets `stylegan` and `stargan` share their six reals; each has six fakes. Validation: 4 and 4."""
    rng = np.random.default_rng(0)
    names = {f"real{i}": "real" for i in range(6)}
    names |= {f"{method}{i}": method for method in ("stylegan", "stargan") for i in range(6)}
    names |= {f"val_real{i}": "real" for i in range(4)} | {f"val_fake{i}": "stargan" for i in range(4)}
    folder = root / "data/images/noise"
    folder.mkdir(parents=True)
    rows = []
    with ShardWriter(folder, shard_bytes=2**20) as writer:
        for name, method in names.items():
            strength = 80 if method != "real" else 20
            pixels = (128 + strength * rng.normal(size=(SIDE, SIDE, 3))).clip(0, 255).astype(np.uint8)
            data = encode_png(pixels)
            place = writer.add(f"noise/{name}.png", data)
            rows.append(
                place._asdict()
                | {"key": f"noise/{name}", "source": "noise", "method": method, "domain": "noise"}
                | {"label": int(method != "real"), "group": f"noise/{name}", "video": "", "frame": -1}
                | {"sha256": hashlib.sha256(data).hexdigest()}
                | {"box": [], "split": "val" if name.startswith("val") else "test"}
            )
    index = pd.DataFrame(rows)
    validation = index[index["split"] == "val"].assign(test_set="")
    test = index[index["split"] == "test"]
    parts = [
        test[test["method"].isin(["real", name])].assign(test_set=name) for name in ("stylegan", "stargan")
    ]
    write_parquet(root / "data/manifests/p/val.parquet", validation)
    for name in ("test", "corrupted"):
        write_parquet(root / f"data/manifests/p/{name}.parquet", pd.concat(parts, ignore_index=True))
    write_json(root / "data/manifests/p/counts.json", {"undetected": {}})
    torch.manual_seed(0)
    for detector in detectors:
        name = detector.partition("/")[0]
        own = {"lambda": 0.01} if name == "joint" else {}
        network = build_detector(name, Architecture(crop_size=32), own)
        card = {"protocol": "p", "preprocess": network.preprocess.model_dump(mode="json")}
        save_detector(root / "models/p" / detector, network, card)
    protocol = {"title": "t", "train": [], "test": {"stylegan": [], "stargan": []}, "unseen": ["stylegan"]}
    (root / "protocols").mkdir()
    (root / "protocols/p.yaml").write_text(yaml.safe_dump(protocol, sort_keys=False))
    (root / "params.yaml").write_text(
        "protocols: [p]\nsources: {}\ndetectors: [bce, sad, joint]\ncompare: {baseline: bce}\n"
        "evaluate: {batch_size: 5, workers: 0, bootstrap: 100}\n"
    )
    return root
