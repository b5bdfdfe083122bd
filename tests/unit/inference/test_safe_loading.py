"""Loading a model folder that somebody else made can at worst be refused."""

import pickle
import re
import shutil
from pathlib import Path

import pytest

from fakeforensics.errors import UserError
from fakeforensics.inference.package import Package
from fakeforensics.inference.predict import LoadedModel
from fakeforensics.sums import write_sums

SOURCE = Path(__file__).parents[3] / "src"
STAGES = SOURCE.parent / "stages"


class Bomb:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


@pytest.fixture
def model(package, tmp_path):
    return Path(shutil.copytree(package.directory, tmp_path / "m"))


def refused(model, message):
    with pytest.raises(UserError, match=message):
        LoadedModel(Package(model))


def test_a_planted_pickle_never_runs(model, tmp_path):
    mark = tmp_path / "ran"
    data = pickle.dumps(Bomb(mark))
    pickle.loads(data)
    assert mark.exists()  # it would run if it were unpickled
    mark.unlink()
    (model / "model.safetensors").write_bytes(data)
    refused(model, r"model\.safetensors: changed")
    for name in ("model.pt", "model.pkl", "model.ckpt", "pytorch_model.bin", "centre.npy"):
        (model / name).write_bytes(data)
    refused(model, r"model\.pkl: does not belong here")
    # Even with a card and a list that vouch for it.
    card = (model / "model.json").read_text()
    digest = Package(model).raw_card["weights_sha256"]
    import hashlib

    (model / "model.json").write_text(card.replace(digest, hashlib.sha256(data).hexdigest()))
    write_sums(model)
    refused(model, "not a safetensors file")
    assert not mark.exists()


def test_one_changed_bit_is_noticed(model):
    weights = model / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1000] ^= 1
    weights.write_bytes(data)
    refused(model, r"model\.safetensors: changed")


def test_truncated_weights_are_refused(model):
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    refused(model, r"model\.safetensors: changed")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"format": 3}', "\ud800"])
def test_cards_that_are_none_are_refused(model, text):
    (model / "model.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    refused(model, "model.json")


def test_nothing_unpickles_but_a_runs_own_checkpoint():
    unsafe = re.compile(
        r"\bpickle\.loads?\(|\bjoblib\.load\(|allow_pickle|\bdill\b|\bshelve\b|torch\.package"
    )
    for path in [*SOURCE.rglob("*.py"), *STAGES.glob("*.py")]:
        text = path.read_text()
        assert not unsafe.search(text), path
        for call in re.findall(r"torch\.load\((?:[^()]|\([^()]*\))*\)", text):
            assert "weights_only=True" in call, f"{path}: {call}"
            assert "training" in path.parts or "models" in path.parts, path
