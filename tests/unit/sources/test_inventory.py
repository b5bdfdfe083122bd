import hashlib
import os
from pathlib import Path

import pytest

from fakeforensics.errors import UserError
from fakeforensics.sources.folder import Folder
from fakeforensics.sources.inventory import (
    UNREADABLE,
    Total,
    inventory,
    read_digest,
    read_list,
    to_csv,
    what_is_new,
    write_inventory,
)
from tests.unit.sources.conftest import Tree


def test_every_file_with_its_size_and_hash(tree: Tree, tmp_path: Path) -> None:
    root = tree(["0_real/b.png", "0_real/a.png", "1_fake/c.png", "readme.txt"])
    rows = inventory(Folder("f", root), scratch=tmp_path / "scratch")
    assert [path for path, _, _ in rows] == ["0_real/a.png", "0_real/b.png", "1_fake/c.png"]
    # A file's bytes are its name, here 12 letters.
    assert rows[0] == ("0_real/a.png", 12, hashlib.sha256(b"0_real/a.png").hexdigest())


def test_a_file_that_cannot_be_read_has_no_hash(tree: Tree, tmp_path: Path) -> None:
    root = tree(["0_real/a.png", "1_fake/c.png"])
    (root / "0_real/loop.png").symlink_to("loop.png")
    (root / "1_fake/gone.png").symlink_to("nowhere.png")
    rows = inventory(Folder("f", root), scratch=tmp_path / "scratch")
    digests = {path: digest for path, _, digest in rows}
    assert digests["0_real/loop.png"] == digests["1_fake/gone.png"] == UNREADABLE
    assert digests["0_real/a.png"] == hashlib.sha256(b"0_real/a.png").hexdigest()


def test_names_that_csv_and_utf_8_cannot_hold(tmp_path: Path) -> None:
    (tmp_path / "0_real").mkdir()
    (tmp_path / "0_real" / 'a,"b.png').write_bytes(b"")
    (tmp_path / os.fsdecode(b"0_real/\xff.png")).write_bytes(b"")
    text = to_csv(inventory(Folder("f", tmp_path), scratch=tmp_path / "scratch"))
    assert text.splitlines()[1].startswith('"0_real/a,""b.png",0,')
    assert text.splitlines()[2].startswith("0_real/\\xff.png,0,")


def test_the_digest_says_what_is_listed(tree: Tree, tmp_path: Path) -> None:
    root = tree(["0_real/a.png", "1_fake/c.png", "1_fake/dd.png"])
    out = tmp_path / "lists"
    digest = write_inventory(Folder("f", root, {"method": "m"}), out, scratch=tmp_path / "scratch")
    assert digest == read_digest("f", out)
    # A file's bytes are its name: 12, 12 and 13 letters.
    assert (digest.files, digest.bytes, digest.unreadable) == (3, 37, 0)
    assert [kind.partition(":")[0] for kind in digest.contents] == ["fake", "real"]
    assert list(digest.contents.values()) == [Total(files=2, bytes=25), Total(files=1, bytes=12)]
    text = to_csv(read_list("f", out).itertuples(index=False, name=None))
    assert text.startswith("path,bytes,sha256\n0_real/a.png,12,")
    assert digest.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_a_list_of_another_time_is_refused(tree: Tree, tmp_path: Path) -> None:
    root, out = tree(["0_real/a.png", "1_fake/c.png"]), tmp_path / "lists"
    write_inventory(Folder("f", root), out, scratch=tmp_path / "scratch")
    before = (out / "f.parquet").read_bytes()
    (root / "0_real/a.png").write_text("other")
    write_inventory(Folder("f", root), out, scratch=tmp_path / "scratch")
    (out / "f.parquet").write_bytes(before)
    with pytest.raises(UserError, match=r"f\.parquet: not the list that .*f\.json describes"):
        read_list("f", out)


def test_without_the_list_the_totals_of_its_digest_are_compared(tree: Tree, tmp_path: Path) -> None:
    root, out = tree(["0_real/a.png", "1_fake/c.png"]), tmp_path / "lists"
    write_inventory(Folder("f", root), out, scratch=tmp_path / "scratch")
    sizes = {"0_real/a.png": 12, "1_fake/c.png": 12}
    assert what_is_new("f", sizes | {"1_fake/d.png": 5}, out) == "files: 1 added\n    added: 1_fake/d.png"
    (out / "f.parquet").unlink()
    assert what_is_new("f", sizes, out) is None
    assert what_is_new("f", sizes | {"1_fake/d.png": 5}, out) == "3 files of 29 bytes, listed 2 of 24"
