"""Writes a stage's outputs for a detector that the protocol leaves out, because DVC requires every output."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fakeforensics.files import LEFT_OUT
from fakeforensics.reading import read_json


def left_out(protocol: str, detector: str, settings: Path = Path("data/settings")) -> str | None:
    """Why the protocol leaves the detector out; None if it runs the detector.

    Args:
        protocol: The protocol's name.
        detector: The detector's name.
        settings: Folder of the resolved settings.
    """
    path = settings / protocol / f"{detector}.json"
    if not path.is_file():
        return None
    reason: str | None = read_json(path).get(LEFT_OUT)
    return reason


def write_left_out(
    reason: str,
    *,
    folders: Iterable[Path] = (),
    tables: Iterable[Path] = (),
    metrics: Iterable[Path] = (),
    pictures: Iterable[Path] = (),
    lists: Iterable[Iterable[Path]] = (),
) -> None:
    """Write a stage's outputs without a result.

    Args:
        reason: Why there is no result.
        folders: Folders, which get a file `left_out` with the reason.
        tables: CSV or parquet files, which become empty.
        metrics: JSON files, which hold only the reason.
        pictures: PNG files, which show the reason.
        lists: Sets of files whose digests are listed, from `sums.write_list`.
    """
    import typer

    from fakeforensics.files import atomic_directory, write_json, write_text
    from fakeforensics.sums import write_list

    typer.echo(f"left out: {reason}")
    for folder in folders:
        with atomic_directory(folder) as directory:
            write_text(directory / LEFT_OUT, f"{reason}\n")
    for table in tables:
        write_text(table, "")
    for path in metrics:
        write_json(path, {LEFT_OUT: reason})
    for files in lists:
        write_list(files)
    for picture in pictures:
        _draw(reason, picture)


def _draw(reason: str, path: Path) -> None:
    from matplotlib.figure import Figure

    from fakeforensics.files import atomic_path

    figure = Figure(figsize=(8, 1))
    figure.text(0.5, 0.5, f"left out: {reason}", ha="center", va="center", fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})
