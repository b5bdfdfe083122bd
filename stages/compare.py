"""Stage `compare@<protocol>`: is one objective better than another on the same images?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Option

from stages._command import run_command


def main(
    protocol: Annotated[str, Option(help="A file in protocols/, without its suffix.")],
    params: Annotated[Path, Option(help="The settings.")] = Path("params.yaml"),
) -> None:
    """Compare S_CD and S_SL of joint, and S_CD of sad, with S_SL of bce by a paired bootstrap."""
    from fakeforensics.evaluation.intervals import Model, compare
    from fakeforensics.files import write_json
    from fakeforensics.params import load_params
    from fakeforensics.scores.table import RANKED_BY, in_order, read_scores
    from fakeforensics.scores.test_sets import read_test_sets

    settings = load_params(params)
    test_sets = read_test_sets(protocol)

    def model(objective: str, score: str) -> Model:
        table = in_order(read_scores(Path(f"data/scores/{protocol}/{objective}.parquet")), test_sets.names)
        return Model(f"{objective}/{score}", [table], RANKED_BY[score])

    rows = []
    for objective, score in (("joint", "cd"), ("joint", "sl"), ("sad", "cd")):
        first, second = model(objective, score), model("bce", "sl")
        draws = settings.evaluate.bootstrap
        rows += compare(first, second, test_sets.unseen, settings.seed, draws)
    write_json(Path(f"metrics/{protocol}/comparison.json"), {"ap_difference": rows})


if __name__ == "__main__":
    run_command(main)
