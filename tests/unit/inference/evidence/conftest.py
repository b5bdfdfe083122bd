import json
import os
import shutil
from pathlib import Path

import pytest

from fakeforensics.files import write_json
from fakeforensics.inference.evidence.build import case_folder
from fakeforensics.inference.inputs import Item
from fakeforensics.inference.package import Package
from fakeforensics.inference.predict import Predictor
from fakeforensics.sums import write_sums
from tests.unit.inference.conftest import FACES

HOSTILE = "`<img src=x onerror=alert(1)>`.png"
RATE = {
    "level": "frame",
    "asked": None,
    "inconclusive": 0.0,
    "test_sets": ["t"],
    "count": 40,
    "groups": 40,
    "low": 0.0,
    "high": 0.2,
}
ERRORS = {
    "score": "sl",
    "threshold": 0.25,
    "rows": [
        RATE | {"corruption": corruption, "label": label, "name": name, "seen": seen, "rate": rate}
        for corruption in ("clean", "jpeg_90", "jpeg_50")
        for label, name, seen, rate in (
            ("real", "celeba", True, 0.05),
            ("fake", "pggan", True, 0.0),
            ("fake", "san", False, 0.125),
        )
    ],
}
RATIO = {
    "kind": "logistic",
    "slope": 2.0,
    "intercept": 0.5,
    "lower": -1.0,
    "upper": 1.0,
    "reals": 60,
    "fakes": 60,
}
TRAINING = {
    "manifests": {"train.parquet": "ab" * 32},
    "images": 100,
    "files": 100,
    "formats": {"JPEG": 100},
    "short_side": {"low": 200, "median": 512, "high": 600},
    "long_side": {"low": 200, "median": 512, "high": 800},
    "jpeg_quality": {"low": 50, "median": 90, "high": 100},
    "face_width": {"low": 50, "median": 100, "high": 400},
    "reals": ["celeba"],
}


def make_case(folder: Path, package: Package, paths: list[Path]) -> str:
    """Score files into a case folder; returns the hash that the command prints."""
    kinds = {".mp4": "video"}
    items = [Item(path, kinds.get(path.suffix, "image")) for path in paths]
    predictor = Predictor(package, FACES, workers=1, batch_size=64)
    with case_folder(folder, package, predictor, FACES, items, ["fakeforensics", "predict"], 64) as case:
        assert len(list(case.recorded(predictor.predict(items)))) == len(items)
    return case.digest


@pytest.fixture(scope="package")
def documented(package, tmp_path_factory) -> Package:
    """A package that knows its training data and its errors."""
    folder = shutil.copytree(package.directory, tmp_path_factory.mktemp("documented") / "joint")
    write_json(folder / "training.json", TRAINING)
    write_json(folder / "errors.json", ERRORS)
    policy = json.loads((folder / "decision.json").read_text())
    write_json(folder / "decision.json", policy | {"likelihood_ratio": RATIO})
    costs = {name: {"sl": {"known": 0.25, "mean": 0.25}} for name in ("cllr", "cllr_min")}
    metrics = json.loads((folder / "metrics.json").read_text())
    write_json(folder / "metrics.json", metrics | costs)
    write_sums(folder)
    return Package(folder)


@pytest.fixture(scope="session")
def evidence(tmp_path_factory) -> Path:
    """A folder for the files to judge."""
    return tmp_path_factory.mktemp("evidence")


@pytest.fixture(scope="package")
def case(documented, photo, clip, evidence, tmp_path_factory) -> Path:
    """A case of a photograph with a hostile name, a clip, a file that is no image, and a real photograph."""
    paths = [evidence / name for name in (HOSTILE, "clip.mp4", "broken.jpg")]
    shutil.copy(photo, paths[0])
    shutil.copy(clip, paths[1])
    paths[2].write_bytes(b"not an image")
    if sample := os.environ.get("FAKEFORENSICS_SAMPLE"):
        paths.append(evidence / "family.jpg")
        shutil.copy(Path(sample) / "faces_in_the_wild/2008_001322.jpg", paths[3])
    # Where other packages' tests run in between, pytest makes this fixture again.
    folder = tmp_path_factory.mktemp("cases") / "case"
    make_case(folder, documented, paths)
    return folder
