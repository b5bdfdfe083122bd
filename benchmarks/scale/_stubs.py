"""A project whose stages are those of dvc.yaml with commands that only write small files."""

from __future__ import annotations

import io
import re
import resource
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DETECTORS = ("bce", "sad", "joint")
THEN = "4a81131"  # the commit whose figures the issue about scale names
LISTS = ("index.parquet", "rejected.csv", "undetected.csv", "decisions.json")
PROTOCOL = "p000"
_STUB = 'for path; do mkdir -p "$(dirname "$path")" && echo 1 >"$path"; done\n'
_NAMES = {"${item.protocol}": PROTOCOL, "${item}": PROTOCOL}


def dvc(folder: Path, *arguments: str) -> str:
    """Run DVC in a folder and return what it printed.

    Raises:
        RuntimeError: If it fails.
    """
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def cpu_seconds(folder: Path, *arguments: str) -> float:
    """What a DVC command takes of the processor, which other programs on the machine change little."""
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    dvc(folder, *arguments)
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    return end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime


def stub_project(folder: Path, commit: str, sources: int = 1, shards: int = 1) -> None:
    """Write a Git and DVC repository with the pipeline of a commit for one protocol, in which everything ran.

    Args:
        folder: Where; made anew.
        commit: Whose dvc.yaml; empty for that of the working tree.
        sources: How many sources params.yaml names.
        shards: How many each of them has.
    """
    _take_pipeline(folder, commit)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    named = {f"s{number:02}": {"layout": "folder", "root": "nowhere"} for number in range(sources)}
    params |= {"protocols": [PROTOCOL], "detectors": [*DETECTORS], "sources": named}
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    (folder / "stub.sh").write_text(_STUB)
    files = [folder / "dvc.yaml"]
    if (folder / "pipelines").is_dir():
        (folder / "pipelines" / PROTOCOL).mkdir()
        (folder / "pipelines" / PROTOCOL / "protocol.yaml").write_text(f"protocol: [{PROTOCOL}]\n")
        files.append(folder / "pipelines" / PROTOCOL / "dvc.yaml")
        (folder / "pipelines/template.yaml").rename(files[1])
        (folder / "pipelines/template.yaml").write_text("")
    pipelines = [yaml.safe_load(path.read_text()) for path in files]
    stages = [stage for pipeline in pipelines for stage in pipeline["stages"].values()]
    read = {one for stage in stages for dep in _paths(stage, "deps") for one in _resolved(dep, [*named])}
    names = [f"shard-{number:05}.tar" for number in range(shards)]
    images = {f"data/images/s00/{name}" for name in (*names, *LISTS)}
    for stage in stages:
        _replace_command(stage, read | images)
    written = {one for stage in stages for out in _outputs(stage) for one in _resolved(out, [*named])}
    folders = {parent for path in read | written for parent in _parents(path)}
    for path in sorted(read - folders):
        if not any(path == out or out in _parents(path) for out in written):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text("x\n")
    for file, pipeline in zip(files, pipelines, strict=True):
        pipeline.pop("artifacts", None)
        file.write_text(yaml.safe_dump(pipeline, sort_keys=False, width=1000))
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    dvc(folder, "init", "--quiet")
    dvc(folder, "config", "core.analytics", "false")
    dvc(folder, "repro", "--quiet")


def multiply(folder: Path, count: int) -> None:
    """Give the project's only protocol copies that have run as well, `p001` and so on."""
    names = [f"p{number:03}" for number in range(1, count)]
    params = (folder / "params.yaml").read_text()
    listed = "".join(f"- {name}\n" for name in (PROTOCOL, *names))
    (folder / "params.yaml").write_text(params.replace(f"- {PROTOCOL}\n", listed))
    for path in sorted(folder.rglob(f"{PROTOCOL}*")):
        if ".dvc/" not in path.as_posix():
            for name in names:
                copy = path.with_name(path.name.replace(PROTOCOL, name))
                if path.is_dir():
                    shutil.copytree(path, copy, dirs_exist_ok=True)
                    for named in (*copy.glob("dvc.lock"), *copy.glob("protocol.yaml")):
                        named.write_text(named.read_text().replace(PROTOCOL, name))
                else:
                    shutil.copy(path, copy)
    lock = (folder / "dvc.lock").read_text()
    entries = re.split(r"^(?=  \S)", lock, flags=re.MULTILINE)
    of_it = [entry for entry in entries if PROTOCOL in entry.partition("\n")[0]]
    more = (entry.replace(PROTOCOL, name) for name in names for entry in of_it)
    (folder / "dvc.lock").write_text("".join([*entries, *more]))
    for pattern in (".gitignore", "**/.gitignore"):
        for path in folder.glob(pattern):
            lines = path.read_text().splitlines()
            of_it = [line for line in lines if PROTOCOL in line]
            lines += [line.replace(PROTOCOL, name) for name in names for line in of_it]
            path.write_text("\n".join(dict.fromkeys(lines)) + "\n")


def _take_pipeline(folder: Path, commit: str) -> None:
    folder.mkdir(parents=True)
    if not commit:
        for name in ("dvc.yaml", "params.yaml", "pipelines/template.yaml"):
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        return
    archive = subprocess.run(
        ["git", "archive", commit, "dvc.yaml", "params.yaml"], cwd=ROOT, capture_output=True, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")


def _body(stage: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = stage.get("do", stage)
    return body


def _paths(stage: dict[str, Any], *kinds: str) -> list[str]:
    listed = (one for kind in kinds for one in _body(stage).get(kind, ()))
    return [one if isinstance(one, str) else next(iter(one)) for one in listed]


def _outputs(stage: dict[str, Any]) -> list[str]:
    return _paths(stage, "outs", "metrics", "plots")


def _parents(path: str) -> set[str]:
    return {str(parent) for parent in PurePosixPath(path).parents}


def _resolved(path: str, sources: Sequence[str] = ("s00",)) -> list[str]:
    for expression, name in _NAMES.items():
        path = path.replace(expression, name)
    found = [path.replace("${item.detector}", name) for name in DETECTORS]
    return sorted({one.replace("${key}", source) for one in found for source in sources})


def _replace_command(stage: dict[str, Any], read: set[str]) -> None:
    """Let a stage write a small file for each of its outputs, and in its folders those that others read."""
    written = []
    for out in _outputs(stage):
        (first, *_) = _resolved(out)
        inside = [path.removeprefix(first) for path in read if first in _parents(path)]
        written += [out + path for path in sorted(inside)] or [out]
    kept = [path for path in written if path.endswith("protocol.yaml")]  # it is there and holds a name
    _body(stage)["cmd"] = "true" if kept else f"sh stub.sh {' '.join(written)}"
