"""Hash the files of a protocol that the report reads."""

from pathlib import Path
from typing import Annotated

import typer

from fakeforensics.names import check_name
from stages._command import run_command

FOLDERS = ("data/manifests", "data/scores", "models", "metrics", "plots")


def main(
    protocol: Annotated[
        str, typer.Option(callback=check_name, help="Name of a file in protocols/, without its suffix.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for <protocol>.json.")] = Path("data/results"),
) -> None:
    """Write the SHA-256 of each file of the protocol in data, models, metrics and plots."""
    from fakeforensics.files import sha256_file, write_json

    files = sorted(
        path for folder in FOLDERS for path in (Path(folder) / protocol).rglob("*") if path.is_file()
    )
    write_json(out / f"{protocol}.json", {path.as_posix(): sha256_file(path) for path in files})


if __name__ == "__main__":
    run_command(main)
