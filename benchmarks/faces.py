"""Speed, recall and accuracy of the faces stage next to the usual script, on any folder.

    taskset -c 0 python -m benchmarks.faces DIR --json faces.json

Every clip is decoded by OpenCV, cropped by us and cropped by the reference in turn, on one core. Times are
processor time, which other work on the machine disturbs little. Imports and model loading are left out on
both sides, writing the crops is not. Two workers are compared with one by the clock, in processes of their
own that are not pinned.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm")
IMAGES = (".jpg", ".jpeg", ".png")
# Eyes of the reference that move by less than half of the error wanted of us, if its box changes by a tenth.
SURE = 0.04
Result = TypeVar("Result")


def main(
    folder: Annotated[Path, typer.Argument(help="Videos and images; searched in depth.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
    frames: Annotated[int, typer.Option(help="Frames per clip.")] = 32,
    stride: Annotated[int, typer.Option(help="Take every Nth frame; 0 leaves this part out.")] = 5,
    landmarks: Annotated[int, typer.Option(help="5 or 68 points.")] = 5,
    clips: Annotated[int, typer.Option(help="Most clips; 0 for all.")] = 0,
    images: Annotated[int, typer.Option(help="Most stills of 256 pixels.")] = 100,
    repeats: Annotated[int, typer.Option(help="Runs of the quick parts; the fastest counts.")] = 1,
    scaling: Annotated[bool, typer.Option(help="Compare two workers with one.")] = True,
) -> None:
    """Print the table and write the figures as flat JSON."""
    from fakeforensics.files import write_json

    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    videos = _some(_files(folder, VIDEOS), clips)
    stills = _some([path for path in _files(folder, IMAGES) if _is_256(path)], images)
    figures: dict[str, Any] = {"landmarks": landmarks, "videos": len(videos), "stills": len(stills)}
    if videos:
        figures |= _measure_videos(videos, frames, stride, landmarks, repeats)
    if stills:
        figures |= _measure_images(stills, landmarks, repeats)
    os.sched_setaffinity(0, cores)
    if videos:
        figures["max_rss_mb"] = _in_new_process(_peak_memory, videos, frames, landmarks)
        if scaling and len(cores) > 1:
            figures["scaling_two_workers"] = _in_new_process(_scaling, videos, frames, landmarks)
    for name, value in figures.items():
        typer.echo(f"{name:28} {value:.4g}" if isinstance(value, float) else f"{name:28} {value}")
    if json_file is not None:
        write_json(json_file, figures)


def _measure_videos(
    paths: Sequence[Path], frames: int, stride: int, landmarks: int, repeats: int
) -> dict[str, Any]:
    from benchmarks._reference_faces import Reference, count_frames
    from fakeforensics.faces.video import UnreadableError, open_clip, spread_frames

    reference, ours, strided = Reference(), _Ours(landmarks, frames), _Ours(landmarks, frames, stride or None)
    everybody = _Ours(landmarks, frames, tracks="all")
    ratios, over_decode, ratios_strided = [], [], []
    recall, recall_all, sure = _Recall(), _Recall(), _Recall()
    errors: list[float] = []
    sure_errors: list[float] = []
    heads = ("decode s", "ours s", "ref. s", "over decode", "ratio", "strided")
    typer.echo(f"{'clip':32}" + "".join(f"{head:>12}" for head in heads))
    for path in paths:
        try:
            with open_clip(path) as clip:
                count = clip.count
        except UnreadableError as error:
            typer.echo(f"{path.name[-32:]:32} left out: {error}")
            continue
        decoding, _ = _fastest(repeats, count_frames, path)
        every = float("nan")
        with tempfile.TemporaryDirectory() as out:
            took, contents = _fastest(repeats, ours.crop, [path], "video", Path(out))
            slow, found = _fastest(1, reference.video, path, spread_frames(count, frames), Path(out))
            # The reference follows nobody: where several people are seen one after the other, it takes each.
            lost = _Recall()
            lost.compare(found, contents[0])
            anybody = contents[0] if lost.share() == 1 else everybody.crop([path], "video", Path(out))[0]
            if stride:
                ours_strided, _ = _fastest(repeats, strided.crop, [path], "video", Path(out))
                slow_strided, _ = _fastest(1, reference.video, path, range(0, count, stride), Path(out))
                every = slow_strided / ours_strided
                ratios_strided.append(every)
        ratios.append(slow / took)
        over_decode.append(took / decoding)
        errors += recall.compare(found, contents[0])
        recall_all.compare(found, anybody)
        doubts = reference.doubts(path, found)
        surely = {frame: face for frame, face in found.items() if doubts[frame] <= SURE}
        sure_errors += sure.compare(surely, contents[0])
        row = (decoding, took, slow, over_decode[-1], ratios[-1], every)
        typer.echo(f"{path.name[-32:]:32}" + "".join(f"{value:12.3g}" for value in row))
    figures = {
        "ratio_videos_median": statistics.median(ratios),
        "time_over_decode_median": statistics.median(over_decode),
        "time_over_decode_max": max(over_decode),
        "recall_vs_reference": recall.share(),
        "recall_of_anybody": recall_all.share(),
        "frames_compared": recall.frames,
        **_quantiles(errors),
        "reference_is_sure": sure.frames / recall.frames if recall.frames else float("nan"),
        **{f"{name}_where_sure": value for name, value in _quantiles(sure_errors).items()},
    }
    if ratios_strided:
        figures["ratio_videos_stride5" if stride == 5 else f"ratio_videos_stride{stride}"] = (
            statistics.median(ratios_strided)
        )
    return figures


def _measure_images(paths: Sequence[Path], landmarks: int, repeats: int) -> dict[str, Any]:
    from benchmarks._reference_faces import Reference

    reference, ours = Reference(), _Ours(landmarks, 1)
    ratios: list[float] = []
    errors: list[float] = []
    recall = _Recall()
    # The stage hands a worker sixteen stills at a time.
    for batch in (paths[start : start + 16] for start in range(0, len(paths), 16)):
        with tempfile.TemporaryDirectory() as out:
            slow, found = _fastest(repeats, reference.images, batch, Path(out))
            took, contents = _fastest(repeats, ours.crop, batch, "image", Path(out))
        ratios.append(slow / took)
        for face, crops in zip(found, contents, strict=True):
            errors += recall.compare({} if face is None else {-1: face}, crops)
    return {
        "ratio_images_median": statistics.median(ratios),
        "recall_images": recall.share(),
        **{f"{name}_images": value for name, value in _quantiles(errors).items()},
    }


class _Ours:
    """The stage's work on one file: search, crops, PNG, and the archive that holds them."""

    def __init__(self, landmarks: int, frames: int, stride: int | None = None, tracks: str = "main") -> None:
        import cv2

        from fakeforensics.faces.extract import FaceExtractor
        from fakeforensics.params import FacesParams

        cv2.setNumThreads(1)
        params = {"landmarks": landmarks, "frames_per_video": frames, "frame_step": stride}
        self._extractor = FaceExtractor(FacesParams.model_validate(params | {"tracks": tracks}))

    def crop(self, paths: Sequence[Path], kind: Any, out: Path) -> list[Sequence[Any]]:
        """The crops of each file, written under `out`."""
        from fakeforensics.faces.extract import WorkItem
        from fakeforensics.faces.results import writing_archive

        with ExitStack() as stack:
            archives = [stack.enter_context(writing_archive(out / f"{path.stem}.zip")) for path in paths]
            results = self._extractor.extract([WorkItem(path, kind, "faces") for path in paths], archives)
            for archive, extraction in zip(archives, results, strict=True):
                archive.finish([extraction])
        return [extraction.crops for extraction in results]


