import pytest

from fakeforensics.faces.facts import Facts
from fakeforensics.faces.part import Contents, Crop, Part, Rejection, writing_part


def write(path):
    with writing_part(path) as writer:
        crops = [
            Crop(writer.add(data), ".png", frame, box=(1.5, 2, 3, 4), score=0.1)
            for frame, data in enumerate((b"one", b"three"))
        ]
        contents = Contents(Facts("ab", "H264", 4, 3), crops, [Rejection("no face", 7)])
        writer.finish(contents)
    return contents


def test_a_part_gives_back_what_was_put_in(tmp_path):
    contents = write(tmp_path / "p")
    part = Part(tmp_path / "p")
    assert part.is_whole()
    assert part.contents() == contents
    assert list(part.images(contents.crops)) == [b"one", b"three"]


def test_a_part_cut_anywhere_or_changed_is_not_whole(tmp_path):
    write(tmp_path / "p")
    data = (tmp_path / "p").read_bytes()
    for length in range(len(data)):
        (tmp_path / "q").write_bytes(data[:length])
        assert not Part(tmp_path / "q").is_whole()
    (tmp_path / "q").write_bytes(b"X" + data[1:])
    assert not Part(tmp_path / "q").is_whole()
    assert not Part(tmp_path / "missing").is_whole()


def test_an_interrupted_part_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), writing_part(tmp_path / "p") as writer:
        writer.add(b"half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
