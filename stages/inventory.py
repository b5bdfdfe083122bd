"""List a source's raw files with their sizes and SHA-256."""

from pathlib import Path
from typing import Annotated

import typer

from fakeforensics.names import check_name
from stages._command import run_command


def main(
    source: Annotated[str, typer.Option(callback=check_name, help="A source of params.yaml.")],
    params: Annotated[Path, typer.Option(help="The settings.")] = Path("params.yaml"),
    out: Annotated[Path, typer.Option(help="Folder of the lists.")] = Path("data/inventory"),
) -> None:
    """Write data/inventory/<source>.csv: path, bytes and sha256 of every file that the adapter reads.

    If the source's folder is missing, the list is empty, and the protocols that need it stop at their splits.
    """
    from fakeforensics.params import load_params
    from fakeforensics.sources.base import MissingSourceError, open_source
    from fakeforensics.sources.inventory import UNREADABLE, write_empty, write_inventory

    try:
        adapter = open_source(source, load_params(params).source(source))
    except MissingSourceError as error:
        write_empty(source, out)
        typer.secho(f"warning: {error}", err=True, fg=typer.colors.YELLOW)
        return
    rows = write_inventory(adapter, out)
    typer.echo(f"{source}: {len(rows)} files, {sum(size for _, size, _ in rows) / 2**20:.1f} MiB")
    if unreadable := [path for path, _, digest in rows if digest == UNREADABLE]:
        typer.echo(f"{source}: {len(unreadable)} cannot be read, the first is {unreadable[0]!r}", err=True)


if __name__ == "__main__":
    run_command(main)