class _Recall:
    """How often we find the reference's face, and how far the eyes are apart, where it sees one face."""

    def __init__(self) -> None:
        self.frames = 0
        self._found = 0

    def compare(self, found: dict[int, Any], crops: Sequence[Any]) -> list[float]:
        """The worse eye's error in inter-ocular distances for each frame that both found."""
        import numpy as np

        from fakeforensics.faces.detect import Box, eye_centers

        ours: dict[int, list[Any]] = {}
        for crop in crops:
            ours.setdefault(crop.frame, []).append(crop)
        errors = []
        for frame, face in found.items():
            if face.faces != 1:
                continue
            self.frames += 1
            overlap, crop = max(
                ((Box(*crop.box).iou(face.box), crop) for crop in ours.get(frame, ())),
                key=lambda pair: pair[0],
                default=(0.0, None),
            )
            if crop is None or overlap < 0.3:
                continue
            self._found += 1
            eyes = eye_centers(np.array(crop.landmarks, np.float32).reshape(-1, 2))
            distance = np.linalg.norm(face.eyes[0] - face.eyes[1])
            errors.append(float(np.linalg.norm(eyes - face.eyes, axis=1).max() / distance))
        return errors

    def share(self) -> float:
        """Frames found of those with one face."""
        return self._found / self.frames if self.frames else float("nan")


