"""Stage `compare@<protocol>`: compare the detectors of a protocol on the same images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from fakeforensics.names import check_name
from stages._command import run_command


def main(
    protocol: Annotated[
        str, Option(callback=check_name, help="Name of a file in protocols/, without its suffix.")
    ],
    params: Annotated[Path, Option(help="Settings file.")] = Path("params.yaml"),
) -> None:
    """Compare every score of every detector with the baseline's first score by a paired bootstrap."""
    from fakeforensics.files import write_json
    from fakeforensics.metrics.compare import compare_with_baseline
    from fakeforensics.metrics.table import read_scores, read_test_sets
    from fakeforensics.params import load_params
    from fakeforensics.sums import write_list
    from stages._left_out import left_out

    settings = load_params(params)
    folder = Path("data/scores") / protocol
    detectors = {
        name: (read_scores(folder / f"{name}.parquet"), read_scores(folder / f"{name}.val.parquet"))
        for name in settings.detectors
        if left_out(protocol, name) is None
    }
    found = compare_with_baseline(
        detectors,
        settings.compare.baseline,
        read_test_sets(protocol),
        settings.seed,
        settings.evaluate.bootstrap,
    )
    out = Path(f"metrics/{protocol}/comparison.json")
    write_json(out, found)
    write_list([out])


if __name__ == "__main__":
    run_command(main, "seed", "detectors", "compare", "evaluate.bootstrap")
