"""A source whose raw data is missing: said in the place of its images, so that others go on without it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fakeforensics.errors import UserError
from fakeforensics.files import atomic_directory

MISSING_FILE = "missing.txt"


def write_missing(folder: Path, why: str) -> None:
    """Put the reason why a source has no images in the place of its images.

    Args:
        folder: `data/images/<source>`; replaced as a whole.
        why: What is missing, what was expected, and how to get it.
    """
    with atomic_directory(folder) as building:
        (building / MISSING_FILE).write_text(f"{why}\n", encoding="utf-8")


def check_present(images_root: Path, sources: Iterable[str]) -> None:
    """Make sure that the raw data of these sources was there when their images were made.

    Args:
        images_root: The folder of all sources' images, `data/images`.
        sources: Their names.

    Raises:
        UserError: With the reasons of all that were missing.
    """
    reasons = {
        source: path.read_text(encoding="utf-8").strip()
        for source in sources
        if (path := Path(images_root) / source / MISSING_FILE).is_file()
    }
    if reasons:
        raise UserError(
            "raw data is missing: " + ", ".join(reasons),
            found="\n".join(reasons.values()),
            fix="\n".join(
                [
                    "once it is there, or its root in params.yaml is right, have it listed and go on:",
                    f"fakeforensics data check {' '.join(reasons)} --update",
                    "dvc repro",
                ]
            ),
        )
