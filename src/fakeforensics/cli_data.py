"""`fakeforensics data …`: check raw data sets, and download them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

if TYPE_CHECKING:
    from fakeforensics.sources.base import DatasetAdapter
    from fakeforensics.sources.check import SourceReport

app = typer.Typer(help="Check and download data sets.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def check(
    sources: Annotated[
        list[str] | None, Argument(help="Names of sources in params.yaml; by default all of them.")
    ] = None,
    deep: Annotated[bool, Option("--deep", help="Decode every image and every frame.")] = False,
    update: Annotated[
        bool, Option("--update", help="Rewrite the list in data/inventory of each source without errors.")
    ] = False,
    params: Annotated[Path, Option(help="Settings file.")] = Path("params.yaml"),
    workers: Annotated[int, Option(min=0, help="Number of threads; 0 means one per core.")] = 0,
) -> None:
    """Check raw data before spending hours of computing on it.

    The command compares the numbers of files with the published ones. It says which rules determined the
    split, group and label of the files, and which files are left out. It reports files that were added,
    removed or changed since the source was listed, unreadable files, duplicates within and across sources,
    file formats that reveal the label, and whether images with the same number in several folders look alike.
    The exit status is 1 if anything needs fixing.

    \b
    Examples:
      fakeforensics data check
      fakeforensics data check celeb_df --deep
      fakeforensics data check celeb_df --update
    """  # noqa: D301 (\b keeps the lines of the examples)
    from fakeforensics.params import load_params
    from fakeforensics.sources.check import check_sources, render
    from fakeforensics.sources.inventory import digest_path, write_inventory
    from fakeforensics.sources.registry import open_source

    settings = load_params(params)
    chosen = {name: settings.source(name) for name in sources or settings.sources}
    reports = check_sources(chosen, deep=deep, workers=workers)
    lists = Path("data/inventory")
    is_current = True
    for report in reports:
        if report.shared and not any(file.problem for file in report.files):
            _compare_shared(report, open_source(report.name, chosen[report.name]).root)
        _compare_formats(report)
        typer.echo(render(report))
        if update and report.is_good:
            write_inventory(open_source(report.name, chosen[report.name]), lists, workers)
            typer.echo(f"  written: {digest_path(report.name, lists)}")
        elif report.files and (
            new := _what_is_new(report, open_source(report.name, chosen[report.name]), lists)
        ):
            is_current = False
            command = f"fakeforensics data check {report.name} --update"
            fix = f"to update it, run: {command}"
            if not report.is_good:
                fix = f"to update it, fix or remove the files named in the errors above, then run: {command}"
            typer.echo(
                f"  {digest_path(report.name, lists)} is out of date, and `dvc repro` depends on it:\n"
                f"    {new}\n"
                f"  {fix}"
            )
    if not is_current or not all(report.is_good for report in reports):
        raise typer.Exit(1)


def _what_is_new(report: SourceReport, adapter: DatasetAdapter, lists: Path) -> str | None:
    """How the checked files and tables differ from the list that the pipeline depends on; None if not."""
    from fakeforensics.sources.inventory import what_is_new

    sizes = {file.record.path: file.size for file in report.files}
    sizes |= {str(table): (adapter.root / table).stat().st_size for table in adapter.tables()}
    return what_is_new(report.name, sizes, lists)


def _compare_shared(report: SourceReport, root: Path) -> None:
    """Add a remark on whether images with the same number look alike, as their groups assume."""
    from fakeforensics.splits.duplicates import describe_shared

    for shared in report.shared:
        line, warning = describe_shared(shared, root, report.name)
        report.remarks.append(line)
        report.warnings += [warning] if warning else []


def _compare_formats(report: SourceReport) -> None:
    """Warn of methods whose files a detector can tell from real files of the domain by their coding alone."""
    import pandas as pd

    from fakeforensics.splits.properties import telling_methods

    good = [file for file in report.files if not file.problem]
    if len({file.record.label for file in good}) < 2:
        return
    same: dict[str, str | float] = {"raw_profile": "", "raw_pixel_aspect": "1:1", "raw_transfer": ""}
    same |= {"raw_primaries": "", "raw_frame_rate": 0.0, "raw_frames": 1}
    rows = [
        {
            "source": file.source,
            "domain": file.record.domain,
            "method": file.record.method,
            "group": file.record.group,
            "label": file.record.label,
            "raw_format": file.format,
            "raw_width": int(file.shape.partition("x")[0] or 0),
            "raw_height": int(file.shape.partition("x")[2] or 0),
            "jpeg_quality": file.quantization,
            "chroma_sampling": file.chroma,
            **same,
        }
        for file in good
    ]
    warned = [text for text in report.warnings if "format alone reveals the label" in text]
    report.warnings += [
        f"the encoding of the files alone ({', '.join(names)}) distinguishes {method} from the real files: a "
        "detector may learn that instead of the forgery"
        for method, names in telling_methods(pd.DataFrame(rows), seed=0).items()
        if not any(f"those of {method} " in text for text in warned)
    ]


@app.command()
def fetch(
    name: Annotated[
        str,
        Argument(
            help="Name of the data set. `cnn_synth` is downloaded; for the others, the command prints how to "
            "request access."
        ),
    ],
    root: Annotated[Path | None, Option(help="Folder of the data set; by default data/raw/<name>.")] = None,
    part: Annotated[
        list[str] | None, Option(help="test, val or train; may be repeated. By default all parts.")
    ] = None,
    keep: Annotated[bool, Option("--keep", help="Keep the archives after unpacking.")] = False,
) -> None:
    """Download a data set, or print how to request access to it.

    If the download is interrupted, run the command again: it resumes. Each file must have the SHA-256 that
    the Hugging Face Hub lists for it.

    \b
    Examples:
      fakeforensics data fetch celeb_df
      fakeforensics data fetch cnn_synth --part test --root /data/CNN_synth
    """  # noqa: D301 (\b keeps the lines of the examples)
    from fakeforensics.sources import download
    from fakeforensics.sources.registry import adapter_class

    adapter = adapter_class(name)
    parts = [archive.part for archive in adapter.archives]
    if not parts:
        typer.echo(download.instructions(name))
        return
    unknown = [one for one in part or () if one not in parts]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is not one of {', '.join(parts)}", param_hint="--part")
    download.fetch(adapter(name, root or Path("data/raw", name)), part or parts, typer.echo, keep=keep)
