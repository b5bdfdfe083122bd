"""Sources of whole images: in shards or in place, in batches, killed, changed; always the same rows."""

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import ExifTags, Image

from fakeforensics.errors import UserError
from fakeforensics.faces import run
from fakeforensics.faces.assemble import SourceFile
from fakeforensics.faces.run import _batches, make_images
from fakeforensics.images.index import IN_PLACE_FILE, read_index
from fakeforensics.images.reader import ImageReader, places
from fakeforensics.models.card import Architecture
from fakeforensics.models.registry import build_detector
from fakeforensics.params import FacesParams, load_params
from fakeforensics.scoring import score_manifest
from fakeforensics.sources.base import RawFile

from .test_run import digests, full, kill_when, records_of

ROOT = Path(__file__).resolve().parents[3]


def save(path, number, **options):
    pixels = np.random.default_rng(number).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path, **options)


@pytest.fixture
def raw(tmp_path):
    """Eight files that are kept as they are, and some that are not."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for number in range(4):
        save(folder / f"{number}.png", number)
        save(folder / f"{number} photo.jpg", number, quality=90)
    save(folder / "other format.webp", 5)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    save(folder / "turned.jpg", 6, exif=exif)
    shutil.copy(folder / "0.png", os.fsencode(folder) + b"/caf\xe9.png")
    (folder / "no image.png").write_text("no image")
    return folder


def make(raw, tmp_path, name, in_place=None, crop="whole", **params):
    out = tmp_path / name / "s"
    faces = FacesParams(workers=1, **params)
    make_images("s", raw, records_of(raw), crop, faces, out, tmp_path / "scratch", in_place)
    return tmp_path / name


def assert_same_rows(shards, in_place):
    where = ["shard", "offset", "size"]
    left, right = read_index(shards, "s"), read_index(in_place, "s")
    pd.testing.assert_frame_equal(left.drop(columns=where), right.drop(columns=where))
    found = [
        [*map(ImageReader(root).read, places(index))] for root, index in ((shards, left), (in_place, right))
    ]
    assert found[0] == found[1]
    assert left["size"].tolist() == [*map(len, found[0])]
    return left, right


def test_images_in_place_have_the_same_rows_and_bytes_as_in_shards(raw, tmp_path):
    shards = make(raw, tmp_path, "shards")
    in_place = make(raw, tmp_path, "in_place", in_place=str(raw))
    _, index = assert_same_rows(shards, in_place)
    # WebP and a turned JPEG are stored as PNG, and parquet cannot hold the name with a Latin-1 byte.
    converted = {"caf\\xe9.png", "other format.webp", "turned.jpg"}
    assert set(index.loc[index["shard"] != "", "raw_path"]) == converted
    assert (in_place / "s/rejected.csv").read_bytes() == (shards / "s/rejected.csv").read_bytes()
    assert json.loads((in_place / "s" / IN_PLACE_FILE).read_text()) == {"root": str(raw)}
    assert not (shards / "s" / IN_PLACE_FILE).exists()


def real_sources():
    """Folders of real photographs and fakes: the sample's, where it is, and the demo's, where it was made."""
    found = [ROOT / "data/raw/demo/CNN_synth"]
    if sample := os.environ.get("FAKEFORENSICS_SAMPLE"):
        found += [Path(sample, "photoshop"), Path(sample, "DFFD/stargan")]
    return [folder for folder in found if folder.is_dir()]


@pytest.mark.parametrize("folder", real_sources(), ids=lambda folder: folder.name)
def test_real_images_get_the_same_scores_bit_for_bit(folder, tmp_path):
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if path.is_file())
    records = [
        RawFile(path, "image", "real", "d", number % 2, f"s/{path}") for number, path in enumerate(paths[:40])
    ]
    torch.manual_seed(0)
    detector = build_detector("bce", Architecture(crop_size=32), {}).eval()
    card = {"preprocess": detector.preprocess.model_dump(mode="json")}
    scores = {}
    for name, in_place in (("shards", None), ("in_place", str(folder))):
        out = tmp_path / name
        faces = FacesParams(workers=1)
        make_images("s", folder, records, "whole", faces, out / "s", tmp_path / "scratch", in_place)
        rows = read_index(out, "s").assign(split="test", test_set="t")
        assert (rows["shard"] == "").any() == (in_place is not None)
        shuffled = rows.sample(frac=1, random_state=0)
        scores[name] = score_manifest(detector, card, shuffled, out, batch_size=7)
    pd.testing.assert_frame_equal(scores["shards"], scores["in_place"], check_exact=True)


@pytest.mark.parametrize(
    ("crop", "crop_box", "problem"),
    [("faces", None, "faces are cut out"), ("whole", (0, 0, 9, 9), "only a part of a.png is used")],
)
def test_images_that_are_not_whole_are_not_read_in_place(tmp_path, crop, crop_box, problem):
    record = RawFile("a.png", "image", "real", "d", 0, "s/a", crop_box=crop_box)
    with pytest.raises(
        UserError, match=rf"'s'.*cannot be read in place[\s\S]*{problem}[\s\S]*sources.s.storage"
    ):
        make_images("s", tmp_path, [record], crop, FacesParams(), tmp_path / "o", tmp_path / "x", "raw")


def test_face_settings_do_not_concern_whole_images():
    before, after = FacesParams(), FacesParams(size=64, padding=1.0, landmarks=68, tracks="all", min_face=80)
    assert run.fingerprint("whole", before) == run.fingerprint("whole", after)
    assert run.fingerprint("faces", before) != run.fingerprint("faces", after)
    assert run.fingerprint("whole", before) != run.fingerprint("whole", FacesParams(frames_per_video=3))
    # All face settings of params.yaml are about pixels, but for who does the work and how much may fail.
    assert {*before.model_dump()} - {*before.deciding("faces")} == {
        "workers", "executor", "scheduler", "max_rejected", "shard_mb",
    }  # fmt: skip
    assert load_params(ROOT / "params.yaml").faces.deciding("whole") == {
        "frames_per_video": 32, "frame_step": None,
    }  # fmt: skip


def files_named(*names, kind="image"):
    return [SourceFile(RawFile(name, kind, "real", "d", 0, f"s/{name}"), name) for name in names]


def test_a_file_that_joins_or_leaves_changes_its_own_batch_alone():
    files = files_named(*(f"{number:04d}.png" for number in range(1000)))
    batches = [*_batches(files, 16)]
    assert [file for batch in batches for file in batch] == files
    assert max(map(len, batches)) <= 32
    assert 1000 / 32 < len(batches) < 2 * 1000 / 16
    before = {*map(tuple, batches)}
    for less in (files[:500] + files[501:], files[1:], files[:-1]):
        after = {*map(tuple, _batches(less, 16))}
        # One batch is another one; it may have been two, or be two now.
        assert len(after - before) <= 2
        assert len(before - after) <= 2


def test_a_clip_is_a_batch_of_its_own():
    clip = files_named("b.mp4", kind="video")
    files = files_named("a.png") + clip + files_named("c.png")
    assert [[file.key for file in batch] for batch in _batches(files, 10**9)] == [
        ["a.png"],
        ["b.mp4"],
        ["c.png"],
    ]


def test_finished_batches_are_kept_when_a_file_is_replaced(raw, tmp_path, monkeypatch):
    monkeypatch.setitem(run._STILLS_PER_TASK, "whole", 1)  # each file begins a batch
    with pytest.raises(UserError, match="1 of 12 files are rejected"):
        make(raw, tmp_path, "out", max_rejected=0.0)
    archives = {path: path.stat().st_ino for path in (tmp_path / "scratch").glob("*/extracted/*/*.zip")}
    assert len(archives) == 12
    save(raw / "no image.png", 9)
    # The disk is full when all files are examined, so that the archives can be looked at once more.
    monkeypatch.setattr("fakeforensics.images.shards.ShardWriter.add", full)
    with pytest.raises(UserError, match="the disk is full"):
        make(raw, tmp_path, "out", max_rejected=0.0)
    assert sum(path.stat().st_ino != inode for path, inode in archives.items()) == 1


def test_a_file_that_changes_after_it_was_examined_is_named(raw, tmp_path, monkeypatch):
    assemble = run.assemble

    def changed(*values):
        save(raw / "1.png", 99)
        return assemble(*values)

    monkeypatch.setattr(run, "assemble", changed)
    with pytest.raises(UserError, match=r"1\.png: the file has changed since the stage examined it"):
        make(raw, tmp_path, "out")
    monkeypatch.setattr(run, "assemble", assemble)
    index = read_index(make(raw, tmp_path, "out"), "s").set_index("raw_path")
    assert index.loc["1.png", "sha256"] == digests(raw)["1.png"]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("in_place", [False, True])
def test_killed_at_any_moment_whole_images_end_as_the_same_bytes(tmp_path, in_place, workers):
    raw = tmp_path / "raw"
    raw.mkdir()
    for number in range(200):
        save(raw / f"{number}.png", number)
    root = str(raw) if in_place else None
    undisturbed = make(raw, tmp_path, "undisturbed", root)
    script = (
        "from pathlib import Path\nfrom fakeforensics.faces import run\n"
        "from tests.unit.faces.test_run import records_of\n"
        "run._STILLS_PER_TASK['whole'] = 8\n"
        f"raw, tmp, place = Path({str(raw)!r}), Path({str(tmp_path)!r}), {root!r}\n"
        "faces = run.FacesParams(workers=" + str(workers) + ")\n"
        "records = records_of(raw)\n"
        "run.make_images('s', raw, records, 'whole', faces, tmp / 'out/s', tmp / 'scratch', place)\n"
    )
    scratch = tmp_path / "scratch"
    for pattern in ("*/extracted/*/*.zip", "*/out/rejected.csv"):
        assert kill_when(script, lambda pattern=pattern: any(scratch.glob(pattern))) == -signal.SIGKILL
        assert not (tmp_path / "out/s").exists()
    assert kill_when(script, lambda: False) == 0
    assert digests(tmp_path / "out/s") == digests(undisturbed / "s")
    assert not [path for path in scratch.iterdir() if path.is_dir()]
