"""The report on 100 simulated protocols, beside an earlier commit: processor seconds, bytes, what is written.

python -m benchmarks.scale.report --json report.json

The protocols are copies of one that has run here, by default the demo, so `dvc repro` comes first.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Annotated, Any

import typer

from fakeforensics.errors import UserError
from fakeforensics.files import write_json
from fakeforensics.sums import list_of, write_list
from fakeforensics.yaml12 import read_yaml

ROOT = Path(__file__).parents[2]
THEN = "4a81131"
# What a report is made of, by protocol. Only metrics are copied: the rest is read and never changed.
_LINKED = ("data/manifests", "data/scores", "models", "plots")
_NOW = """
import sys
from stages import page, report
for name in sys.argv[1:]:
    page.main(name)
report.main()
"""
_THEN = "from stages import report; report.main()"


def main(
    protocols: Annotated[int, typer.Option(min=1, help="Number of simulated protocols.")] = 100,
    copied: Annotated[str, typer.Option(help="The protocol that is copied; it has run here.")] = "demo",
    then: Annotated[str, typer.Option(help="The earlier commit; empty for none.")] = THEN,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
) -> None:
    """Print the table and write the figures as flat JSON."""
    if not (ROOT / f"data/scores/{copied}").is_dir():
        raise UserError(f"data/scores/{copied}: no such folder", fix="run `dvc repro` first")
    figures: dict[str, Any] = {"protocols": protocols}
    names = [f"simulated_{number:03}" for number in range(protocols)]
    typer.echo(
        f"{'':24}{'all, s':>9}{'one, s':>9}{'MB':>8}{'files':>8}{'largest page, MB':>18}{'touched':>9}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for commit in ("now", *([then] if then else [])):
            try:
                with _code(commit) as code:
                    found = _measure(Path(folder) / commit, code, names, copied, is_now=commit == "now")
            except UserError as error:
                if commit == "now":
                    raise
                typer.echo(f"{commit:24} does not run on today's files: {shorten(error.found or '', 120)}")
                continue
            title = "now" if commit == "now" else "then"
            figures |= {f"{title}_{name}": value for name, value in found.items()}
            typer.echo(
                f"{commit:24}{found['all_s']:9.1f}{found['one_s']:9.1f}{found['bytes'] / 1e6:8.1f}"
                f"{found['files']:8}{found['page_bytes'] / 1e6:18.2f}{found['touched']:9}"
            )
    if json_file is not None:
        write_json(json_file, figures)


def _measure(folder: Path, code: Path, names: list[str], copied: str, *, is_now: bool) -> dict[str, Any]:
    """Make the report, change one protocol's metrics, and make again what depends on them."""
    _simulate(folder, names, copied)
    script = _NOW if is_now else _THEN
    seconds = _run(folder, code, script, names)
    before = _state(folder / "report")
    path = sorted((folder / f"metrics/{names[0]}").glob("*.details.json"))[0]
    path = path.with_name(path.name.replace(".details", ""))
    metrics = json.loads(path.read_text(encoding="utf-8"))
    by_set = next(iter(metrics["ap"].values()))
    by_set[next(iter(by_set))] = 0.123456
    path.write_text(json.dumps(metrics), encoding="utf-8")
    listed = list_of(path).read_text(encoding="utf-8").splitlines()
    write_list(path.with_name(line.partition("  ")[2]) for line in listed if not line.startswith("#"))
    # DVC runs the stages whose dependencies changed: one protocol's page and the index, or the one report.
    again = _run(folder, code, script, names[:1])
    after = _state(folder / "report")
    pages = [size for name, (_, size) in after.items() if name.endswith(".html")]
    return {
        "all_s": seconds,
        "one_s": again,
        "bytes": sum(size for _, size in after.values()),
        "files": len(after),
        "page_bytes": max(pages),
        "touched": sum(before.get(name) != state for name, state in after.items()),
    }


def _simulate(folder: Path, names: list[str], copied: str) -> None:
    """A project of many protocols that are all like one."""
    params = read_yaml(ROOT / "params.yaml")
    write_json(folder / "params.yaml", params | {"protocols": names})  # JSON is YAML
    (folder / "protocols").mkdir()
    (folder / "data").mkdir()
    (folder / "data/images").symlink_to(ROOT / "data/images")
    for kind in _LINKED:
        (folder / kind).mkdir(parents=True)
    for name in names:
        shutil.copyfile(ROOT / f"protocols/{copied}.yaml", folder / f"protocols/{name}.yaml")
        shutil.copytree(ROOT / f"metrics/{copied}", folder / f"metrics/{name}")
        for kind in _LINKED:
            (folder / kind / name).symlink_to(ROOT / kind / copied)


@contextmanager
def _code(commit: str) -> Iterator[Path]:
    """The folder of a commit's code."""
    if commit == "now":
        yield ROOT
        return
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(
            ["git", "archive", commit, "src", "stages"], cwd=ROOT, check=True, capture_output=True
        )
        subprocess.run(["tar", "x", "-C", folder], input=archive.stdout, check=True)
        yield Path(folder)


def _run(folder: Path, code: Path, script: str, names: list[str]) -> float:
    """Run a script in a project with the code of a commit; returns the processor seconds that it takes."""
    environment = os.environ | {"PYTHONPATH": f"{code / 'src'}{os.pathsep}{code}"}
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", script, *names],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise UserError("the report could not be made", found=done.stderr.strip().rpartition("\n")[2])
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    return end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime


def _state(folder: Path) -> dict[str, tuple[int, int]]:
    """Of each file the time of its last change and its size."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in folder.rglob("*")
        if path.is_file()
    }


if __name__ == "__main__":
    typer.run(main)
