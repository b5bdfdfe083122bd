import zipfile
from pathlib import Path

import pytest

from fakeforensics.errors import UserError
from fakeforensics.sources import unpack
from fakeforensics.sources.unpack import find_7zip, unpack_7z, unpack_zip


def pack(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, f"content of {name}")
    return path


def names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize("top", ["", "progan_val/"])
def test_with_or_without_a_top_folder_the_result_is_the_same(tmp_path: Path, top: str) -> None:
    archive = pack(tmp_path / "a.zip", f"{top}cat/0_real/1.png", f"{top}dog/1_fake/2.png", "__MACOSX/x")
    unpack_zip(archive, tmp_path / "root", "progan_val")
    assert names(tmp_path / "root") == ["progan_val/cat/0_real/1.png", "progan_val/dog/1_fake/2.png"]


def test_what_is_there_already_stays(tmp_path: Path) -> None:
    (tmp_path / "root/other").mkdir(parents=True)
    (tmp_path / "root/other/x").write_text("kept")
    unpack_zip(pack(tmp_path / "a.zip", "san/0_real/1.png"), tmp_path / "root", "")
    assert names(tmp_path / "root") == ["other/x", "san/0_real/1.png"]


def test_an_altered_byte_is_noticed_and_nothing_is_left_behind(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.zip", "san/0_real/1.png", "san/0_real/2.png")
    data = archive.read_bytes()
    archive.write_bytes(data.replace(b"content of san/0_real/2.png", b"content of san/0_real/X.png"))
    with pytest.raises(UserError, match="damaged") as caught:
        unpack_zip(archive, tmp_path / "root", "")
    assert "CRC" in str(caught.value)
    assert names(tmp_path / "root") == []


def test_a_cut_archive_is_noticed(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a.zip", "san/0_real/1.png")
    archive.write_bytes(archive.read_bytes()[:-10])
    with pytest.raises(UserError, match="damaged"):
        unpack_zip(archive, tmp_path / "root", "")


def test_a_member_cannot_climb_out_of_the_folder(tmp_path: Path) -> None:
    unpack_zip(pack(tmp_path / "a.zip", "../../evil.png"), tmp_path / "root", "")
    assert names(tmp_path) == ["a.zip", "root/evil.png"]


def test_without_7_zip_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="not installed"):
        find_7zip()


def test_7_zip_is_called_and_its_complaint_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "7z"
    program.write_text('#!/bin/sh\necho "Data Error in $4" >&2\nexit 2\n')
    program.chmod(0o755)
    monkeypatch.setattr(unpack, "find_7zip", lambda: str(program))
    with pytest.raises(UserError, match="damaged or incomplete") as caught:
        unpack_7z(tmp_path / "x.7z.001", tmp_path)
    assert "Data Error in" in str(caught.value)
    assert "x.7z.001" in str(caught.value)