def _scaling(paths: Sequence[Path], frames: int, landmarks: int) -> float:
    """Wall time of one worker process over that of two, after both have loaded their models."""
    # By the module's own name: the workers cannot find what belongs to a script's `__main__`.
    from benchmarks.faces import _one_clip
    from fakeforensics.processes import WorkerPool

    crop = partial(_one_clip, frames=frames, landmarks=landmarks)
    times: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(3):
        for workers in (1, 2):
            with WorkerPool(workers, preload=["fakeforensics.faces.extract"]) as pool:
                list(pool.map(crop, [*paths[:1]] * (4 * workers)))
                start = time.perf_counter()
                list(pool.map(crop, paths))
                times[workers].append(time.perf_counter() - start)
    return min(times[1]) / min(times[2])


def _one_clip(path: Path, frames: int, landmarks: int) -> int:
    key = (frames, landmarks)
    if key not in _LOADED:
        _LOADED[key] = _Ours(landmarks, frames)
    with tempfile.TemporaryDirectory() as out:
        return len(_LOADED[key].crop([path], "video", Path(out))[0])


_LOADED: dict[tuple[int, int], _Ours] = {}


def _peak_memory(paths: Sequence[Path], frames: int, landmarks: int) -> float:
    """Peak resident MiB of a process that crops all clips."""
    ours = _Ours(landmarks, frames)
    with tempfile.TemporaryDirectory() as out:
        for path in paths:
            ours.crop([path], "video", Path(out))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _in_new_process(function: Callable[..., float], *args: Any) -> float:
    # Not a Pool: its daemonic process could not start workers of its own.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def _fastest(repeats: int, function: Callable[..., Result], *args: Any) -> tuple[float, Result]:
    """Seconds of processor time of the fastest of some runs, and what the last gave."""
    times = []
    for _ in range(max(1, repeats)):
        start = time.process_time()
        result = function(*args)
        times.append(time.process_time() - start)
    return min(times), result


def _quantiles(errors: Sequence[float]) -> dict[str, float]:
    import numpy as np

    if not errors:
        return {}
    return {
        "eye_error_median": float(np.median(errors)),
        "eye_error_p95": float(np.quantile(errors, 0.95)),
    }


def _files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())


def _some(paths: list[Path], most: int) -> list[Path]:
    if not most or len(paths) <= most:
        return paths
    return [paths[index * len(paths) // most] for index in range(most)]


def _is_256(path: Path) -> bool:
    from PIL import Image

    with Image.open(path) as image:
        return image.size == (256, 256)


if __name__ == "__main__":
    typer.run(main)
