"""When a detector is doubted, and where that is said."""

import json
import shutil

import pytest

from fakeforensics.inference.app.page import header
from fakeforensics.inference.inputs import UploadLimits
from fakeforensics.inference.model_card import model_card
from fakeforensics.inference.output import print_models
from fakeforensics.inference.package import Package
from tests.unit.inference.conftest import rewrite


@pytest.mark.parametrize(
    ("epochs", "best", "ap", "expected"),
    [
        (5, 3, 0.95, 0),
        (5, 0, 0.95, 1),  # the first epoch was the best
        (1, 0, 0.95, 0),  # there was only one
        (5, 3, 0.75, 1),  # 30 of 40 images are fakes: chance is 0.75
        (5, 3, 0.80, 1),  # and a random order of 40 images often has 0.80
        (5, 0, 0.5, 2),
    ],
)
def test_a_detector_at_chance_or_of_its_first_epoch_is_doubted(package, tmp_path, epochs, best, ap, expected):
    folder = tmp_path / "p/joint"
    shutil.copytree(package.directory, folder)
    card = json.loads((folder / "model.json").read_text())
    card |= {"epochs": epochs, "best_epoch": best}
    card["counts"] |= {"val": {"src": {"real": 10, "pggan": 20, "stargan": 10}}}
    rewrite(folder, "model.json", card)
    metrics = json.loads((folder / "metrics.json").read_text())
    rewrite(folder, "metrics.json", metrics | {"validation": {"ap": {"sl": ap, "cd": 0.1}}})
    found = Package(folder).doubts
    assert len(found) == expected
    for text in (model_card(Package(folder)), header(Package(folder), UploadLimits())):
        assert all(doubt in text for doubt in found)


def test_models_names_a_doubted_detector(package, tmp_path, capsys):
    shutil.copytree(package.directory, tmp_path / "p/joint")
    rewrite(tmp_path / "p/joint", "model.json", package.raw_card | {"epochs": 5, "best_epoch": 0})
    print_models(tmp_path)
    printed = capsys.readouterr()
    assert "first of its 5 epochs" in printed.err
    assert "p/joint" in printed.err


def test_models_shows_chance_next_to_the_means(package, tmp_path, capsys):
    shutil.copytree(package.directory, tmp_path / "p/joint")
    details = [
        {"level": "frame", "test_set": "known", "reals": 30, "fakes": 10},
        {"level": "video", "test_set": "known", "reals": 1, "fakes": 1},
        {"level": "frame", "test_set": "strange", "reals": 10, "fakes": 30},
    ]
    rewrite(tmp_path / "p/joint", "details.json", {"details": details})
    assert Package(tmp_path / "p/joint").chance() == {
        "known": 25,
        "strange": 75,
        "mean": 50,
        "mean_unseen": 75,
    }
    print_models(tmp_path)
    head, row = capsys.readouterr().out.splitlines()
    assert head.split()[-6:] == ["MEAN", "AP", "CHANCE", "UNSEEN", "AP", "CHANCE"]
    assert row.split()[-4:] == ["80.06", "50.0", "61.00", "75.0"]
