"""Resolve the settings of a protocol's training runs."""

from pathlib import Path
from typing import Annotated

import typer

from fakeforensics.names import check_name
from stages._command import run_command


def main(
    protocol: Annotated[
        str, typer.Option(callback=check_name, help="Name of a file in protocols/, without its suffix.")
    ],
    params: Annotated[Path, typer.Option(help="Settings file.")] = Path("params.yaml"),
    protocols: Annotated[Path, typer.Option(help="Folder of the protocols.")] = Path("protocols"),
    out: Annotated[Path, typer.Option(help="Folder of the resolved settings.")] = Path("data/settings"),
) -> None:
    """Write data/settings/<protocol>/<detector>.json for each of `detectors`.

    A file holds everything that its training run depends on: params.yaml with the protocol's overrides, the
    detector's settings, and the hash of the detector's code.
    """
    from fakeforensics.files import atomic_directory, write_json
    from fakeforensics.params import load_params

    settings = load_params(params)

    from fakeforensics.splits.protocol import load_protocol
    from fakeforensics.sums import write_sums
    from fakeforensics.training.settings import check_detectors, resolve_settings

    plan = load_protocol(protocol, protocols)
    where = f"{protocols / protocol}.yaml"
    check_detectors(settings, where, plan.detectors, plan.params.detector_settings)
    with atomic_directory(out / protocol) as folder:
        for detector in settings.detectors:
            run = resolve_settings(
                settings,
                protocol,
                detector,
                where=where,
                overrides=plan.params.model_dump(),
                detectors=plan.detectors,
                as_written=plan.as_written,
            )
            write_json(folder / f"{detector}.json", run.stored())
            if run.left_out is not None:
                typer.echo(f"{protocol}: {detector} is left out: {run.left_out}")
        write_sums(folder)


if __name__ == "__main__":
    run_command(main, "seed", "lambda", "detectors", "compare", "detector_settings", "train", "augment")
