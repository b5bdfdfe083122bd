"""Finding a finished model of the same fingerprint."""

import json

import pytest

from fakeforensics.files import sha256_file
from fakeforensics.models.card import FORMAT
from fakeforensics.training.reuse import find_finished, take_over
from tests.score_specs import SCORES


@pytest.fixture
def models(tmp_path):
    """A finished model of pilot_3_1, whose weights are bytes that nothing reads."""
    folder = tmp_path / "pilot_3_1/bce/n3"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "history.csv").write_text("epoch\n0\n")
    card = {
        "format": FORMAT,
        "detector": {
            "name": "bce",
            "label": "BCE",
            "title": "binary cross-entropy",
            "sees": "reals+fakes",
            "scores": [score.model_dump(mode="json") for score in SCORES["bce"]],
        },
        "weights_sha256": sha256_file(folder / "model.safetensors"),
        "protocol": "pilot_3_1",
        "fingerprint": "f" * 32,
    }
    (folder / "model.json").write_text(json.dumps(card))
    return tmp_path


def find(models, run="bce/n3", fingerprint="f" * 32, own="pilot_3_2/bce/n3"):
    return find_finished(models, run, fingerprint, models / own)


def test_the_same_fingerprint_is_found(models):
    assert find(models) == models / "pilot_3_1/bce/n3"


@pytest.mark.parametrize(
    "other", [{"fingerprint": "e" * 32}, {"run": "bce/n2"}, {"run": "bce/"}, {"own": "pilot_3_1/bce/n3"}]
)
def test_another_fingerprint_place_or_the_run_itself_is_not(models, other):
    assert find(models, **other) is None


@pytest.mark.parametrize("name", ["model.safetensors", "history.csv", "model.json"])
def test_half_a_model_is_passed_over(models, name):
    (models / "pilot_3_1/bce/n3" / name).unlink()
    assert find(models) is None


def test_damaged_weights_are_passed_over(models):
    (models / "pilot_3_1/bce/n3/model.safetensors").write_bytes(b"weight")
    assert find(models) is None


def test_a_damaged_card_is_passed_over_and_said_so(models, caplog):
    (models / "pilot_3_1/bce/n3/model.json").write_text("{")
    assert find(models) is None
    assert "passed over" in caplog.text


def test_a_copy_bears_its_own_protocol(models):
    target = models / "pilot_3_2/bce/n3"
    take_over(models / "pilot_3_1/bce/n3", target, models / "history.csv", "pilot_3_2")
    assert (target / "model.safetensors").read_bytes() == b"weights"
    assert json.loads((target / "model.json").read_text())["protocol"] == "pilot_3_2"
    assert (models / "history.csv").read_text() == (target / "history.csv").read_text() == "epoch\n0\n"
