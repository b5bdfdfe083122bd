"""What DVC adds to each stage, and to a command that finds nothing to do, with 1, 20 and 100 protocols.

python -m benchmarks.scale.lock --json lock.json
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.scale._stubs import PROTOCOL, THEN, cpu_seconds, dvc, multiply, stub_project
from fakeforensics.files import write_json

STAGES = ("splits@{}", "train@{}-bce", "score@{}-bce", "evaluate@{}-bce", "compare@{}")


def main(
    protocols: Annotated[list[int] | None, typer.Option(help="How many have run: 1, 20 and 100.")] = None,
    then: Annotated[str, typer.Option(help="The earlier commit; empty for none.")] = THEN,
    most_then: Annotated[int, typer.Option(help="The most protocols there.")] = 20,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
) -> None:
    """Print the table and write the figures as flat JSON."""
    figures: dict[str, float] = {}
    titles = ("s per stage", "dvc status", "no-op repro")
    typer.echo(f"{'protocols':15}{'lines of lock':>13}" + "".join(f"{title:>14}" for title in titles))
    for name, commit in {"now": "", then: then}.items():
        if not name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            one = Path(folder) / "one"
            stub_project(one, commit)
            for count in protocols or (1, 20, 100):
                if name == "now" or count <= most_then:
                    found = _measured(shutil.copytree(one, Path(folder) / "project"), commit, count)
                    figures |= {f"{name}_{count}_{key}": value for key, value in found.items()}
                    lines, *seconds = found.values()
                    shown = "".join(f"{value:14.2f}" for value in seconds)
                    typer.echo(f"{count:6} {name:>8}{lines:13.0f}{shown}")
                    shutil.rmtree(Path(folder) / "project")
    if json_file is not None:
        write_json(json_file, figures)


def _measured(folder: Path, commit: str, count: int) -> dict[str, float]:
    """Lines of the longest lock, and seconds of the processor."""
    multiply(folder, count)
    own = "" if commit else f"pipelines/{PROTOCOL}/dvc.yaml:"
    targets = [own + stage.format(PROTOCOL) for stage in STAGES] + ([] if commit else [f"page@{PROTOCOL}"])
    first, all_ = (
        cpu_seconds(folder, "repro", "--single-item", "--force", "--no-run-cache", *some)
        for some in (targets[:1], targets)
    )
    lines = max(path.read_text().count("\n") for path in folder.rglob("dvc.lock"))
    stage = (all_ - first) / (len(targets) - 1)
    dvc(folder, "repro")  # hashes the copies
    status, noop = (cpu_seconds(folder, command) for command in ("status", "repro"))
    return {"lock_lines": lines, "stage_seconds": stage, "status_seconds": status, "noop_seconds": noop}


if __name__ == "__main__":
    typer.run(main)
