"""`fakeforensics data …`: looking after the raw data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

app = typer.Typer(help="Look after the data sets.", no_args_is_help=True, rich_markup_mode=None)

Params = Annotated[Path, Option(help="The settings.")]


@app.command()
def check(
    sources: Annotated[
        list[str] | None, Argument(help="Sources of params.yaml; all of them by default.")
    ] = None,
    deep: Annotated[bool, Option("--deep", help="Decode every image and every frame.")] = False,
    update: Annotated[
        bool, Option("--update", help="Write data/inventory/<source>.csv of the sources that are good.")
    ] = False,
    params: Params = Path("params.yaml"),
    workers: Annotated[int, Option(min=0, help="Threads; 0: one per core.")] = 0,
) -> None:
    """Check raw data before hours of computing start.

    Counts are compared with the published ones; unreadable files, copies within and across sources, and
    formats that give the label away are told of. The exit status is 1 if something must be mended.

    \b
    Examples:
      fakeforensics data check
      fakeforensics data check celeb_df --deep
      fakeforensics data check celeb_df --update
    """  # noqa: D301 (\b keeps the lines of the examples)
    from fakeforensics.params import load_params
    from fakeforensics.sources.check import check_sources, render
    from fakeforensics.sources.inventory import write_inventory
    from fakeforensics.sources.open import open_source

    settings = load_params(params)
    chosen = {name: settings.source(name) for name in sources or settings.sources}
    reports = check_sources(chosen, is_deep=deep, workers=workers)
    for report in reports:
        typer.echo(render(report))
        if update and report.is_good:
            write_inventory(open_source(report.name, chosen[report.name]), Path("data/inventory"))
            typer.echo(f"  written: data/inventory/{report.name}.csv")
    if not all(report.is_good for report in reports):
        raise typer.Exit(1)


@app.command()
def fetch(
    name: Annotated[str, Argument(help="A data set: cnn_synth is downloaded, of others the way is told.")],
    root: Annotated[Path | None, Option(help="Its folder; by default data/raw/<name>.")] = None,
    part: Annotated[
        list[str] | None, Option(help="test, val or train; may be given several times. All by default.")
    ] = None,
    keep: Annotated[bool, Option("--keep", help="Keep the archives after unpacking.")] = False,
    checksums: Annotated[Path, Option(help="Where SHA-256 values are recorded.")] = Path(
        "data/checksums.json"
    ),
) -> None:
    """Get a data set, or the steps to get one that is gated.

    A broken download goes on where it stopped when the command is run again.

    \b
    Examples:
      fakeforensics data fetch celeb_df
      fakeforensics data fetch cnn_synth --part test --root /data/CNN_synth
    """  # noqa: D301 (\b keeps the lines of the examples)
    from fakeforensics.sources.fetch import PARTS, Fetcher, steps

    if name != "cnn_synth":
        typer.echo(steps(name))
        return
    unknown = [one for one in part or () if one not in PARTS]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is not one of {', '.join(PARTS)}", param_hint="--part")
    fetcher = Fetcher(root or Path("data/raw", name), checksums, typer.echo, is_keeping=keep)
    fetcher.fetch(part or PARTS)
