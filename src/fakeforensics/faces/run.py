"""All raw files of a source: fan-out over processes, resuming after a kill, and the final shards."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack, contextmanager
from functools import lru_cache, partial
from importlib.metadata import distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import cv2

from fakeforensics.cluster import connected
from fakeforensics.code import code_hashes
from fakeforensics.errors import UserError
from fakeforensics.faces.assemble import SourceFile, Totals, assemble
from fakeforensics.faces.extract import FaceExtractor, WorkItem
from fakeforensics.faces.results import Extraction, Rejection, is_whole, read_extraction, writing_archive
from fakeforensics.faces.still import FileMetadata
from fakeforensics.files import explain_full_disk, hold, sha256_file
from fakeforensics.images.index import image_keys
from fakeforensics.params import FacesParams
from fakeforensics.processes import TaskLostError, WorkerPool, look_ahead
from fakeforensics.progress import Progress

if TYPE_CHECKING:
    from fakeforensics.sources.base import RawFile

# Stills are quick: several make one task, so that handing tasks out costs little.
_STILLS_PER_TASK = 16
# Tasks that a cluster of unknown size has in hand.
_CLUSTER_TASKS = 512
_FATAL = "reading it ends the process: out of memory, or damaged so that the decoder crashes"
# These change how the work is done, not its result.
_WITHOUT_EFFECT = {"workers", "executor", "scheduler", "max_rejected", "shard_mb"}
_LIBRARIES = ("dlib-bin", "dlib", "av", "opencv-python-headless", "opencv-python", "numpy")


class _Task(NamedTuple):
    item: WorkItem
    archive: Path


_Submit = Callable[[Sequence[_Task]], "Future[list[int]]"]


def make_images(
    source: str,
    root: Path,
    records: Sequence[RawFile],
    crop: Literal["faces", "whole"],
    params: FacesParams,
    out: Path,
    scratch_root: Path,
) -> Totals:
    """Crop a whole source and write its shards, index and list of rejections.

    What an interrupted run with the same settings and code finished is reused. The result's bytes depend
    neither on that nor on the number of workers.

    Args:
        source: The source's name.
        root: Its folder.
        records: Its files.
        crop: `faces` for aligned crops, `whole` for images as they are.
        params: The `faces` group.
        out: The folder to write; replaced when all is done.
        scratch_root: Where unfinished work is kept.

    Raises:
        UserError: If nothing is readable, more than `max_rejected` of the files are rejected, or the disk is
            full.
    """
    # Absolute, as the workers of a cluster have a working directory of their own.
    root, scratch_root = root.absolute(), scratch_root.absolute()
    lock = hold(scratch_root / f".{source}.lock", f"the extraction of the source {source}")
    with explain_full_disk(scratch_root), lock:
        scratch = _open_scratch(scratch_root, source, fingerprint(crop, params))
        files = _source_files(source, records, scratch)
        tasks = [
            _Task(WorkItem(root / record.path, record.kind, crop, record.crop_box), archive)
            for record, _, archive in files
        ]
        _extract_all(source, tasks, params)
        totals = assemble(source, files, params, scratch / "out", out)
        shutil.rmtree(scratch)
    return totals


def fingerprint(crop: Literal["faces", "whole"], params: FacesParams) -> str:
    """16 hexadecimal digits that change with whatever changes a crop."""
    identity = {
        "crop": crop,
        "settings": params.model_dump(mode="json", exclude=_WITHOUT_EFFECT),
        "code": code_hashes("fakeforensics.faces.extract"),
        "versions": _versions(),
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def _versions() -> dict[str, str]:
    # The same module comes under several names.
    return {one: version(one) for one in _LIBRARIES if next(iter(distributions(name=one)), None)}


def _open_scratch(root: Path, source: str, digits: str) -> Path:
    """Make the folder of a source's unfinished work; that of other settings or code is useless and goes."""
    folder = root / f"{source}-{digits}"
    folder.mkdir(parents=True, exist_ok=True)
    for other in root.glob(f"{source}-*"):
        if other != folder and len(other.name) == len(folder.name):
            shutil.rmtree(other)
    return folder


def _source_files(source: str, records: Sequence[RawFile], scratch: Path) -> list[SourceFile]:
    """The files in the order of their keys, each with a place for its extraction."""
    ordered = sorted(records, key=lambda record: os.fsencode(record.path))
    keys = image_keys(source, [record.path for record in ordered])
    files = []
    for record, key in zip(ordered, keys, strict=True):
        name = hashlib.sha256(os.fsencode(record.path)).hexdigest()[:32]
        folder = scratch / "extracted" / name[:2]  # some hundred files per folder
        folder.mkdir(parents=True, exist_ok=True)
        files.append(SourceFile(record, key, folder / f"{name}.zip"))
    return sorted(files, key=lambda file: file.key)


