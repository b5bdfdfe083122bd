import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from skimage import data as pictures

from fakeforensics.files import write_json
from fakeforensics.images.codec import encode_png
from fakeforensics.inference.crops import ExtractionSettings
from fakeforensics.inference.export import add_onnx
from fakeforensics.inference.package import About, Package, write_package
from fakeforensics.metrics.spec import ScoreSpec
from fakeforensics.models.card import Architecture
from fakeforensics.models.latent import LatentDetector
from fakeforensics.models.registry import build_detector
from fakeforensics.models.saving import save_detector
from fakeforensics.params import FacesParams
from fakeforensics.sums import write_sums
from tests.thin_resnet import thin_networks

CROP = 64  # pixels that the detector sees: small, for speed
FACES = ExtractionSettings("faces", FacesParams(size=96))
SETTINGS = {"joint": {"lambda": 0.01}}
# Scores of a detector that does not exist: three scales, none of them a logit.
TOY = (
    ScoreSpec(name="gap", label="S_GAP", title="distance to a prototype", column="gap", scale="positive"),
    ScoreSpec(name="share", label="S_SH", title="share of fake patches", column="share", scale="probability"),
    ScoreSpec(name="edge", label="S_ED", title="distance beyond the edge", column="edge", scale="real"),
)


def make_model(folder: Path, name="joint", crop="faces", protocol="p", seed=0, own=None) -> Path:
    """An untrained detector whose logits and distances are of ordinary size."""
    torch.manual_seed(seed)
    detector = build_detector(name, Architecture(crop_size=CROP), own or SETTINGS.get(name, {}))
    if isinstance(detector, LatentDetector):
        detector.center.normal_()
    card = {
        "protocol": protocol,
        "preprocess": detector.preprocess.model_dump(mode="json"),
        "images": {"crop": {"src": crop}, "faces": FACES.faces.model_dump(mode="json")},
        "counts": {"train": {"src": {"real": 1200, "pggan": 300, "stargan": 900}}},
        "versions": {"torch": torch.__version__},
    }
    save_detector(folder, detector, card)
    return folder


def rewrite(folder: Path, name: str, value: object) -> None:
    """Write a file of a package as its stage would have, the list of digests included."""
    write_json(folder / name, value)
    write_sums(folder)


def card_only(folder, template, **changes):
    folder.mkdir(parents=True)
    value = json.loads((template.directory / "model.json").read_text()) | changes
    (folder / "model.json").write_text(json.dumps(value))
    write_sums(folder)
    return folder


def make_package(folder: Path, model: Path, results: dict[str, object], **about) -> Package:
    """A package as its stage writes it, without the README."""
    written = {}
    for name, value in results.items():
        written[name] = folder.parent / f"{folder.name}.{name}"
        write_json(written[name], value)
    folder.mkdir(parents=True)
    write_package(folder, model, written, About(**{"title": "Trained on this"} | about))
    write_sums(folder)
    return Package(folder)


@pytest.fixture(scope="package", autouse=True)
def _thin_networks():
    """Packages of 1 MB: hashing and copying ResNet-18 takes longer than all else that these tests do."""
    with thin_networks():
        yield


@pytest.fixture(scope="package")
def package(tmp_path_factory) -> Package:
    """A package `packages/p/joint` with results on a seen and an unseen test set."""
    root = tmp_path_factory.mktemp("project")
    ap = {"sl": {"known": 0.9912, "strange": 0.61, "mean": 0.8006, "mean_unseen": 0.61}}
    results = {
        "metrics.json": {"ap": ap},
        "details.json": {"ap_interval": {"sl": {"known": [0.98, 0.995]}}},
        "decision.json": {"score": "sl", "threshold": 0.25, "chosen": "highest accuracy on validation"},
    }
    model = make_model(root / "models/p/joint")
    return make_package(root / "packages/p/joint", model, results, unseen=("strange",))


@pytest.fixture(scope="package")
def with_onnx(package, tmp_path_factory) -> Package:
    """The same package with its network as ONNX."""
    folder = shutil.copytree(package.directory, tmp_path_factory.mktemp("with_onnx") / "joint")
    assert add_onnx(Package(folder), Path("/nowhere")).reason is None
    return Package(folder)


@pytest.fixture(scope="package")
def toy(package, tmp_path_factory) -> Package:
    """The card of a detector with the scores `TOY`; it has no weights."""
    card = json.loads((package.directory / "model.json").read_text())
    card["detector"] |= {
        "name": "toy",
        "label": "Toy",
        "title": "three scores",
        "sees": "reals",
        "scores": [score.model_dump(mode="json") for score in TOY],
    }
    folder = tmp_path_factory.mktemp("toy")
    write_json(folder / "model.json", card)
    return Package(folder)


@pytest.fixture(scope="session")
def portrait() -> np.ndarray:
    """A public-domain photograph with one face that dlib finds: 512 x 512."""
    return pictures.astronaut()


@pytest.fixture(scope="session")
def photo(portrait, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "one face.png"
    path.write_bytes(encode_png(portrait))
    return path


@pytest.fixture(scope="session")
def group_photo(portrait, tmp_path_factory) -> Path:
    """The portrait and, to its right, a mirrored and smaller one."""
    small = portrait[::-1, ::-1][::-1][::2, ::2]
    canvas = np.zeros((512, 768, 3), np.uint8)
    canvas[:, :512] = portrait
    canvas[100:356, 512:] = small
    path = tmp_path_factory.mktemp("photo") / "group.png"
    path.write_bytes(encode_png(canvas))
    return path


@pytest.fixture(scope="session")
def clip(portrait, tmp_path_factory) -> Path:
    """Twelve frames in which the portrait moves to the right, the last three black."""
    path = tmp_path_factory.mktemp("clip") / "moves.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("h264", rate=6)
        stream.width, stream.height, stream.pix_fmt = 320, 256, "yuv420p"
        for number in range(12):
            pixels = np.zeros((256, 320, 3), np.uint8)
            if number < 9:
                pixels[:, 4 * number : 256 + 4 * number] = portrait[::2, ::2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        container.mux(stream.encode())
    return path
