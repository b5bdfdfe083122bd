"""Listing a source's raw files with their hashes, beside the same stage at an earlier commit.

python -m benchmarks.scale.inventory --json inventory.json
"""

from __future__ import annotations

import os
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.scale._then_and_now import ROOT, THEN, Cost, checked_out, run
from fakeforensics.files import write_json
from fakeforensics.yaml12 import read_yaml


def main(
    files: Annotated[int, typer.Option(help="How many files.")] = 50_000,
    size: Annotated[int, typer.Option(help="Bytes of each.")] = 4_096,
    then: Annotated[str, typer.Option(help="The earlier commit; empty for none.")] = THEN,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
) -> None:
    """Print the table and write the figures as flat JSON."""
    figures: dict[str, Any] = {"files": files, "size": size}
    with tempfile.TemporaryDirectory() as name, checked_out(then) if then else nullcontext() as code:
        folder = Path(name)
        _files(folder / "raw", files, size)
        commits = {"now": ROOT} | ({then: code} if code else {})
        costs = {commit: _stage(folder, checkout) for commit, checkout in commits.items()}
        for commit, cost in costs.items():
            in_git = sum(one.stat().st_size for one in (folder / "lists" / commit).glob("big.[cj]*"))
            typer.echo(f"{commit:10}{cost} {in_git / 1000:10.1f} kB in Git")
            figures |= {f"{commit} {what}": value for what, value in vars(cost).items()}
            figures[f"{commit} bytes in Git"] = in_git
    if json_file is not None:
        write_json(json_file, figures)


def _files(root: Path, files: int, size: int) -> None:
    for number in range(files):
        path = root / f"{number % 2}_{('real', 'fake')[number % 2]}" / f"{number:08d}.png"
        if number < 2:
            path.parent.mkdir(parents=True)
        path.write_bytes(os.urandom(size))


def _stage(folder: Path, code: Path) -> Cost:
    settings = read_yaml(code / "params.yaml")
    settings |= {"sources": {"big": {"layout": "folder", "root": "raw"}}}
    write_json(folder / "params.yaml", settings)
    commit = "now" if code == ROOT else code.name
    return run(code, "stages.inventory", ["--source", "big", "--out", f"lists/{commit}"], folder)


if __name__ == "__main__":
    typer.run(main)
