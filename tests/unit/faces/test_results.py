import pytest

from fakeforensics.faces.results import (
    ArchiveReader,
    Crop,
    Extraction,
    Rejection,
    is_whole,
    writing_archive,
)
from fakeforensics.faces.still import FileMetadata


def write(path):
    with writing_archive(path) as archive:
        crops = [
            Crop(archive.add(data, ".png"), frame, box=(1.5, 2, 3, 4), score=0.1)
            for frame, data in enumerate((b"one", b"three"))
        ]
        extraction = Extraction(FileMetadata("ab", "H264", 4, 3), crops, [Rejection("no face", 7)])
        archive.finish([extraction])
    return extraction


def read(path):
    """What one file gave, and the bytes of its crops."""
    with ArchiveReader(path) as archive:
        (extraction,) = archive.extractions
        return extraction, [archive.read(crop.stored) for crop in extraction.crops]


def test_an_archive_gives_back_what_was_put_in_and_is_deterministic(tmp_path):
    extraction = write(tmp_path / "a.zip")
    assert is_whole(tmp_path / "a.zip")
    assert read(tmp_path / "a.zip") == (extraction, [b"one", b"three"])
    assert [crop.stored.size for crop in extraction.crops] == [3, 5]
    write(tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_a_truncated_or_changed_archive_is_not_whole(tmp_path):
    extraction = write(tmp_path / "a.zip")
    data = (tmp_path / "a.zip").read_bytes()
    for length in range(len(data)):
        (tmp_path / "b.zip").write_bytes(data[:length])
        assert not is_whole(tmp_path / "b.zip")
    for place in range(len(data)):
        flipped = bytearray(data)
        flipped[place] ^= 0x08
        (tmp_path / "b.zip").write_bytes(flipped)
        # What no checksum covers, such as a date, changes nothing that is read.
        if is_whole(tmp_path / "b.zip"):
            assert read(tmp_path / "b.zip") == (extraction, [b"one", b"three"])
    assert not is_whole(tmp_path / "missing.zip")


def test_an_interrupted_archive_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), writing_archive(tmp_path / "a.zip") as archive:
        archive.add(b"half", ".png")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
