import hashlib

import pytest

from fakeforensics.errors import UserError
from fakeforensics.sums import (
    SUMS,
    check_listed,
    check_sums,
    differences,
    is_listed,
    list_of,
    read_sums,
    write_list,
    write_sums,
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "a.txt").write_bytes(b"one")
    (tmp_path / "inner/b.txt").write_bytes(b"two")
    write_sums(tmp_path)
    return tmp_path


def test_every_file_is_listed_with_its_hash(folder):
    expected = {"a.txt": b"one", "inner/b.txt": b"two"}
    assert read_sums(folder) == {name: hashlib.sha256(data).hexdigest() for name, data in expected.items()}
    assert list(differences(folder)) == []
    written = (folder / SUMS).read_bytes()
    assert write_sums(folder) == hashlib.sha256(written).hexdigest()
    assert (folder / SUMS).read_bytes() == written  # the list itself is not in it


def test_each_difference_is_named(folder):
    (folder / "a.txt").write_bytes(b"One")
    (folder / "inner/b.txt").unlink()
    (folder / "c.txt").touch()
    (folder / "link").symlink_to("c.txt")
    assert list(differences(folder)) == [
        *("inner/b.txt: missing", "a.txt: changed", "c.txt: does not belong here"),
        "link: does not belong here",
    ]
    with pytest.raises(UserError, match=r"a\.txt: changed(.|\n)*what to do: copy it again"):
        check_sums(folder, "copy it again")


def test_a_list_that_was_changed_or_is_gone_vouches_for_nothing(folder):
    (folder / "a.txt").write_bytes(b"One")
    text = (folder / SUMS).read_text()
    own = hashlib.sha256(b"One").hexdigest()
    (folder / SUMS).write_text(text.replace(hashlib.sha256(b"one").hexdigest(), own))
    assert list(differences(folder)) == [f"{SUMS}: changed"]
    (folder / SUMS).unlink()
    assert list(differences(folder)) == [f"{SUMS}: no such file"]


def test_hidden_files_that_came_later_do_not_matter(folder):
    (folder / ".DS_Store").touch()
    check_sums(folder, "copy it again")


def test_a_file_is_compared_with_the_list_beside_it(folder):
    check_listed(folder / "a.txt", "write it again")
    (folder / "a.txt").write_bytes(b"One")
    with pytest.raises(UserError, match=r"a\.txt: changed since it was written(.|\n)*write it again"):
        check_listed(folder / "a.txt", "write it again")
    (folder / "c.txt").touch()
    check_listed(folder / "c.txt", "")  # in no list
    check_listed(folder / "inner/b.txt", "")  # in that of the folder above
    (folder / "inner/b.txt").write_bytes(b"Two")
    with pytest.raises(UserError, match=r"inner/b\.txt: changed"):
        check_listed(folder / "inner/b.txt", "")


def test_a_file_that_is_gone_is_still_listed(folder):
    (folder / "a.txt").unlink()
    assert is_listed(folder / "a.txt")
    assert not is_listed(folder / "c.txt")


def test_files_that_share_a_folder_have_lists_of_their_own(tmp_path):
    ours = [tmp_path / "joint.json", tmp_path / "joint.details.json"]
    for file in (*ours, tmp_path / "joint2.json"):
        file.write_text("{}")
    write_list(ours)
    assert list_of(ours[1]) == tmp_path / "joint.sha256"
    ours[1].write_text('{"ap": 1}')
    (tmp_path / "joint2.json").write_text('{"ap": 1}')
    check_listed(ours[0], "")
    check_listed(tmp_path / "joint2.json", "")
    with pytest.raises(UserError, match=r"joint\.details\.json"):
        check_listed(ours[1], "")


def test_a_changed_list_is_named_and_a_list_of_somebody_else_is_passed_over(folder):
    text = (folder / SUMS).read_text()
    (folder / SUMS).write_text(text.replace("a.txt", "b.txt"))
    with pytest.raises(UserError, match=rf"{SUMS}: changed"):
        check_listed(folder / "a.txt", "")
    (folder / SUMS).write_text("0000  a.txt\n")  # as data sets have it
    check_listed(folder / "a.txt", "")
