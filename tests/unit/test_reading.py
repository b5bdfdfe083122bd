import os

import pytest

from fakeforensics.errors import UserError
from fakeforensics.reading import read_json


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not valid JSON"),
        (b"", "not valid JSON"),
        (b"[1]", r"not a JSON object\s+found: list"),
        (b'{"a": {"k": 1, "k": 2}}', "the key 'k' appears twice"),
        (b'{"a": NaN}', "NaN is not a number"),
        (b'{"a": -Infinity}', "-Infinity is not a number"),
        (b'{"a": ' + b"[" * 100_000, "not valid JSON"),
        (b'{"a": "\xff"}', "not text in UTF-8"),
    ],
)
def test_damaged_json_is_named_with_what_to_do(tmp_path, content, message):
    path = tmp_path / "counts.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"counts\.json: (.|\n)*{message}(.|\n)*what to do: count again"):
        read_json(path, "count again")


def test_only_a_file_is_read(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_json(tmp_path / "gone.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(UserError, match=r"not a file\s+found: a folder"):
        read_json(tmp_path / "folder.json")
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(UserError, match=r"not a file\s+found: a named pipe"):
        read_json(tmp_path / "pipe.json")


def test_an_object_is_returned_in_its_order(tmp_path):
    (tmp_path / "a.json").write_text('{"b": 1, "a": [2.5, null]}')
    found = read_json(tmp_path / "a.json")
    assert (found, list(found)) == ({"b": 1, "a": [2.5, None]}, ["b", "a"])
