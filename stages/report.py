"""All protocols' tables next to the thesis's figures."""

from pathlib import Path
from typing import Annotated

import typer

from fakeforensics.params import load_params
from stages._command import run_command


def main(
    params: Annotated[Path, typer.Option(help="Settings file.")] = Path("params.yaml"),
    out: Annotated[Path, typer.Option(help="Folder to write; its content is replaced.")] = Path("report"),
) -> None:
    """Write report/ for the protocols that params.yaml names."""
    from dataclasses import replace

    from fakeforensics.reporting.page import build_report, write_report
    from fakeforensics.reporting.results import read_project
    from fakeforensics.thesis.pilot import pilot_chapters
    from fakeforensics.thesis.tables import reference_of

    settings = load_params(params)
    results = [
        replace(one, reference=reference_of(one.name, one.protocol.reference))
        for one in read_project(Path(), settings)
    ]
    report = build_report(results, settings, pilot_chapters(results))
    typer.echo(f"{write_report(report, out)} written")


if __name__ == "__main__":
    run_command(main, "protocols", "detectors", "report", "thresholds.criterion", "thresholds.inconclusive")
