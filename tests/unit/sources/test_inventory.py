import hashlib
import os
from pathlib import Path

from fakeforensics.sources.folder import Folder
from fakeforensics.sources.inventory import UNREADABLE, inventory, to_csv
from tests.unit.sources.conftest import Tree


def test_every_file_with_its_size_and_hash(tree: Tree) -> None:
    root = tree(["0_real/b.png", "0_real/a.png", "1_fake/c.png", "readme.txt"])
    rows = inventory(Folder("f", root))
    assert [path for path, _, _ in rows] == ["0_real/a.png", "0_real/b.png", "1_fake/c.png"]
    # A file's bytes are its name, here 12 letters.
    assert rows[0] == ("0_real/a.png", 12, hashlib.sha256(b"0_real/a.png").hexdigest())


def test_a_file_that_cannot_be_read_has_no_hash(tree: Tree) -> None:
    root = tree(["0_real/a.png", "1_fake/c.png"])
    (root / "0_real/loop.png").symlink_to("loop.png")
    (root / "1_fake/gone.png").symlink_to("nowhere.png")
    digests = {path: digest for path, _, digest in inventory(Folder("f", root))}
    assert digests["0_real/loop.png"] == digests["1_fake/gone.png"] == UNREADABLE
    assert digests["0_real/a.png"] == hashlib.sha256(b"0_real/a.png").hexdigest()


def test_names_that_csv_and_utf_8_cannot_hold(tmp_path: Path) -> None:
    (tmp_path / "0_real").mkdir()
    (tmp_path / "0_real" / 'a,"b.png').write_bytes(b"")
    (tmp_path / os.fsdecode(b"0_real/\xff.png")).write_bytes(b"")
    text = to_csv(inventory(Folder("f", tmp_path)))
    assert text.splitlines()[1].startswith('"0_real/a,""b.png",0,')
    assert text.splitlines()[2].startswith("0_real/\\xff.png,0,")
