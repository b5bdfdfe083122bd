"""Train a detector."""

from pathlib import Path
from typing import Annotated

import typer

from fakeforensics.names import check_name
from stages._command import run_command


def main(
    protocol: Annotated[
        str, typer.Option(callback=check_name, help="Name of a file in protocols/, without its suffix.")
    ],
    detector: Annotated[str, typer.Option(callback=check_name, help="Name of a detector in params.yaml.")],
    params: Annotated[Path, typer.Option(help="Settings file.")] = Path("params.yaml"),
    settings: Annotated[Path, typer.Option(help="Folder of the resolved settings.")] = Path("data/settings"),
    manifests: Annotated[Path, typer.Option(help="Folder of the manifests.")] = Path("data/manifests"),
    images: Annotated[Path, typer.Option(help="Folder of the sources' images.")] = Path("data/images"),
    out: Annotated[Path, typer.Option(help="Folder of the models.")] = Path("models"),
    plots: Annotated[Path, typer.Option(help="Folder of the plots.")] = Path("plots"),
    live: Annotated[Path, typer.Option(help="Folder of the metrics of each epoch.")] = Path("dvclive"),
    metrics: Annotated[Path, typer.Option(help="Folder of the metrics.")] = Path("metrics"),
    scratch: Annotated[Path, typer.Option(help="Folder of checkpoints.")] = Path(".scratch/train"),
    features: Annotated[
        Path, typer.Option(help="Folder of stored features, for detectors that are fitted to them.")
    ] = Path(".scratch/features"),
    pixels: Annotated[Path, typer.Option(help="Folder of decoded images.")] = Path(".scratch/pixels"),
) -> None:
    """Write models/<protocol>/<detector>/, the learning curves, and the cost of training.

    The metrics of each epoch are written to dvclive/<protocol>/<detector>/ when the epoch ends.

    An interrupted run resumes from its last completed epoch.
    """
    from fakeforensics.params import load_params
    from fakeforensics.training.live import METRICS, PLOTS
    from fakeforensics.training.settings import load_settings
    from stages._left_out import write_left_out

    run = Path(protocol) / detector
    here = load_params(params)
    resolved = load_settings(settings / f"{run}.json").on_machine(here.train)
    plot, cost = plots / run / "history.csv", metrics / f"{run}.cost.json"
    if resolved.left_out is not None:
        write_left_out(
            resolved.left_out,
            folders=[out / run, live / run / PLOTS],
            tables=[plot],
            metrics=[cost, live / run / METRICS],
        )
        return

    from fakeforensics.images.pixels import PixelStore
    from fakeforensics.training.train import Places, train_detector

    places = Places(
        manifests=manifests / protocol,
        images=images,
        model=out / run,
        plot=plot,
        live=live / run,
        cost=cost,
        scratch=scratch,
        features=features,
        pixels=PixelStore(pixels, here.pixels.disk_gb),
        on_gpu=here.pixels.on_gpu,
    )
    train_detector(resolved, places, here.faces)


if __name__ == "__main__":
    run_command(main)
