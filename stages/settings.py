"""Resolve the settings of one training run."""

from pathlib import Path
from typing import Annotated

import typer

from stages._command import run_command


def main(
    protocol: Annotated[str, typer.Option(help="A file in protocols/, without its suffix.")],
    objective: Annotated[str, typer.Option(help="bce, sad or joint.")],
    params: Annotated[Path, typer.Option(help="The settings.")] = Path("params.yaml"),
    protocols: Annotated[Path, typer.Option(help="Folder of the protocols.")] = Path("protocols"),
    out: Annotated[Path, typer.Option(help="Folder of the resolved settings.")] = Path("data/settings"),
) -> None:
    """Write data/settings/<protocol>/<objective>.json: params.yaml with the protocol's overrides."""
    from fakeforensics.files import write_json
    from fakeforensics.params import load_params
    from fakeforensics.splits.settings import resolve_settings

    settings = resolve_settings(load_params(params), protocol, objective, protocols)
    write_json(out / protocol / f"{objective}.json", settings)


if __name__ == "__main__":
    run_command(main)