def _extract_all(source: str, tasks: Sequence[_Task], params: FacesParams) -> None:
    """Make the archive of each task, and show how far the work is."""
    images = rejected = 0
    with Progress(f"images of {source}", "files", len(tasks)) as progress:
        for count in _results(tasks, params):
            images += count
            rejected += count == 0
            progress.advance(images=images, rejected=rejected)


def _results(tasks: Sequence[_Task], params: FacesParams) -> Iterator[int]:
    """The number of images of each file, in the order in which they are done."""
    batches, alone = list(_batches(tasks)), False
    while batches:
        lost: list[_Task] = []
        with _executor(params, 1 if alone else len(batches)) as (submit, ahead):
            for batch, future in look_ahead(submit, batches, 1 if alone else ahead):
                try:
                    yield from future.result()
                except Exception as error:
                    if not _is_lost(error):
                        raise
                    if alone:
                        _reject(batch[0])
                        yield 0
                    else:
                        lost += batch
        # A file of the batch may be why, or another process that took the memory: now each file runs alone.
        batches, alone = [[task] for task in lost], True


def _batches(tasks: Sequence[_Task]) -> Iterator[list[_Task]]:
    batch: list[_Task] = []
    for task in tasks:
        batch.append(task)
        if task.item.kind == "video" or len(batch) == _STILLS_PER_TASK:
            yield batch
            batch = []
    if batch:
        yield batch


@contextmanager
def _executor(params: FacesParams, tasks: int) -> Iterator[tuple[_Submit, int]]:
    """A function that submits a batch, and how many batches to have in hand at once."""
    if params.executor == "dask":
        with _dask(params.scheduler) as client:
            try:
                yield partial(_submit_to, client, params), _CLUSTER_TASKS
            except CancelledError:
                raise UserError(
                    f"the Dask cluster at {params.scheduler} went away",
                    fix="start it and run the stage again: finished files are not processed again",
                ) from None
        return
    workers = min(params.workers or os.cpu_count() or 1, tasks)
    with WorkerPool(workers, prepare=partial(_extractor, params), preload=[__name__]) as pool:
        yield partial(pool.submit, partial(_work, params=params)), 2 * workers


def _submit_to(client: Any, params: FacesParams, batch: Sequence[_Task]) -> Future[list[int]]:
    """Submit a batch to a Dask cluster.

    Dask's own adapter, `Client.get_executor`, hides why a task failed: in our tests a task whose worker had
    died came back as a ValueError about unpacking.
    """
    future: Future[list[int]] = Future()

    def hand_over(remote: Any) -> None:
        if remote.status == "finished":
            future.set_result(remote.result())
        else:
            future.set_exception(CancelledError() if remote.status == "cancelled" else remote.exception())

    client.submit(_work, batch, params=params, pure=False).add_done_callback(hand_over)
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
    with writing_archive(task.archive) as archive:
        archive.finish(Extraction(FileMetadata(_sha256(task.item.path)), [], [Rejection(_FATAL)]))


def _work(batch: Sequence[_Task], params: FacesParams) -> list[int]:
    """Make the archives of a batch, unless an earlier run made them; the number of images in each."""
    counts = [_finished(task) for task in batch]
    fresh = iter(_extract([task for task, count in zip(batch, counts, strict=True) if count is None], params))
    return [next(fresh) if count is None else count for count in counts]


def _finished(task: _Task) -> int | None:
    if not is_whole(task.archive):
        return None
    extraction = read_extraction(task.archive)
    known = extraction.metadata.sha256
    return len(extraction.crops) if known and known == _sha256(task.item.path) else None


def _extract(tasks: Sequence[_Task], params: FacesParams) -> list[int]:
    items = [task.item for task in tasks]
    with ExitStack() as stack:
        archives = [stack.enter_context(writing_archive(task.archive)) for task in tasks]
        results = _extractor(params).extract(items, archives)
        for archive, extraction in zip(archives, results, strict=True):
            archive.finish(extraction)
    return [len(extraction.crops) for extraction in results]


@lru_cache(maxsize=1)
def _extractor(params: FacesParams) -> FaceExtractor:
    """This process's extractor.

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
