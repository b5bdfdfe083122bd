"""What the faces stage costs with many small whole images, in shards and in place, beside an earlier commit.

python -m benchmarks.scale.images --count 20000 --json images.json
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
import yaml

from fakeforensics.files import write_json
from fakeforensics.images.codec import encode_png

ROOT = Path(__file__).parents[2]
THEN = "7f2ee34"  # the last commit that made a file for each image
SOURCE = "tiny"
# In each process of a run: a byte in a file for each file that is created below .scratch.
COUNTER = """
import os, sys
log = os.open(os.environ["CREATED_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def note(event, values):
    if event == "open" and isinstance(values[0], str) and values[2] & os.O_CREAT and ".scratch" in values[0]:
        os.write(log, b".")
sys.addaudithook(note)
"""


def main(
    count: Annotated[int, typer.Option(help="Images, PNG of 16 pixels.")] = 5000,
    rounds: Annotated[int, typer.Option(help="Runs of each kind, in turn; the fastest counts.")] = 1,
    then: Annotated[str, typer.Option(help="The earlier commit; empty for none.")] = THEN,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
) -> None:
    """Print the table and write the figures as flat JSON."""
    kinds = [(then, "shards")] if then else []
    kinds += [("", "shards"), ("", "in_place")]
    figures: dict[str, Any] = {"images": count}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "counter").mkdir()
        (folder / "counter/sitecustomize.py").write_text(COUNTER)
        _make_images(folder / "raw", count)
        codes = {commit: _checked_out(commit, folder / f"code-{commit}") for commit, _ in kinds}
        for _ in range(rounds):
            for commit, storage in kinds:
                prefix = f"{'then' if commit else 'now'}_{storage}"
                for key, value in _run(folder, codes[commit], storage).items():
                    key = f"{prefix}_{key}"
                    # Of the seconds the fewest; the other figures are the same each time.
                    figures[key] = min(value, figures.get(key, value)) if key.endswith("_s") else value
    typer.echo(
        f"{count} whole images{'files in .scratch':>24}{'s':>10}{'s, main process':>18}{'MiB stored':>13}"
    )
    for prefix in dict.fromkeys(f"{'then' if commit else 'now'}_{storage}" for commit, storage in kinds):
        values = (figures[f"{prefix}_{key}"] for key in ("files", "wall_s", "main_s", "stored_mb"))
        typer.echo(f"{prefix:24}" + "{:16}{:10.1f}{:18.1f}{:13.2f}".format(*values))
    if then:
        for storage in ("shards", "in_place"):
            for key in ("files", "wall_s", "main_s"):
                ratio = figures[f"now_{storage}_{key}"] / figures[f"then_shards_{key}"]
                figures[f"ratio_{storage}_{key.removesuffix('_s')}"] = ratio
                typer.echo(f"{key.removesuffix('_s')}, {storage} now / shards then: {ratio:.4f}")
        same = figures["now_shards_sha256"] == figures["then_shards_sha256"]
        typer.echo(f"shards of the same bytes: {same}")
        figures["same_bytes"] = same
    if json_file is not None:
        write_json(json_file, figures)


def _make_images(root: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    for number in range(count):
        folder = root / ("0_real", "1_fake")[number % 2] / f"{number // 1000:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (16, 16, 3)).astype(np.uint8)
        (folder / f"{number:06d}.png").write_bytes(encode_png(pixels))


def _checked_out(commit: str, folder: Path) -> Path:
    """The code of a commit; this checkout without one."""
    if not commit:
        return ROOT
    packed = subprocess.run(
        ["git", "archive", commit, "src", "stages"], cwd=ROOT, check=True, capture_output=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def _run(folder: Path, code: Path, storage: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=folder) as name:
        project = Path(name)
        source: dict[str, Any] = {"layout": "folder", "root": str(folder / "raw"), "crop": "whole"}
        source |= {"options": {"group": "file"}}
        if storage != "shards":
            source["storage"] = storage
        params = {"protocols": ["p"], "detectors": ["bce"], "compare": {"baseline": "bce"}}
        (project / "params.yaml").write_text(yaml.safe_dump(params | {"sources": {SOURCE: source}}))
        log = project / "created"
        paths = (folder / "counter", code / "src", code)
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "CREATED_LOG": str(log),
        }
        command = [sys.executable, "-m", "stages.faces", "--source", SOURCE]
        begin = time.perf_counter()
        child = subprocess.Popen(command, cwd=project, env=environment, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)  # unlike `wait`, it tells the time of this process
        seconds = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"{' '.join(command)} at {code} ended with {child.returncode}")
        out = sorted((project / "data/images" / SOURCE).iterdir())
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in out)).hexdigest()
        return {
            "files": log.stat().st_size,
            "wall_s": seconds,
            "main_s": usage.ru_utime + usage.ru_stime,
            "stored_mb": sum(path.stat().st_size for path in out) / 2**20,
            "sha256": digest,
        }


if __name__ == "__main__":
    typer.run(main)
