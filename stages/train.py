"""Train a detector with one objective."""

from pathlib import Path
from typing import Annotated

import typer

from stages._command import run_command


def main(
    protocol: Annotated[str, typer.Option(help="A file in protocols/, without its suffix.")],
    objective: Annotated[str, typer.Option(help="bce, sad or joint.")],
    params: Annotated[Path, typer.Option(help="The settings.")] = Path("params.yaml"),
    settings: Annotated[Path, typer.Option(help="Folder of the resolved settings.")] = Path("data/settings"),
    manifests: Annotated[Path, typer.Option(help="Folder of the manifests.")] = Path("data/manifests"),
    images: Annotated[Path, typer.Option(help="Folder of the sources' images.")] = Path("data/images"),
    out: Annotated[Path, typer.Option(help="Folder of the models.")] = Path("models"),
    plots: Annotated[Path, typer.Option(help="Folder of the plots.")] = Path("plots"),
    scratch: Annotated[Path, typer.Option(help="Checkpoints of unfinished runs.")] = Path(".scratch/train"),
) -> None:
    """Write models/<protocol>/<objective>/ and the learning curves; a killed run goes on where it was."""
    import logging

    from fakeforensics.params import load_params
    from fakeforensics.training.settings import load_settings

    run = Path(protocol) / objective
    here = load_params(params)
    resolved = load_settings(settings / f"{run}.json").on_machine(here.train)

    from fakeforensics.training.run import Places, train_detector

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    train_detector(
        resolved,
        Places(
            manifests=manifests / protocol,
            images=images,
            model=out / run,
            plot=plots / run / "history.csv",
            scratch=scratch,
            finished=out,
        ),
        here.faces,
    )


if __name__ == "__main__":
    run_command(main)
