"""Stage `page@<protocol>`: the report's page on one protocol."""

from pathlib import Path
from typing import Annotated

import typer

from fakeforensics.names import check_name
from fakeforensics.params import load_params
from stages._command import run_command


def main(
    protocol: Annotated[
        str, typer.Option(callback=check_name, help="Name of a file in protocols/, without its suffix.")
    ],
    params: Annotated[Path, typer.Option(help="Settings file.")] = Path("params.yaml"),
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("report"),
    briefs: Annotated[
        Path, typer.Option(help="Folder for <protocol>.json, from which the report's index is made.")
    ] = Path("data/pages"),
) -> None:
    """Write report/<protocol>/ and data/pages/<protocol>.json."""
    from dataclasses import replace

    from fakeforensics.reporting.brief import write_brief
    from fakeforensics.reporting.page import write_page
    from fakeforensics.reporting.protocol_page import protocol_page
    from fakeforensics.reporting.results import read_results
    from fakeforensics.reporting.summary import pick
    from fakeforensics.thesis.tables import reference_of

    settings = load_params(params)
    found = read_results(Path(), protocol, settings.detectors)
    results = replace(found, reference=reference_of(protocol, found.protocol.reference))
    page = write_page(protocol_page(results, settings.thresholds), out / protocol)
    write_brief(briefs / f"{protocol}.json", results, pick(results))
    typer.echo(f"{page} written")


if __name__ == "__main__":
    run_command(main, "detectors", "thresholds.criterion", "thresholds.inconclusive")
