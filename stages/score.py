"""Stage `score@<protocol>-<detector>`: score every validation and test image, clean and corrupted."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

from typer import Option

from fakeforensics.names import check_name
from stages._command import run_command


def main(
    protocol: Annotated[
        str, Option(callback=check_name, help="Name of a file in protocols/, without its suffix.")
    ],
    detector: Annotated[str, Option(callback=check_name, help="Name of a detector in params.yaml.")],
    params: Annotated[Path, Option(help="Settings file.")] = Path("params.yaml"),
    scratch: Annotated[Path, Option(help="Folder of stored scores from earlier runs.")] = Path(
        ".scratch/scores"
    ),
    features: Annotated[
        Path, Option(help="Folder of stored features, for detectors that are fitted to them.")
    ] = Path(".scratch/features"),
    pixels: Annotated[Path, Option(help="Folder of decoded images.")] = Path(".scratch/pixels"),
) -> None:
    """Score every validation and test image, and some or all test images under each of evaluate.corruptions.

    Images that were scored before with the same weights and code are not scored again.
    """
    from stages._left_out import left_out, write_left_out

    run = f"{protocol}/{detector}"
    test, validation, corrupted = (
        Path(f"data/scores/{run}{suffix}") for suffix in (".parquet", ".val.parquet", ".corrupted")
    )
    if (reason := left_out(protocol, detector)) is not None:
        write_left_out(reason, folders=[corrupted], tables=[test, validation], lists=[[test, validation]])
        return

    from fakeforensics.files import atomic_directory, atomic_path, hold
    from fakeforensics.images.pixels import PixelStore
    from fakeforensics.params import load_params
    from fakeforensics.scoring import CLEAN, score_run
    from fakeforensics.sums import write_list, write_sums

    everything = load_params(params)
    settings = everything.evaluate
    manifests = Path("data/manifests") / protocol
    with hold(scratch / run / ".lock", f"the scoring of {run}"):
        tables = score_run(
            Path("models") / run,
            {name: manifests / f"{name}.parquet" for name in ("val", "test")},
            manifests / "corrupted.parquet",
            settings.corruptions,
            Path("data/images"),
            scratch / run,
            settings.batch_size,
            settings.workers,
            features,
            PixelStore(pixels, everything.pixels.disk_gb),
        )
        for name, path in {"val": validation, "test": test}.items():
            with atomic_path(path) as temporary:
                shutil.copyfile(tables[name, CLEAN], temporary)
        with atomic_directory(corrupted) as folder:
            for corruption in settings.corruptions:
                shutil.copyfile(tables["corrupted", corruption], folder / f"{corruption}.parquet")
            write_sums(folder)
        write_list([test, validation])


if __name__ == "__main__":
    run_command(main, "evaluate.batch_size", "evaluate.corruptions")
