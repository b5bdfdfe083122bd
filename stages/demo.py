"""Makes the embedded demo data sets: synthetic faces, clips and photographs in the real sets' layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fakeforensics.errors import UserError
from fakeforensics.files import write_json
from fakeforensics.params import load_params
from stages._command import run_command


def main(
    params: Annotated[Path, typer.Option(help="The settings; group `demo`.")] = Path("params.yaml"),
    output: Annotated[Path, typer.Option(help="Folder to make anew.")] = Path("data/raw/demo"),
    summary: Annotated[Path, typer.Option(help="Counts and checksum.")] = Path("data/demo.json"),
) -> None:
    """Make the demo: no network, under two minutes on two cores, the same bytes for the same seed."""
    demo = load_params(params).demo
    try:
        from fakeforensics.demo.build import build
        from fakeforensics.demo.recipe import Recipe
    except ModuleNotFoundError as missing:
        raise UserError(
            f"the demo needs the package {missing.name}", fix="pip install 'fake-forensics[demo,faces]'"
        ) from None

    typer.echo("making synthetic faces, clips and photographs: about a minute on two cores")
    made = build(output, demo.seed, Recipe().scaled(demo.scale))
    write_json(summary, made)
    typer.echo(f"{made['files']} files, {made['bytes'] / 1e6:.1f} MB in {output}: demo data, not a benchmark")


if __name__ == "__main__":
    run_command(main)
