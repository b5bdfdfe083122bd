"""Find, align and store the faces of a source, or store its images as they are."""

from pathlib import Path
from typing import Annotated

import typer

from fakeforensics.names import check_name
from stages._command import need_recorded, run_command


def main(
    source: Annotated[str, typer.Option(callback=check_name, help="Name of a source in params.yaml.")],
    params: Annotated[Path, typer.Option(help="Settings file.")] = Path("params.yaml"),
    out: Annotated[Path, typer.Option(help="Folder of all sources' images.")] = Path("data/images"),
    inventory: Annotated[Path, typer.Option(help="Folder of the lists of raw files.")] = Path(
        "data/inventory"
    ),
    code: Annotated[Path, typer.Option(help="Folder of what the stage `code` recorded.")] = Path("data/code"),
    scratch: Annotated[Path, typer.Option(help="Folder that keeps the work of an interrupted run.")] = Path(
        ".scratch/faces"
    ),
) -> None:
    """Write data/images/<source>: shards of lossless crops, index.parquet, rejected.csv, decisions.json.

    With `storage: in_place`, whole images are not copied; the index names their files instead.

    If the source's folder is missing, the stage writes only missing.txt, with the reason.
    """
    from fakeforensics.faces.run import make_images
    from fakeforensics.images.index import REJECTED_FILE, write_missing
    from fakeforensics.params import load_params
    from fakeforensics.sources.base import read_records
    from fakeforensics.sources.inventory import is_empty
    from fakeforensics.sources.registry import MissingSourceError, open_source

    settings = load_params(params)
    configured = settings.source(source)
    need_recorded(code / "images" / f"{source}.json", configured)
    try:
        adapter = open_source(source, configured)
    except MissingSourceError as error:
        if not is_empty(source, inventory):
            raise
        write_missing(out / source, str(error))
        typer.secho(f"warning: no images of {source!r}: its raw data is missing", err=True, fg="yellow")
        return
    totals = make_images(
        source,
        adapter.root,
        read_records(adapter),
        configured.crop or adapter.crop,
        settings.faces,
        out / source,
        scratch,
        in_place=configured.root if configured.storage == "in_place" else None,
    )
    typer.echo(f"{source}: {totals.summary()}")
    if totals.rejected:
        typer.echo(f"{totals.common_reasons()}: {out / source / REJECTED_FILE} lists them all")


if __name__ == "__main__":
    run_command(main)
