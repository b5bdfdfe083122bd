"""The commands `fakeforensics data check` and `data fetch`."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from fakeforensics.cli import app
from fakeforensics.sources import download
from fakeforensics.sources.base import DatasetAdapter
from fakeforensics.sources.inventory import read_list


@pytest.fixture
def params(tmp_path: Path) -> Path:
    for number, folder in enumerate(("0_real", "1_fake")):
        (tmp_path / "mine" / folder).mkdir(parents=True)
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(tmp_path / "mine" / folder / "a.png")
    path = tmp_path / "params.yaml"
    path.write_text(
        "protocols: [p]\ndetectors: [bce]\ncompare: {baseline: bce}\nsources:\n"
        f"  mine: {{layout: folder, root: {tmp_path / 'mine'}}}\n"
        f"  faces: {{layout: dffd, root: {tmp_path / 'nowhere'}}}\n"
    )
    return path


def test_check_passes_a_sound_source_and_fails_with_a_missing_one(params: Path) -> None:
    good = CliRunner().invoke(app, ["data", "check", "mine", "--params", str(params)])
    assert good.exit_code == 0, good.output
    assert "mine (folder): 2 files" in good.output
    both = CliRunner().invoke(app, ["data", "check", "--params", str(params)])
    assert both.exit_code == 1
    assert "how to get it: apply at" in both.output


def test_an_unreadable_file_must_be_repaired_before_the_list_is_updated(
    params: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(params.parent)
    check = ["data", "check", "mine", "--update", "--params", str(params)]
    assert CliRunner().invoke(app, check).exit_code == 0
    (params.parent / "mine/0_real/b.png").write_bytes(b"not a picture")
    shown = CliRunner().invoke(app, check)
    assert shown.exit_code == 1
    assert "fix or remove the files named in the errors above" in shown.output
    assert "1 file cannot be read" in shown.output


def test_check_compares_images_whose_names_bear_the_same_number(params: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(25):
        pixels = rng.integers(0, 256, (16, 17, 3), dtype=np.uint8)
        for folder in ("celeba", "stargan"):
            path = params.parent / "nowhere" / folder / f"train/{number:05d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels + np.uint8(folder == "stargan")).save(path)
    shown = CliRunner().invoke(app, ["data", "check", "faces", "--params", str(params)])
    assert "stargan shares 25 of its 25 numbers with celeba" in shown.output
    assert "the two images look alike" in shown.output


def test_check_names_the_one_method_whose_jpeg_quality_gives_it_away(params: Path) -> None:
    # Of 24 fakes of each method, those of PGGAN alone have another quality than the 24 reals.
    rng = np.random.default_rng(0)
    for folder, quality in {"celeba": 90, "stargan": 90, "pggan": 75}.items():
        for number in range(24):
            path = params.parent / "nowhere" / folder / f"train/{folder}{number:05d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path, quality=quality)
    shown = CliRunner().invoke(app, ["data", "check", "faces", "--params", str(params)])
    (line,) = (line for line in shown.output.splitlines() if "coding of the files alone" in line)
    assert "(JPEG quality) distinguishes pggan from the real files" in line


def test_update_lists_the_files_of_sound_sources_alone(params: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(params.parent)
    assert CliRunner().invoke(app, ["data", "check", "--update"]).exit_code == 1
    lists = params.parent / "data/inventory"
    assert sorted(path.name for path in lists.iterdir()) == ["mine.json", "mine.parquet"]
    assert read_list("mine", lists)["path"].tolist() == ["0_real/a.png", "1_fake/a.png"]


def test_check_fails_if_the_list_of_files_is_out_of_date(
    params: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(params.parent)
    check = ["data", "check", "mine"]
    assert CliRunner().invoke(app, [*check, "--update"]).exit_code == 0
    assert CliRunner().invoke(app, check).exit_code == 0
    files = params.parent / "mine"
    (files / "1_fake/a.png").rename(files / "1_fake/b.png")
    Image.fromarray(np.full((9, 9, 3), 9, np.uint8)).save(files / "0_real/c.png")
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(files / "0_real/a.png")
    changed = CliRunner().invoke(app, check)
    assert changed.exit_code == 1
    assert "files: 2 added, 1 removed, 1 changed in size" in changed.output
    assert "added: 1_fake/b.png" in changed.output
    assert "changed in size: 0_real/a.png" in changed.output
    assert "data check mine --update" in changed.output
    assert CliRunner().invoke(app, [*check, "--update"]).exit_code == 0
    assert CliRunner().invoke(app, check).exit_code == 0


def test_fetch_shows_the_steps_to_a_gated_set() -> None:
    shown = CliRunner().invoke(app, ["data", "fetch", "celeb_df"])
    assert shown.exit_code == 0
    assert "data check celeb_df" in shown.output


def test_fetch_downloads_the_parts_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def fetch(adapter: DatasetAdapter, parts: list[str], report: object, *, keep: bool) -> None:
        asked.append([str(adapter.root), *parts, str(keep)])

    monkeypatch.setattr(download, "fetch", fetch)
    run = ["data", "fetch", "cnn_synth", "--root", str(tmp_path), "--part", "test", "--part", "val"]
    assert CliRunner().invoke(app, run).exit_code == 0
    assert asked == [[str(tmp_path), "test", "val", "False"]]
    assert CliRunner().invoke(app, ["data", "fetch", "cnn_synth", "--keep"]).exit_code == 0
    assert asked[-1] == ["data/raw/cnn_synth", "test", "val", "train", "True"]
    assert CliRunner().invoke(app, ["data", "fetch", "cnn_synth", "--part", "tests"]).exit_code == 2
