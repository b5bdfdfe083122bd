import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakeforensics.params import SourceParams
from fakeforensics.sources.base import FAKES_ONLY, IMAGE_SUFFIXES, VIDEO_SUFFIXES
from fakeforensics.sources.check import SourceReport, check_sources, render


def picture(path: Path, seed: int, size: int = 32) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (size, size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number in range(3):
        picture(tmp_path / f"mine/train/0_real/r{number}.png", number)
        picture(tmp_path / f"mine/test/1_fake/f{number}.png", 10 + number)
    return tmp_path / "mine"


def check(root: Path, layout: str = "folder", **values: object) -> SourceReport:
    return check_sources({"mine": SourceParams(layout=layout, root=str(root), options=values)})[0]


def test_a_sound_source_is_good_and_described(root: Path) -> None:
    report = check(root)
    assert report.is_good
    assert report.warnings == []
    shown = render(report)
    assert "real: 3; PNG 3; 32x32 3" in shown
    assert "split: outermost split folder 6" in shown
    assert "group: file name 6" in shown
    assert "label: folder 0_real or 1_fake 6" in shown
    assert "left out" not in shown
    # No fake is called like a real file: each of the three is a group of fakes only.
    assert f"warning: {FAKES_ONLY}, 3 of 6 files:\n    test/1_fake/f0.png" in shown


def test_a_missing_source_is_an_error_with_instructions(tmp_path: Path) -> None:
    report = check(tmp_path / "nowhere", "celeb_df")
    assert not report.is_good
    assert "comes by e-mail" in render(report)


def test_published_counts_are_compared_unless_it_is_a_subset(tmp_path: Path) -> None:
    picture(tmp_path / "ffhq/train/1.png", 0)
    report = check(tmp_path, "dffd")
    assert not report.is_good
    assert "MISSING ffhq, real, train: 1, expected at least 10,000 (table 4.2)" in render(report)
    assert check(tmp_path, "dffd", subset=True).is_good


@pytest.mark.parametrize("length", [0, 20, 1500])
def test_cut_files_are_found(root: Path, length: int) -> None:
    broken = root / "train/0_real/r1.png"
    broken.write_bytes(broken.read_bytes()[:length])
    report = check(root)
    assert len(report.errors) == 1
    assert "1 file cannot be read" in report.errors[0]
    assert "train/0_real/r1.png" in report.errors[0]


def test_what_only_calls_itself_an_image_is_found(root: Path) -> None:
    (root / "train/0_real/r1.png").write_text("<html>quota exceeded</html>")
    assert "not an image" in check(root).errors[0]


def test_damage_inside_is_found_by_decoding(root: Path) -> None:
    file = root / "train/0_real/r1.png"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)
    source = {"mine": SourceParams(layout="folder", root=str(root))}
    assert check_sources(source)[0].is_good
    assert not check_sources(source, deep=True)[0].is_good


def test_duplicates_across_labels_or_splits_are_errors_others_warnings(root: Path) -> None:
    (root / "train/0_real/again.png").write_bytes((root / "train/0_real/r0.png").read_bytes())
    report = check(root)
    assert report.is_good
    assert "under several names, 1 time:" in report.warnings[0]
    (root / "test/0_real").mkdir()
    (root / "test/0_real/r1.png").write_bytes((root / "train/0_real/r1.png").read_bytes())
    assert "in two splits" in check(root).errors[0]
    (root / "test/1_fake/r2.png").write_bytes((root / "train/0_real/r2.png").read_bytes())
    assert any("among the real and the fake" in error for error in check(root).errors)


def test_duplicates_across_sources_are_shown_with_both(root: Path) -> None:
    other = root.parent / "other"
    (other / "0_real").mkdir(parents=True)
    (other / "0_real/x.png").write_bytes((root / "train/0_real/r0.png").read_bytes())
    sources = {
        name: SourceParams(layout="folder", root=str(folder))
        for name, folder in (("mine", root), ("other", other))
    }
    for report in check_sources(sources):
        assert "in two sources" in report.warnings[0]
        assert "mine: train/0_real/r0.png = other: 0_real/x.png" in report.warnings[0]


