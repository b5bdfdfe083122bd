"""List a source's raw files with their sizes and SHA-256."""

from pathlib import Path
from typing import Annotated

import typer

from fakeforensics.names import check_name
from stages._command import need_recorded, run_command


def main(
    source: Annotated[str, typer.Option(callback=check_name, help="Name of a source in params.yaml.")],
    params: Annotated[Path, typer.Option(help="Settings file.")] = Path("params.yaml"),
    out: Annotated[Path, typer.Option(help="Folder of the lists.")] = Path("data/inventory"),
    code: Annotated[Path, typer.Option(help="Folder of what the stage `code` recorded.")] = Path("data/code"),
    scratch: Annotated[Path, typer.Option(help="Folder that keeps the work of an interrupted run.")] = Path(
        ".scratch/inventory"
    ),
) -> None:
    """Write the list data/inventory/<source>.parquet (path, bytes, sha256) and its digest <source>.json.

    If the source's folder is missing, the list is empty, and protocols that use it fail in the splits stage.
    """
    from fakeforensics.params import load_params
    from fakeforensics.sources.hashing import UNREADABLE
    from fakeforensics.sources.inventory import read_list, write_empty, write_inventory
    from fakeforensics.sources.registry import MissingSourceError, open_source

    configured = load_params(params).source(source)
    need_recorded(code / "inventory" / f"{source}.json", configured)
    try:
        adapter = open_source(source, configured)
    except MissingSourceError as error:
        write_empty(source, out)
        typer.secho(f"warning: {error}", err=True, fg=typer.colors.YELLOW)
        return
    digest = write_inventory(adapter, out, scratch=scratch)
    typer.echo(f"{source}: {digest.files} file{'s' * (digest.files != 1)}, {digest.bytes / 2**20:.1f} MiB")
    if digest.unreadable:
        rows = read_list(source, out)
        first = rows.loc[rows["sha256"] == UNREADABLE, "path"].iloc[0]
        typer.echo(
            f"{source}: number of unreadable files: {digest.unreadable}; the first is {first!r}", err=True
        )


if __name__ == "__main__":
    run_command(main)
