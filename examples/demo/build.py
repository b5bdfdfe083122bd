"""Makes all demo data sets, on all cores of the machine."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from examples.demo import VERSION, Recipe, celeb_df, cnn_synth, dffd
from fakeforensics.errors import UserError
from fakeforensics.files import atomic_directory, sha256_file
from fakeforensics.processes import TaskLostError, WorkerPool

NOTE = "Demo data: one public-domain portrait warped into many synthetic identities. Not a benchmark."
_CHUNK = 16
Task = tuple[Callable[..., Any], tuple[Any, ...]]


def build(output: Path, seed: int, recipe: Recipe | None = None, workers: int = 0) -> dict[str, Any]:
    """Make the demo data in `output`, which is replaced as a whole at the end.

    Args:
        output: Output folder for `Celeb-DF-v2`, `DFFD` and `CNN_synth`.
        seed: The same seed gives the same bytes on every processor and with any number of workers.
        recipe: The sizes; by default those of `Recipe`.
        workers: Number of processes; 0 takes one per core.

    Returns:
        The summary for `data/demo.json`: see `summarize`.

    Raises:
        UserError: If a process dies, or the disk is full.
    """
    recipe = recipe or Recipe()
    with atomic_directory(output) as folder, WorkerPool(workers, preload=[__name__]) as pool:
        stills = {name: (dffd.train_generator, (name, recipe, seed)) for name in dffd.GENERATORS}
        wholes = {name: (cnn_synth.train_generator, (name, recipe, seed)) for name in cnn_synth.SETS}
        trained = _run(pool, [*stills.values(), *wholes.values()])
        face_networks = dict(zip(stills, trained, strict=False))
        photo_networks = dict(zip(wholes, trained[len(stills) :], strict=True))
        clips = celeb_df.plan(recipe)
        tasks: list[Task] = [(_clip, (clip, recipe, seed, folder)) for clip in clips]
        tasks += [(_stills, (part, face_networks, seed, folder)) for part in _chunks(dffd.plan(recipe))]
        tasks += [
            (_pictures, (part, photo_networks, seed, folder)) for part in _chunks(cnn_synth.plan(recipe))
        ]
        _run(pool, tasks)
        celeb_df.write_testing_list(recipe, folder / celeb_df.FOLDER)
        (folder / "README.txt").write_text(NOTE + "\n", encoding="utf-8")
        return summarize(folder, seed)


def summarize(folder: Path, seed: int) -> dict[str, Any]:
    """Count and hash the files of a demo folder.

    Returns:
        `note`, `recipe` (its version), `seed`, `counts` (files in each folder of images or clips), `files`,
        `bytes`, and `sha256` (one hash over all names and contents).
    """
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    total = hashlib.sha256()
    for name in files:
        total.update(f"{name}\0{sha256_file(folder / name)}\n".encode())
    media = Counter(name.rpartition("/")[0] for name in files if not name.endswith(".txt"))
    return {
        "note": NOTE,
        "recipe": VERSION,
        "seed": seed,
        "counts": dict(sorted(media.items())),
        "files": len(files),
        "bytes": sum((folder / name).stat().st_size for name in files),
        "sha256": total.hexdigest(),
    }


def _run(pool: WorkerPool, tasks: list[Task]) -> list[Any]:
    try:
        return [future.result() for _, future in pool.map(_call, tasks, ordered=True)]
    except TaskLostError as error:
        raise UserError(
            "a process that makes the demo died", found=str(error), fix="free some memory and run it again"
        ) from None


def _call(task: Task) -> Any:
    function, arguments = task
    return function(*arguments)


def _chunks(items: list[Any]) -> list[list[Any]]:
    return [items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK)]


def _clip(clip: celeb_df.Clip, recipe: Recipe, seed: int, folder: Path) -> None:
    celeb_df.make_clip(clip, recipe, seed, folder / celeb_df.FOLDER)


def _stills(stills: list[dffd.Still], networks: dict[str, Any], seed: int, folder: Path) -> None:
    for still in stills:
        dffd.make_still(still, networks, seed, folder / dffd.FOLDER)


def _pictures(pictures: list[cnn_synth.Picture], networks: dict[str, Any], seed: int, folder: Path) -> None:
    for picture in pictures:
        cnn_synth.make_picture(picture, networks, seed, folder / cnn_synth.FOLDER)
