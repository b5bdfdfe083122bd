"""All raw files of a source: fan-out over processes, resuming after a kill, and the final shards."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal, Protocol

from fakeforensics.errors import UserError
from fakeforensics.faces.assemble import Item, Totals, assemble
from fakeforensics.faces.facts import Facts
from fakeforensics.faces.part import Contents, Part, Rejection, writing_part
from fakeforensics.faces.pool import WorkerDiedError, fan_out, one_by_one
from fakeforensics.faces.progress import Progress
from fakeforensics.faces.scratch import Scratch
from fakeforensics.images.index import image_keys
from fakeforensics.params import FacesParams

# Stills are quick: several make one task, so that handing tasks out costs little.
_STILLS_A_TASK = 16
_KILLER = "reading it ends the process: out of memory, or damaged so that the decoder crashes"


class Record(Protocol):
    """What this room needs to know of a raw file; `fakeforensics.sources` yields such records."""

    @property
    def path(self) -> str:
        """Relative to the source's root, "/"-separated."""

    @property
    def kind(self) -> Literal["image", "video"]:
        """One picture or many frames."""

    @property
    def crop_box(self) -> tuple[int, int, int, int] | None:
        """The part of a still that counts."""


@dataclass(frozen=True)
class _Task:
    part: Path
    path: str
    kind: Literal["image", "video"]
    crop: Literal["faces", "whole"]
    crop_box: tuple[int, int, int, int] | None

    @property
    def busy(self) -> Path:
        """Exists while a worker has the file in hand."""
        return self.part.with_suffix(".busy")


@dataclass(frozen=True)
class _Done:
    part: Path
    images: int
    resumed: bool


def make_images(
    source: str,
    root: Path,
    records: Sequence[Any],
    crop: Literal["faces", "whole"],
    params: FacesParams,
    out: Path,
    scratch_root: Path,
) -> Totals:
    """Crop a whole source and write its shards, index and list of rejections.

    Work that an interrupted run with the same settings and code finished is taken over. The result's bytes
    depend neither on that nor on the number of workers.

    Args:
        source: The source's name.
        root: Its folder.
        records: Its files; beside what `Record` names, their fields go into the index.
        crop: `faces` for aligned crops, `whole` for images as they are.
        params: The `faces` group.
        out: The folder to write; replaced when all is done.
        scratch_root: Where unfinished work is kept.

    Raises:
        UserError: If nothing is readable, more than `max_rejected` of the files are rejected, or the disk is
            full.
    """
    items = _items(source, records)
    # Absolute, as the workers of a cluster have a working directory of their own.
    root, scratch_root = root.absolute(), scratch_root.absolute()
    scratch = Scratch(scratch_root, source, crop, params)
    try:
        scratch.open()
        tasks = [
            _Task(
                scratch.part(item.record.path),
                str(root / item.record.path),
                item.record.kind,
                crop,
                item.record.crop_box,
            )
            for item in items
        ]
        progress = Progress(source, len(tasks))
        for done in _results(tasks, params):
            progress.add(done.images, done.resumed)
        totals = assemble(source, items, scratch, params, out)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(
                f"the disk is full: {error.filename or scratch_root}",
                found=f"{shutil.disk_usage(_existing(scratch_root)).free / 2**20:.0f} MiB free",
                fix="free some space and run the stage again: what is finished is not done twice",
            ) from None
        raise
    scratch.remove()
    return totals


def _items(source: str, records: Sequence[Any]) -> list[Item]:
    ordered = sorted(records, key=lambda record: os.fsencode(record.path))
    keys = image_keys(source, [record.path for record in ordered])
    items = [Item(key, record) for key, record in zip(keys, ordered, strict=True)]
    return sorted(items, key=lambda item: item.key)


def _results(tasks: Sequence[_Task], params: FacesParams) -> Iterator[_Done]:
    """The result of each task, once, whatever workers die."""
    work = partial(_work, params=params)
    seen: set[Path] = set()
    while True:
        # Files that were in hand when a process, or the last run, died: one of them may be why.
        suspects = [[task] for task in tasks if task.busy.exists()]
        for (task,), results in one_by_one(work, suspects):
            if results is None:
                _reject(task)
        try:
            for results in fan_out(work, list(_batches(tasks)), params):
                yield from (done for done in results if done.part not in seen)
                seen.update(done.part for done in results)
        except WorkerDiedError as error:
            if any(task.busy.exists() for task in tasks):
                continue
            raise UserError(
                "the worker processes end before they begin to work",
                found=str(error),
                fix="give them more memory, or set faces.workers lower",
            ) from None
        return


def _reject(task: _Task) -> None:
    with writing_part(task.part) as part:
        part.finish(Contents(Facts(_sha256(task.path)), [], [Rejection(_KILLER)]))
    task.busy.unlink()


def _batches(tasks: Sequence[_Task]) -> Iterator[list[_Task]]:
    batch: list[_Task] = []
    for task in tasks:
        batch.append(task)
        if task.kind == "video" or len(batch) == _STILLS_A_TASK:
            yield batch
            batch = []
    if batch:
        yield batch


def _work(batch: Sequence[_Task], params: FacesParams) -> list[_Done]:
    done = [_finished(task) for task in batch]
    fresh = [number for number, one in enumerate(done) if one is None]
    if fresh:
        tasks = [batch[number] for number in fresh]
        for number, contents in zip(fresh, _make(tasks, params), strict=True):
            done[number] = _Done(batch[number].part, len(contents.crops), resumed=False)
    return [one for one in done if one is not None]


def _finished(task: _Task) -> _Done | None:
    part = Part(task.part)
    if not part.is_whole():
        return None
    contents = part.contents()
    if not contents.facts.sha256 or contents.facts.sha256 != _sha256(task.path):
        return None
    return _Done(task.part, len(contents.crops), resumed=True)


def _make(tasks: Sequence[_Task], params: FacesParams) -> list[Contents]:
    from fakeforensics.faces.extract import Job

    jobs = [Job(Path(task.path), task.kind, task.crop, task.crop_box) for task in tasks]
    for task in tasks:
        task.busy.touch()
    with ExitStack() as stack:
        parts = [stack.enter_context(writing_part(task.part)) for task in tasks]
        results: list[Contents] = _extractor(params).extract(jobs, parts)
        for part, contents in zip(parts, results, strict=True):
            part.finish(contents)
    for task in tasks:
        task.busy.unlink(missing_ok=True)
    return results


@lru_cache(maxsize=1)
def _extractor(params: FacesParams) -> Any:
    import cv2

    from fakeforensics.faces.extract import Extractor

    # One process a core: threads inside would only get in each other's way.
    cv2.setNumThreads(1)
    return Extractor(params)


def _sha256(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.absolute().parent)
