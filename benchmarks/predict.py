"""How long `fakeforensics predict` takes from its start to its end, against another commit or against torch.

The two run in turn as processes of their own, so that a change of the machine's speed affects both.
"""

from __future__ import annotations

import csv
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

COMMAND = "import sys; from fakeforensics.cli import main; main()"


def main(
    photograph: Annotated[Path, typer.Argument(help="One photograph with a face.")],
    folder: Annotated[
        Path | None, typer.Argument(help="A folder of photographs; none leaves it out.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="`src` of another checkout to compare with; by default this one with torch."),
    ] = None,
    rounds: Annotated[int, typer.Option(help="The ratios are medians over them.")] = 5,
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
) -> None:
    """Print the table and write the figures as flat JSON."""
    from benchmarks.inference import untrained_model
    from fakeforensics.files import write_json
    from fakeforensics.inference.export import add_onnx
    from fakeforensics.inference.package import Package

    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        model = untrained_model(Path(name) / "models/p/joint", "faces")
        began = time.perf_counter()
        record = add_onnx(Package(model), Path(name))
        figures["export_seconds"] = time.perf_counter() - began
        if record.reason is not None:
            raise typer.BadParameter(f"the detector has no ONNX form here: {record.reason}")
        ours = [str(Path(__file__).parents[1] / "src"), "--runtime", "onnxruntime"]
        theirs = [ours[0], "--runtime", "torch"] if against is None else [str(against.resolve())]
        for what, path in {"one": photograph, "folder": folder}.items():
            if path is not None:
                figures |= _compare(what, str(path), str(model), {"ours": ours, "theirs": theirs}, rounds)
    if json_file:
        write_json(json_file, figures)


def _compare(what: str, path: str, model: str, ways: dict[str, list[str]], rounds: int) -> dict[str, Any]:
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    printed = {}
    for number in range(rounds + 1):
        for name, (source, *options) in ways.items():
            began = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", COMMAND, "predict", path, "--model", model, "--csv", *options],
                env=os.environ | {"PYTHONPATH": source},
                capture_output=True,
                text=True,
                check=False,  # it is 1 if a file could not be scored
            )
            if number:  # the first round warms up
                seconds[name].append(time.perf_counter() - began)
            if not done.stdout:
                raise typer.BadParameter(done.stderr)
            printed[name] = list(csv.DictReader(io.StringIO(done.stdout)))
    ratios = [ours / theirs for ours, theirs in zip(seconds["ours"], seconds["theirs"], strict=True)]
    gaps = [
        abs(float(ours["logit"]) - float(theirs["logit"])) / max(1, abs(float(theirs["logit"])))
        for ours, theirs in zip(printed["ours"], printed["theirs"], strict=True)
        if ours["logit"]
    ]
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    typer.echo(
        f"{what:>6}: {len(gaps)} faces, {medians['ours']:.2f} s, was {medians['theirs']:.2f} s, ratio "
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}), score gap {max(gaps):.1e}"
    )
    return {
        f"{what}_faces": len(gaps),
        f"{what}_seconds": medians["ours"],
        f"{what}_seconds_before": medians["theirs"],
        f"{what}_ratio": statistics.median(ratios),
        f"{what}_score_gap": max(gaps),
    }


if __name__ == "__main__":
    typer.run(main)
