"""`dvc repro` and `dvc status` with nothing to do, on a million images in 50 sources.

python -m benchmarks.scale.noop --json noop.json
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.scale._stubs import THEN, cpu_seconds, stub_project
from fakeforensics.files import write_json

IMAGE_BYTES = 78_800  # of a stored crop of 256 pixels, docs/benchmarks.md
SHARD_BYTES = 256 * 2**20  # faces.shard_mb


def main(
    images: Annotated[int, typer.Option(help="Images in all.")] = 1_000_000,
    sources: Annotated[int, typer.Option(help="Sources in all.")] = 50,
    then: Annotated[str, typer.Option(help="The earlier commit; empty for none.")] = THEN,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
) -> None:
    """Print the table and write the figures as flat JSON.

    DVC knows a file by its time, size and inode, so the simulated shards are as many as real ones, but small.
    """
    shards = -(-images * IMAGE_BYTES // (sources * SHARD_BYTES))
    figures: dict[str, float] = {"images": images, "sources": sources, "shards": shards * sources}
    typer.echo(f"{images} images, {sources} sources, {shards} shards each; processor seconds")
    for name, commit in {"now": "", then: then}.items():
        if name:
            with tempfile.TemporaryDirectory() as folder:
                project = Path(folder) / "project"
                stub_project(project, commit, sources, shards)
                for command in ("repro", "status"):
                    figures[f"{name}_{command}_seconds"] = cpu_seconds(project, command)
            repro, status = (figures[f"{name}_{command}_seconds"] for command in ("repro", "status"))
            typer.echo(f"{name:>8}   dvc repro {repro:6.2f}   dvc status {status:6.2f}")
    if json_file is not None:
        write_json(json_file, figures)


if __name__ == "__main__":
    typer.run(main)
