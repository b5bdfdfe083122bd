"""What training was like, and which files lie outside of it."""

import hashlib

import pytest

from fakeforensics.errors import UserError
from fakeforensics.faces.still import FileMetadata
from fakeforensics.inference.training_data import Range, TrainingData, describe_training, find_outside
from fakeforensics.sums import write_sums
from tests.unit.splits.conftest import index, row

KNOWN = TrainingData(
    images=10,
    files=10,
    formats={"JPEG": 9, "PNG": 1},
    short_side=Range(low=200, median=256, high=500),
    long_side=Range(low=256, median=300, high=800),
    jpeg_quality=Range(low=70, median=75, high=95),
    face_width=Range(low=60, median=100, high=200),
)
FACE = (10.0, 10.0, 110.0, 110.0)  # 100 pixels wide


def photo(width=300, height=256, kind="JPEG", quality=75):
    return FileMetadata("", kind, width, height, quality)


def test_training_is_described_by_its_files(tmp_path):
    manifest = tmp_path / "train.parquet"
    manifest.write_bytes(b"rows")
    rows = index(
        [
            row("s", "a.jpg", raw_format="JPEG", jpeg_quality=75, raw_width=400, raw_height=300),
            row("s", "b.png", domain="ffhq", raw_width=200, raw_height=500, box=[10.0, 0.0, 110.0, 90.0]),
            # Two faces of one clip: the file counts once, each face by itself.
            *(
                row(
                    "s",
                    "c.mp4",
                    key=f"s/c{n}",
                    method="swap",
                    raw_format="H264",
                    raw_width=640,
                    raw_height=480,
                    box=[0.0, 0.0, 50.0 * n, 9.0],
                )
                for n in (1, 2)
            ),
        ]
    )
    found = describe_training(rows, {"train.parquet": manifest})
    assert found.manifests == {"train.parquet": hashlib.sha256(b"rows").hexdigest()}
    assert (found.images, found.files) == (4, 3)
    assert found.formats == {"JPEG": 1, "PNG": 1, "H264": 1}
    assert (found.short_side.median, found.long_side.median) == (300, 500)  # of 300, 200, 480; 400, 500, 640
    assert found.jpeg_quality == Range(low=75, median=75, high=75)
    assert found.face_width.median == 100  # of 100, 50, 100
    assert found.reals == ("faces", "ffhq")


def test_a_manifest_that_changed_since_it_was_written_is_refused(tmp_path):
    manifest = tmp_path / "val.parquet"
    manifest.write_bytes(b"rows")
    write_sums(tmp_path)
    manifest.write_bytes(b"other rows")
    with pytest.raises(UserError, match=r"val\.parquet: changed"):
        describe_training(index([row("s", "a.jpg")]), {"val.parquet": manifest})


def test_a_file_like_those_of_training_is_inside():
    assert find_outside(KNOWN, photo(), [FACE]) == ()
    assert find_outside(KNOWN, photo(kind="PNG", quality=-1), [FACE]) == ()


@pytest.mark.parametrize(
    ("metadata", "boxes", "name", "found"),
    [
        (photo(kind="WEBP", quality=-1), [FACE], "format", "WEBP"),
        (photo(height=199), [FACE], "short side", "199"),
        (photo(width=801), [FACE], "long side", "801"),
        (photo(quality=60), [FACE], "JPEG quality", "60"),
        (photo(), [(0.0, 0.0, 40.0, 40.0), FACE], "face width", "40"),
        (photo(), [FACE, (0.0, 0.0, 300.0, 9.0), (0.0, 0.0, 40.0, 40.0)], "face width", "40 and 300"),
        (photo(), [], "face", "not found"),
        (photo(), [()], "face", "not found"),  # scored as it is
    ],
)
def test_each_property_outside_of_training_is_named(metadata, boxes, name, found):
    (one,) = find_outside(KNOWN, metadata, boxes)
    assert (one.property, one.found) == (name, found)
    assert found in str(one)


def test_nothing_is_said_where_training_is_unknown():
    assert find_outside(TrainingData(), photo(kind="WEBP", width=1, height=1), []) == ()


def test_a_detector_of_whole_images_expects_no_face():
    assert find_outside(KNOWN.model_copy(update={"face_width": None}), photo(), [()]) == ()
