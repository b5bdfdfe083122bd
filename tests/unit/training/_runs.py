"""Training runs on tiny images."""

import pandas as pd

from fakeforensics.images.dataset import Batch, ManifestDataset
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.params import FacesParams
from fakeforensics.training.settings import load_settings
from fakeforensics.training.train import Places, train_detector
from tests.tiny_images import tiny_project

LABELS = [0, 1] * 9 + [0]


def places(root, name="model"):
    return Places(
        manifests=root / "data/manifests/tiny",
        images=root / "data/images",
        model=root / name,
        plot=root / f"{name}.csv",
        live=root / f"{name}.live",
        cost=root / f"{name}.cost.json",
        scratch=root / "scratch",
    )


def train(root, name="model", labels=LABELS, val=LABELS[:8], **project):
    settings = load_settings(tiny_project(root, labels, val, **project))
    train_detector(settings, places(root, name), FacesParams())
    return root / name


def history(model):
    return pd.read_csv(model / "history.csv")


def plain(root, split="train"):
    """All images of a split as one normalized batch, not augmented."""
    preprocess = Preprocess(crop_size=32)
    manifest = pd.read_parquet(root / f"data/manifests/tiny/{split}.parquet")
    dataset = ManifestDataset(manifest, root / "data/images", preprocess.crop)
    batch = dataset[range(len(dataset))]
    return Batch(preprocess.normalize(batch.images), batch.labels, batch.rows)
