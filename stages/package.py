"""Stage `package@<protocol>-<detector>`: everything needed to use a detector, in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from fakeforensics.names import check_name
from stages._command import run_command


def main(
    protocol: Annotated[
        str, Option(callback=check_name, help="Name of a file in protocols/, without its suffix.")
    ],
    detector: Annotated[str, Option(callback=check_name, help="Name of a detector in params.yaml.")],
    params: Annotated[Path, Option(help="Settings file.")] = Path("params.yaml"),
) -> None:
    """Copy a detector's files into one folder, and add model.onnx and a model card for readers.

    The files are the weights, model.json, the decision policy and the results.
    """
    from stages._left_out import left_out, write_left_out

    run = f"{protocol}/{detector}"
    out = Path("packages") / run
    if (reason := left_out(protocol, detector)) is not None:
        write_left_out(reason, folders=[out])
        return

    from fakeforensics.files import atomic_directory, write_text
    from fakeforensics.inference.background import describe_background
    from fakeforensics.inference.export import add_onnx
    from fakeforensics.inference.model_card import README, model_card
    from fakeforensics.inference.package import About, Package, write_package
    from fakeforensics.params import load_params
    from fakeforensics.splits.protocol import load_protocol
    from fakeforensics.sums import write_sums
    from fakeforensics.thresholds.policy import DECISION

    found, settings = load_protocol(protocol), load_params(params)
    about = About(
        title=found.title,
        demo=found.demo,
        unseen=found.unseen,
        order=settings.detectors.index(detector),
    )
    results = {
        DECISION: Path(f"metrics/{run}.{DECISION}"),
        "metrics.json": Path(f"metrics/{run}.json"),
        "details.json": Path(f"metrics/{run}.details.json"),
        "thresholds.json": Path(f"metrics/{run}.thresholds.json"),
        "robustness.json": Path(f"metrics/{run}.robustness.json"),
    }
    with atomic_directory(out) as folder:
        write_package(folder, Path("models") / run, results, about)
        scores = Path(f"data/scores/{run}.parquet")
        corrupted = {
            name: scores.with_suffix(".corrupted") / f"{name}.parquet"
            for name in settings.evaluate.corruptions
        }
        describe_background(Package(folder), Path("data/manifests") / protocol, scores, corrupted)
        write_sums(folder)
        record = add_onnx(Package(folder), Path("data/images"))
        if record.reason is not None:
            typer.echo(f"{run}: no model.onnx, so `predict` will start slowly: {record.reason}")
        write_text(folder / README, model_card(Package(folder), folder))
        write_sums(folder)  # last, because it lists all files


if __name__ == "__main__":
    run_command(main, "detectors", "evaluate.corruptions")
