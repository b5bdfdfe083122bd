"""Processes all raw files of a source in several processes, resumes after a kill, and writes the shards."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from functools import lru_cache, partial
from importlib.metadata import distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import cv2

from fakeforensics.cluster import connected
from fakeforensics.code import code_hashes
from fakeforensics.errors import UserError
from fakeforensics.faces.assemble import Part, SourceFile, Totals, assemble
from fakeforensics.faces.extract import FaceExtractor, WorkItem
from fakeforensics.faces.results import (
    ArchiveReader,
    ArchiveWriter,
    Extraction,
    Rejection,
    is_whole,
    writing_archive,
)
from fakeforensics.faces.still import FileMetadata
from fakeforensics.faces.whole import extract_whole
from fakeforensics.files import explain_full_disk, hold, printable_path, sha256_file
from fakeforensics.images.index import image_keys
from fakeforensics.lookahead import look_ahead
from fakeforensics.params import FacesParams
from fakeforensics.processes import TaskLostError, WorkerPool
from fakeforensics.progress import Progress

if TYPE_CHECKING:
    from fakeforensics.sources.base import RawFile

# Stills are fast, so one task and one archive hold this many on average.
_STILLS_PER_TASK = {"faces": 16, "whole": 256}
# Tasks that are submitted in advance to a cluster, whose size is unknown.
_CLUSTER_TASKS = 512
_FATAL = "reading it ends the process: out of memory, or damaged so that the decoder crashes"
_LIBRARIES = ("av", "opencv-python-headless", "opencv-python", "numpy", "pillow")
_FACE_LIBRARIES = ("dlib-bin", "dlib")
CropKind = Literal["faces", "whole"]


class _Task(NamedTuple):
    """Raw files, and the archive for their results."""

    items: list[WorkItem]
    archive: Path


_Submit = Callable[[_Task], "Future[list[int]]"]


def make_images(
    source: str,
    root: Path,
    records: Sequence[RawFile],
    crop: CropKind,
    params: FacesParams,
    out: Path,
    scratch_root: Path,
    in_place: str | None = None,
) -> Totals:
    """Make the images of a source, and write its shards, index and list of rejections.

    Finished work of an interrupted run with the same settings and code is reused. The bytes of the result
    do not depend on interruptions or on the number of workers.

    Args:
        source: The source's name.
        root: The source's folder.
        records: The source's files.
        crop: `faces` for aligned crops, `whole` for whole images.
        params: The group `faces` of the settings.
        out: The output folder, which is replaced at the end.
        scratch_root: Folder of unfinished work.
        in_place: The source's folder as written in params.yaml, to read whole images there instead of copying
            them; None copies all images.

    Raises:
        UserError: If nothing is readable, more than `max_rejected` of the files are rejected, the disk is
            full, or the images cannot be read in place.
    """
    if in_place is not None:
        _check_in_place(source, records, crop)
    # The paths must be absolute, because the workers of a cluster have another working directory.
    root, scratch_root = root.absolute(), scratch_root.absolute()
    lock = hold(scratch_root / f".{source}.lock", f"the extraction of the source {source}")
    with explain_full_disk(scratch_root), lock:
        scratch = _open_scratch(scratch_root, source, fingerprint(crop, params))
        files = _source_files(source, records)
        parts = [Part(batch, _archive(batch, scratch)) for batch in _batches(files, _STILLS_PER_TASK[crop])]
        parts = _extract_all(source, root, parts, crop, params, scratch)
        totals = assemble(source, root, parts, params, scratch / "out", out, in_place)
        shutil.rmtree(scratch)
    return totals


def fingerprint(crop: CropKind, params: FacesParams) -> str:
    """A hash, 16 hexadecimal digits, of the settings, code and libraries that decide the crops."""
    module = "fakeforensics.faces.extract" if crop == "faces" else "fakeforensics.faces.whole"
    libraries = (*(_FACE_LIBRARIES if crop == "faces" else ()), *_LIBRARIES)
    identity = {
        "crop": crop,
        "settings": params.deciding(crop),
        "code": code_hashes(module),
        # Several packages provide the same module.
        "versions": {one: version(one) for one in libraries if next(iter(distributions(name=one)), None)},
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def _check_in_place(source: str, records: Sequence[RawFile], crop: CropKind) -> None:
    """Check that a source's images are whole files, so that they can be read in place.

    Raises:
        UserError: If they are not; the message says why.
    """
    cut = next((record.path for record in records if record.crop_box is not None), None)
    if crop == "faces":
        problem = "faces are cut out of its files"
    elif cut is not None:
        problem = f"only a part of {printable_path(cut)} is used"
    else:
        return
    raise UserError(
        f"source {source!r}: its images cannot be read in place",
        expected="images that are kept whole",
        found=problem,
        fix=f"set sources.{source}.storage to shards, or keep its images whole (docs/data.md)",
    )


def _open_scratch(root: Path, source: str, digits: str) -> Path:
    """Make the folder of a source's unfinished work, and remove those of other settings or code."""
    folder = root / f"{source}-{digits}"
    folder.mkdir(parents=True, exist_ok=True)
    for other in root.glob(f"{source}-*"):
        if other != folder and len(other.name) == len(folder.name):
            shutil.rmtree(other)
    return folder


