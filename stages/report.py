"""All protocols' tables beside the thesis's figures."""

from pathlib import Path
from typing import Annotated

import typer

from fakeforensics.params import load_params
from stages._command import run_command


def main(
    params: Annotated[Path, typer.Option(help="Settings file.")] = Path("params.yaml"),
    out: Annotated[Path, typer.Option(help="Folder to write; what it held is replaced.")] = Path("report"),
) -> None:
    """Write report/ for the protocols that params.yaml names."""
    from fakeforensics.reporting.assemble import build_report
    from fakeforensics.reporting.write import write_report

    write_report(build_report(Path(), load_params(params)), out)
    typer.echo(f"{out / 'report.md'} and {out / 'report.html'} written")


if __name__ == "__main__":
    run_command(main)
