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
    from fakeforensics.evaluation.comparison import Model, compare
    from fakeforensics.evaluation.fakes_alone import Judgement, judge
    from fakeforensics.evaluation.fakes_alone_intervals import compare_accuracies
    from fakeforensics.files import write_json
    from fakeforensics.params import load_params
    from fakeforensics.scores.table import RANKED_BY, by_instances, in_order, read_scores
    from fakeforensics.scores.test_sets import read_test_sets

    settings = load_params(params)
    test_sets, folder = read_test_sets(protocol), Path("data/scores") / protocol
    tables, judged = {}, {}
    for objective in ("bce", "sad", "joint"):
        models = by_instances(read_scores(folder / f"{objective}.parquet"))
        in_turn = {number: in_order(rows, test_sets.names) for number, rows in models.items()}
        tables[objective] = list(in_turn.values())[-1]
        judged[objective] = judge(in_turn, by_instances(read_scores(folder / f"{objective}.val.parquet")))

    def model(objective: str, score: str) -> Model:
        return Model(f"{objective}/{score}", [tables[objective]], RANKED_BY[score])

    def verdicts(objective: str, score: str) -> tuple[str, list[Judgement]]:
        return f"{objective}/{score}", [one for one in judged[objective] if one.score == score]

    precision, accuracy = [], []
    for pair in (("joint", "cd"), ("joint", "sl"), ("sad", "cd")):
        draws = settings.seed, settings.evaluate.bootstrap
        precision += compare(model(*pair), model("bce", "sl"), test_sets.unseen, *draws)
        accuracy += compare_accuracies(verdicts(*pair), verdicts("bce", "sl"), *draws)
    found = {"ap_difference": precision, "accuracy_difference": accuracy}
    write_json(
        Path(f"metrics/{protocol}/comparison.json"), {name: rows for name, rows in found.items() if rows}
    )


if __name__ == "__main__":
    run_command(main)