def test_files_that_only_start_and_end_alike_are_no_duplicates(root: Path) -> None:
    noise = random.Random(0).randbytes(20000)
    for number in range(2):
        (root / f"train/0_real/x{number}.bmp").write_bytes(noise[:100] + bytes([number]) + noise)
    assert not any("several names" in text for text in check(root).warnings)


def test_formats_that_tell_the_classes_apart_are_warned_of(root: Path) -> None:
    for number in range(3):
        (root / f"test/1_fake/f{number}.png").unlink()
        picture(root / f"test/1_fake/f{number}.jpg", number)
    assert "real files are PNG, those of fake JPEG" in check(root).warnings[0]
    # another method that shares the format of the reals does not hide it
    (root / "test/1_fake/gan").mkdir()
    picture(root / "test/1_fake/gan/f0.png", 100)
    (warning,) = (text for text in check(root).warnings if "format alone" in text)
    assert "real files are PNG, those of fake JPEG" in warning


def test_what_is_left_out_is_counted_and_fails_where_it_is_of_a_class(root: Path) -> None:
    for name in ("read me.txt", "notes.docx", "train/0_real/list.csv"):
        (root / name).write_text("")
    report = check(root)
    # A document at the top and a table in a class are no pictures.
    assert report.is_good
    assert report.left_out == {".csv": 1, ".docx": 1, ".txt": 1}
    for name in ("train/0_real/a.HEIC", "test/1_fake/b.heic", "test/1_fake/0001"):
        (root / name).write_text("")
    report = check(root)
    assert not report.is_good
    assert report.errors[0].startswith("3 files are left out because of the suffix")
    assert "test/1_fake/0001" in report.errors[0]
    assert report.left_out == {".heic": 2, ".csv": 1, ".docx": 1, ".txt": 1, "no suffix": 1}
    assert "left out: .heic 2, " in render(report)
    (root / "test/1_fake/0001").unlink()
    assert check(root, leave_out=[".heic"]).is_good


@pytest.mark.parametrize("suffix", [".jfif", ".avif", ".gif", ".jp2", ".JPE"])
def test_pictures_of_rarer_suffixes_are_read(root: Path, suffix: str) -> None:
    kind = {".jfif": "JPEG", ".JPE": "JPEG"}.get(suffix)
    path = root / f"train/0_real/x{suffix}"
    Image.fromarray(np.full((32, 32, 3), 9, np.uint8)).save(path, format=kind)
    report = check(root)
    assert report.is_good, report.errors
    assert (len(report.files), report.left_out) == (7, {})


def test_clips_of_rarer_suffixes_are_videos() -> None:
    assert {".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ts"} <= VIDEO_SUFFIXES
    assert not VIDEO_SUFFIXES & IMAGE_SUFFIXES


def test_pictures_that_a_table_does_not_list_are_counted(root: Path) -> None:
    (root / "labels.csv").write_text("path,label\ntrain/0_real/r0.png,0\ntest/1_fake/f0.png,1\n")
    report = check(root, csv="labels.csv")
    # Four of six pictures; the table itself is no file of the data.
    assert report.left_out == {".png": 4}
    assert report.is_good


def test_the_real_sample(tmp_path: Path) -> None:
    import os

    sample = os.environ.get("FAKEFORENSICS_SAMPLE")
    if not sample:
        pytest.skip("FAKEFORENSICS_SAMPLE is not set")
    clips = check(Path(sample) / "Celeb-DF-v2", "celeb_df", subset=True)
    assert clips.is_good
    assert {file.format for file in clips.files} == {"H264"}
    broken = tmp_path / "0_real"
    broken.mkdir()
    (broken / "a.mp4").write_bytes((Path(sample) / "broken/truncated_video.mp4").read_bytes())
    assert "a.mp4" in check(tmp_path).errors[0]