def _source_files(source: str, records: Sequence[RawFile]) -> list[SourceFile]:
    """The files with their keys, sorted by key."""
    ordered = sorted(records, key=lambda record: os.fsencode(record.path))
    keys = image_keys(source, [record.path for record in ordered])
    files = [SourceFile(record, key) for record, key in zip(ordered, keys, strict=True)]
    return sorted(files, key=lambda file: file.key)


def _batches(files: Sequence[SourceFile], stills: int) -> Iterator[list[SourceFile]]:
    """Group neighboring files into tasks: one clip, or about `stills` stills.

    A still's name decides whether it begins a batch. So adding or removing a file changes only its own batch,
    and the finished work of other batches is reused.
    """
    batch: list[SourceFile] = []
    for file in files:
        alone = file.record.kind == "video" or (batch and batch[-1].record.kind == "video")
        begins = int(_digest([file])[:8], 16) % stills == 0
        if batch and (alone or begins or len(batch) == 2 * stills):
            yield batch
            batch = []
        batch.append(file)
    if batch:
        yield batch


def _archive(files: Sequence[SourceFile], scratch: Path) -> Path:
    name = _digest(files)[:32]
    folder = scratch / "extracted" / name[:2]  # not too many archives in one folder
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.zip"


def _digest(files: Sequence[SourceFile]) -> str:
    names = b"\0".join(os.fsencode(file.record.path) for file in files)
    return hashlib.sha256(names).hexdigest()


def _extract_all(
    source: str,
    root: Path,
    parts: Sequence[Part],
    crop: CropKind,
    params: FacesParams,
    scratch: Path,
) -> list[Part]:
    """Make the archive of each part, and show the progress.

    Returns:
        The parts in order. A part that ended its process is replaced by parts with one file each.
    """

    def task(part: Part) -> _Task:
        records = [file.record for file in part.files]
        items = [WorkItem(root / one.path, one.kind, crop, one.crop_box) for one in records]
        return _Task(items, part.archive)

    images = rejected = 0
    lost: set[int] = set()
    with Progress(f"images of {source}", "files", sum(len(part.files) for part in parts)) as progress:

        def show(counts: Sequence[int]) -> None:
            nonlocal images, rejected
            images += sum(counts)
            rejected += sum(count == 0 for count in counts)
            progress.advance(len(counts), images=images, rejected=rejected)

        for number, counts in _results([task(part) for part in parts], params):
            if counts is None:
                lost.add(number)
            else:
                show(counts)
        # A file of a lost part may have ended the process, or another process used up the memory. So each
        # file of a lost part runs again, alone.
        split = {
            number: [Part([file], _archive([file], scratch)) for file in parts[number].files]
            for number in sorted(lost)
        }
        alone = [task(part) for singles in split.values() for part in singles]
        for number, counts in _results(alone, params, at_once=1) if alone else ():
            if counts is None:
                _reject(alone[number])
            show(counts or [0])
    return [one for number, part in enumerate(parts) for one in split.get(number, [part])]


