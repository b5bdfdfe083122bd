"""Makes the demo data: synthetic faces, clips and photographs in the folder trees of real data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fakeforensics.errors import UserError
from fakeforensics.files import write_json
from fakeforensics.params import load_params
from stages._command import run_command


def main(
    params: Annotated[Path, typer.Option(help="Settings file, with the group `demo`.")] = Path("params.yaml"),
    output: Annotated[Path, typer.Option(help="Folder to make; an existing one is replaced.")] = Path(
        "data/raw/demo"
    ),
    summary: Annotated[Path, typer.Option(help="File for the counts and the checksum.")] = Path(
        "data/demo.json"
    ),
) -> None:
    """Make the demo data without a network connection, in under two minutes on two cores.

    The files have the same bytes on every machine.
    """
    demo = load_params(params).demo
    try:
        from examples.demo import Recipe
        from examples.demo.build import build
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("examples"):
            raise UserError(
                "the demo's picture maker, examples/demo, was not found",
                fix="run the stage from the repository's top folder: python -m stages.demo",
            ) from None
        raise UserError(
            f"the demo needs the package {missing.name}, which is not installed",
            fix="make install, or pip install 'fake-forensics[demo,faces]'",
        ) from None

    typer.echo("making synthetic faces, clips and photographs: about a minute on two cores")
    made = build(output, demo.seed, Recipe().scaled(demo.scale))
    write_json(summary, made)
    typer.echo(f"{made['files']} files, {made['bytes'] / 1e6:.1f} MB in {output}: demo data, not a benchmark")


if __name__ == "__main__":
    run_command(main, "demo")
