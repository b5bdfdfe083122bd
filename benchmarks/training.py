"""How close training and scoring come to what the device can do, and how they compare with a usual loop.

Prints, in one run and for the same model, batch and augmentation, images per second of

- the real loop: an epoch's steps fed from decoded images that are kept on disk, as `stages.train` runs them
  (`--pixels-gb 0`: from shards, decoded each time);
- its ceiling: the same step on a batch that already lies on the device;
- a usual loop: PIL and torchvision transforms in the loader, float32, contiguous tensors, in a process of
  its own;
- scoring as `stages.score` runs it, and its ceiling: the forward pass alone.

They take turns, round by round, so that a change of the machine's speed reaches all of them.
"""

from __future__ import annotations

import platform
import statistics
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from fakeforensics.params import PixelsParams


def main(
    folder: Annotated[
        Path | None, typer.Argument(help="data/images, or any folder of pictures; by default synthetic ones.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Images per step.")] = 64,
    crop_size: Annotated[int, typer.Option(help="Side of a crop in pixels.")] = 224,
    steps: Annotated[
        int | None, typer.Option(help="Steps per round; by default 8 on a CPU and 400 on a GPU.")
    ] = None,
    rounds: Annotated[int, typer.Option(help="Rounds; the ratios are medians over them.")] = 5,
    backbone: Annotated[str, typer.Option(help="A classification network of torchvision.")] = "resnet18",
    detector: Annotated[str, typer.Option(help="One that is trained step by step.")] = "joint",
    precision: Annotated[str, typer.Option(help="Precision of the real loop and its ceiling.")] = "auto",
    workers: Annotated[int, typer.Option(help="Decoding processes; -1 as `train.workers: auto`.")] = -1,
    pixels_gb: Annotated[float, typer.Option(help="As `pixels.disk_gb`.")] = PixelsParams().disk_gb,
    processor_time: Annotated[
        bool, typer.Option(help="One thread by processor time, for a CPU that does other work as well.")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
) -> None:
    """Print the table and write the figures as flat JSON."""
    import torch

    from benchmarks._photos import find_images
    from benchmarks._training_loops import (
        Apart,
        Ceiling,
        Loop,
        RealLoop,
        Scoring,
        ScoringCeiling,
        UsualLoop,
        clock,
        lead_in,
    )
    from fakeforensics.files import write_json
    from fakeforensics.images.pixels import PixelStore
    from fakeforensics.models.runtime import takes_bf16, worker_count
    from fakeforensics.params import TrainParams

    if processor_time:
        torch.set_num_threads(1)
        clock.processor = True
    params = TrainParams.model_validate(
        {
            "backbone": backbone,
            "weights": "none",
            "crop_size": crop_size,
            "batch_size": batch_size,
            "precision": precision,
            "workers": "auto" if workers < 0 else workers,
        }
    )
    steps = steps or (400 if torch.cuda.is_available() else 8)
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        store = PixelStore(scratch / "pixels", pixels_gb)
        images, manifest = find_images(folder, scratch / "images", 512, max(256, crop_size))
        loaders = worker_count(params.workers)
        manifest = _repeated(manifest, (lead_in(loaders) + steps) * batch_size)
        with closing(Apart(UsualLoop, manifest, images, params, detector, loaders)) as usual:
            loops: dict[str, Loop] = {
                "real": RealLoop(manifest, images, params, detector, scratch, store),
                "ceiling": Ceiling(manifest, images, params, detector, scratch),
                "usual": usual,
                "scoring": Scoring(manifest, images, params, detector, store),
                "scoring_ceiling": ScoringCeiling(manifest, images, params, detector),
            }
            speeds = _take_turns(loops, steps, rounds)

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or "cpu"
    report: dict[str, Any] = {
        "ratio_to_ceiling": _ratio(speeds, "real", "ceiling"),
        "ratio_to_baseline": _ratio(speeds, "real", "usual"),
        "scoring_ratio_to_ceiling": _ratio(speeds, "scoring", "scoring_ceiling"),
        "device": f"{device}, {torch.get_num_threads()} threads",
        "clock": "processor" if processor_time else "wall",
        "precision": "bf16" if takes_bf16(precision) else "32",
        "torch": torch.__version__,
        "batch_size": batch_size,
        "crop_size": crop_size,
        "workers": loaders,
        "pixels_gb": pixels_gb,
        **{f"{name}_images_per_second": round(statistics.median(found), 2) for name, found in speeds.items()},
    }
    for key, value in report.items():
        print(f"{key:32} {value}")
    for name, found in speeds.items():
        print(f"{name:16} " + " ".join(f"{speed:8.2f}" for speed in found))
    if json_file:
        write_json(json_file, report)


def _take_turns(loops: dict[str, Any], steps: int, rounds: int) -> dict[str, list[float]]:
    """Images per second of each loop in each round."""
    speeds: dict[str, list[float]] = {name: [] for name in loops}
    for loop in loops.values():
        loop.images_per_second(1)  # what is made once does not count
    for number in range(rounds):
        for name in loops if number % 2 == 0 else reversed(loops):
            # The usual loop takes three times as long and needs less precision.
            share = max(2, steps // 2) if name == "usual" else steps
            speeds[name].append(loops[name].images_per_second(share))
    return speeds


def _ratio(speeds: dict[str, list[float]], ours: str, other: str) -> float:
    pairs = zip(speeds[ours], speeds[other], strict=True)
    return round(statistics.median(a / b for a, b in pairs), 4)


def _repeated(manifest: Any, count: int) -> Any:
    """Repeat the rows, shuffled, up to `count`; decoding is not cached, so that repeats cost the same."""
    import numpy as np

    rows = np.resize(np.random.default_rng(0).permutation(len(manifest)), count)
    return manifest.iloc[rows].reset_index(drop=True)


if __name__ == "__main__":
    typer.run(main)