def _results(
    tasks: Sequence[_Task], params: FacesParams, at_once: int | None = None
) -> Iterator[tuple[int, list[int] | None]]:
    """Run tasks; yields each task's number and the number of images of each file when it is finished.

    The counts are None if the task's process died.
    """
    with _executor(params, tasks[0].items[0].crop, at_once or len(tasks)) as (submit, ahead):
        numbers = range(len(tasks))
        for number, future in look_ahead(lambda one: submit(tasks[one]), numbers, at_once or ahead):
            try:
                yield number, future.result()
            except Exception as error:
                if not _is_lost(error):
                    raise
                yield number, None


@contextmanager
def _executor(params: FacesParams, crop: CropKind, tasks: int) -> Iterator[tuple[_Submit, int]]:
    """A function that submits a task, and the number of tasks to submit in advance."""
    if params.executor == "dask":
        with _dask(params.scheduler) as client:
            try:
                yield partial(_submit_to, client, params), _CLUSTER_TASKS
            except CancelledError:
                raise UserError(
                    f"the connection to the Dask cluster at {params.scheduler} was lost",
                    fix="start the cluster and run the stage again; finished files are not processed again",
                ) from None
        return
    workers = min(params.workers or os.cpu_count() or 1, tasks)
    prepare = partial(_extractor, params) if crop == "faces" else None
    with WorkerPool(workers, prepare=prepare, preload=[__name__]) as pool:
        yield partial(pool.submit, partial(_work, params=params)), 2 * workers


def _submit_to(client: Any, params: FacesParams, task: _Task) -> Future[list[int]]:
    """Submit a task to a Dask cluster.

    Dask's own adapter, `Client.get_executor`, hides why a task failed: in our tests a task whose worker had
    died raised a ValueError about unpacking.
    """
    future: Future[list[int]] = Future()

    def hand_over(remote: Any) -> None:
        if remote.status == "finished":
            future.set_result(remote.result())
        else:
            future.set_exception(CancelledError() if remote.status == "cancelled" else remote.exception())

    client.submit(_work, task, params=params, pure=False).add_done_callback(hand_over)
    return future


@contextmanager
def _dask(scheduler: str | None) -> Iterator[Any]:
    if scheduler is None:
        raise UserError(
            "faces.executor is `dask`, but faces.scheduler names no cluster",
            expected="an address such as tcp://login-node:8786",
            fix="start one with `dask scheduler` and `dask worker`, or set faces.executor to local",
        )
    with connected(scheduler, "faces.scheduler") as client:
        yield client


def _is_lost(error: Exception) -> bool:
    """Whether the task's process died."""
    return isinstance(error, TaskLostError) or type(error).__name__ == "KilledWorker"  # the latter is Dask's


def _reject(task: _Task) -> None:
    """Write the archive of a single file that ends its process."""
    (item,) = task.items
    with writing_archive(task.archive) as archive:
        archive.finish([Extraction(FileMetadata(_sha256(item.path)), [], [Rejection(_FATAL)])])


def _work(task: _Task, params: FacesParams) -> list[int]:
    """Make the archive of a task, unless it exists; returns the number of images of each file."""
    if (counts := _finished(task)) is not None:
        return counts
    with writing_archive(task.archive) as archive:
        extractions = _extract(task.items, archive, params)
        archive.finish(extractions)
    return [len(extraction.crops) for extraction in extractions]


def _finished(task: _Task) -> list[int] | None:
    """The number of images of each file; None if the archive is damaged or a raw file has changed."""
    if not is_whole(task.archive):
        return None
    with ArchiveReader(task.archive) as archive:
        for item, extraction in zip(task.items, archive.extractions, strict=True):
            if not extraction.metadata.sha256 or extraction.metadata.sha256 != _sha256(item.path):
                return None
        return [len(extraction.crops) for extraction in archive.extractions]


def _extract(items: Sequence[WorkItem], archive: ArchiveWriter, params: FacesParams) -> list[Extraction]:
    if items[0].crop == "whole":
        cv2.setNumThreads(1)  # one process per core: more threads would only compete
        return [extract_whole(one.path, one.kind, one.crop_box, archive, params) for one in items]
    return _extractor(params).extract(items, [archive] * len(items))


@lru_cache(maxsize=1)
def _extractor(params: FacesParams) -> FaceExtractor:
    """The extractor of this process.

    Raises:
        UserError: If dlib's models are missing.
    """
    cv2.setNumThreads(1)  # one process per core: more threads would only compete
    return FaceExtractor(params)


def _sha256(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError:
        return ""
