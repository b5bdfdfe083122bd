"""`fakeforensics data check` on a replica of CNN Synth, whole and with mistakes planted in it."""

import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from fakeforensics.cli import app
from fakeforensics.sources import cnn_synth
from tests.replicas import write_replica


@pytest.fixture
def replica(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six images per class, but five fakes of deepfake: the real set has fewer fakes there, too."""
    counts = dict.fromkeys(cnn_synth.TEST_COUNTS, (6, 6)) | {"deepfake": (6, 5)}
    monkeypatch.setattr(cnn_synth, "TEST_COUNTS", counts)
    monkeypatch.setattr(cnn_synth, "LSUN_CATEGORIES", ("cat",))
    monkeypatch.setattr(cnn_synth, "PER_CATEGORY", {"train": 12, "val": 12})
    root = tmp_path / "cnn_synth"
    write_replica(root, "cnn_synth")
    (root / "deepfake/1_fake/5.png").unlink()
    sources = {"cnn_synth": {"layout": "cnn_synth", "root": str(root)}}
    params = {"protocols": ["p"], "detectors": ["bce"], "compare": {"baseline": "bce"}, "sources": sources}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    return root


def check(replica: Path) -> tuple[int, str]:
    command = ["data", "check", "cnn_synth", "--params", str(replica.parent / "params.yaml")]
    done = CliRunner().invoke(app, command)
    return done.exit_code, done.output


def swap(folder: Path) -> None:
    (folder / "0_real").rename(folder / "aside")
    (folder / "1_fake").rename(folder / "0_real")
    (folder / "aside").rename(folder / "1_fake")


def test_a_whole_replica_passes(replica: Path) -> None:
    status, printed = check(replica)
    assert status == 0, printed
    assert "ok      whichfaceisreal, fake: 6, expected exactly 6 (table 4.1)" in printed


def test_a_missing_class_is_named_with_the_way_to_get_it(replica: Path) -> None:
    shutil.rmtree(replica / "san/1_fake")
    status, printed = check(replica)
    assert status == 1
    assert "MISSING san, fake: 0, expected exactly 6 (table 4.1)" in printed
    assert "fakeforensics data fetch cnn_synth" in printed


def test_swapped_folders_are_noticed_by_the_sizes_of_the_classes(replica: Path) -> None:
    swap(replica / "deepfake")
    status, printed = check(replica)
    assert status == 1
    assert "MISSING deepfake, real: 5, expected exactly 6" in printed
    assert "TOO MANY deepfake, fake: 6, expected exactly 5" in printed


def test_swapped_folders_are_noticed_by_photographs_that_another_set_calls_real(replica: Path) -> None:
    swap(replica / "crn")
    status, printed = check(replica)
    assert status == 1
    assert "identical files among the real and the fake files, 6 times" in printed
    assert "crn/1_fake/0.png" in printed


def test_a_duplicate_across_splits_is_named_with_both_places(replica: Path) -> None:
    shutil.copy(replica / "progan/cat/1_fake/3.png", replica / "progan_train/cat/1_fake/3.png")
    status, printed = check(replica)
    assert status == 1
    assert "identical files in two splits, 1 time:" in printed
    assert "progan/cat/1_fake/3.png" in printed
    assert "progan_train/cat/1_fake/3.png" in printed


def test_a_class_folder_of_another_name_is_refused(replica: Path) -> None:
    (replica / "gaugan/1_fake").rename(replica / "gaugan/1_false")
    status, printed = check(replica)
    assert status == 1
    assert "gaugan/1_false" in printed
