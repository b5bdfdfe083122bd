"""Stage `report`: the index of all protocols, and the pages that combine several protocols."""

from pathlib import Path
from typing import Annotated

import typer

from fakeforensics.params import load_params
from stages._command import run_command


def main(
    params: Annotated[Path, typer.Option(help="Settings file.")] = Path("params.yaml"),
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("report"),
    briefs: Annotated[Path, typer.Option(help="Folder of the page stages' files for the index.")] = Path(
        "data/pages"
    ),
) -> None:
    """Write report/index.html and report/views/ for the protocols that params.yaml names."""
    from dataclasses import replace

    from fakeforensics.errors import UserError
    from fakeforensics.reporting.brief import read_brief
    from fakeforensics.reporting.overview import Entry, index_page, write_index
    from fakeforensics.thesis.pilot import pilot_chapters
    from fakeforensics.thesis.tables import reference_of

    settings = load_params(params)
    paths = {name: briefs / f"{name}.json" for name in settings.protocols}
    absent = [name for name, path in paths.items() if not path.is_file()]
    found = [read_brief(path) for name, path in paths.items() if name not in absent]
    missing = [name for brief in found for name in brief.missing]
    if not any(brief.metrics for brief in found):
        raise UserError(
            "there is nothing to report: no detector in params.yaml has metrics and a model card",
            found="missing " + ", ".join([*(str(paths[name]) for name in absent), *missing]),
            fix="run `dvc repro`",
        )
    entries = [
        Entry(brief, replace(one, reference=reference_of(one.name, one.protocol.reference)))
        for brief in found
        for one in (brief.results(),)
    ]
    views = pilot_chapters([entry.results for entry in entries])
    typer.echo(f"{write_index(index_page(entries, settings, views, absent), views, out)} written")


if __name__ == "__main__":
    run_command(main, "protocols", "report")
