"""Unpacking downloaded archives, with every member's checksum verified on the way."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from fakeforensics.errors import UserError

SEVEN_ZIP = ("7zz", "7z", "7za")


def unpack_zip(archive: Path, root: Path, folder: str) -> None:
    """Unpack a zip archive so that its content lies in `root/folder`.

    Archives come with or without a top folder of that name; either way the result is the same. Members are
    unpacked beside their place and moved only when all of them are whole.

    Args:
        archive: The zip file.
        root: The data set's folder.
        folder: Where the content belongs below it; "" for the root itself.

    Raises:
        UserError: If the archive is damaged (each member's CRC is compared).
    """
    root.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=root, prefix=".unpacking."))
    try:
        try:
            with zipfile.ZipFile(archive) as packed:
                members = [name for name in packed.namelist() if not name.startswith("__MACOSX/")]
                packed.extractall(staging, members)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise UserError(
                f"{archive}: the archive is damaged",
                found=str(error),
                fix="delete it and run the command again to download it anew",
            ) from None
        tops = {PurePosixPath(name).parts[0] for name in members}
        content = staging / folder if folder and tops == {folder} else staging
        _merge(content, root / folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def find_7zip() -> str:
    """The 7-Zip program.

    Raises:
        UserError: If it is not installed.
    """
    program = next((found for name in SEVEN_ZIP if (found := shutil.which(name))), None)
    if program is None:
        raise UserError(
            "the training archive is packed with 7-Zip, which is not installed",
            found="none of " + ", ".join(SEVEN_ZIP) + " on the PATH",
            fix="install it (Debian and Ubuntu: apt install 7zip; conda: p7zip) and run the command again",
        )
    return program


def unpack_7z(first_volume: Path, out: Path) -> None:
    """Unpack a 7z archive, which may be in volumes, with the 7-Zip program.

    Raises:
        UserError: If 7-Zip is not installed, or finds the archive damaged.
    """
    program = find_7zip()
    done = subprocess.run(
        [program, "x", "-y", f"-o{out}", str(first_volume)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise UserError(
            f"{first_volume}: the archive is damaged or incomplete",
            found=(done.stderr or done.stdout)[-400:].strip(),
            fix="delete its volumes and run the command again to download them anew",
        )


def _merge(source: Path, target: Path) -> None:
    """Move all files below `source` to `target`, keeping what else is there."""
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        file.replace(place)
