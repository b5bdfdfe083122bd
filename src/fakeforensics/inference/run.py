"""The `predict` command: from arguments to printed answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from fakeforensics.errors import UserError
from fakeforensics.inference.answers import TextTable, as_dict, csv_lines, policy_line
from fakeforensics.inference.facts import DEMO_WARNING, is_demo
from fakeforensics.inference.inputs import Inputs, find_inputs
from fakeforensics.inference.judgement import Judgement
from fakeforensics.inference.trained import Trained, open_trained

if TYPE_CHECKING:
    from fakeforensics.inference.predict import Predictor

AS_IS_WARNING = (
    "The model was trained on aligned faces: what --as-is judges must be such crops; of other pictures the "
    "scores mean nothing."
)


class Shape(Enum):
    """How answers are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@dataclass(frozen=True)
class PredictCommand:
    """The command's options; `cli.predict` says what each is."""

    model: Path | None
    as_is: bool
    people: Literal["main", "stills", "all"]
    workers: int
    batch_size: int
    shape: Shape
    boxes: Path | None
    explain: Path | None

    def run(self, arguments: Sequence[str]) -> bool:
        """Judge and print.

        Args:
            arguments: Paths; "-" stands for a list on standard input.

        Returns:
            Whether every file could be judged.

        Raises:
            UserError: If the model cannot be used or there is nothing to judge.
        """
        trained = open_trained(self.model)
        inputs = _inputs(arguments)
        if trained.decision is None or self.shape is Shape.TABLE:
            typer.echo(policy_line(trained), err=True)
        if is_demo(trained):
            typer.secho(DEMO_WARNING, err=True, fg=typer.colors.YELLOW)
        if self.as_is and trained.crop == "faces":
            typer.secho(AS_IS_WARNING, err=True, fg=typer.colors.YELLOW)
        failed: list[Path] = []
        answers = self._watched(self._answers(trained, inputs), failed)
        if self.shape is Shape.JSON:
            _print_json(trained, answers)
        elif self.shape is Shape.CSV:
            for line in csv_lines(answers, trained.scores):
                typer.echo(line)
        else:
            _print_table(inputs, answers)
        if inputs.ignored:
            typer.echo(f"{inputs.ignored} other files in these folders were left out", err=True)
        return not failed

    def _answers(self, trained: Trained, inputs: Inputs) -> Iterator[Judgement]:
        from fakeforensics.inference.cutting import Recipe
        from fakeforensics.inference.predict import Options, Predictor

        recipe = Recipe("whole" if self.as_is else trained.crop, trained.faces, self.people)
        predictor = Predictor(trained, Options(recipe, self.batch_size, self.workers))
        pictures = self._pictures(predictor, [item.path for item in inputs.items])
        for judgement in predictor.predict(inputs.items):
            for write in pictures if judgement.reason is None else ():
                write(judgement)
            yield judgement

    def _pictures(self, predictor: Predictor, paths: Sequence[Path]) -> list[Callable[[Judgement], None]]:
        from fakeforensics.inference.galleries import HeatMaps, Marks

        writers: list[Callable[[Judgement], None]] = []
        if self.boxes is not None:
            writers.append(Marks(self.boxes, paths))
        if self.explain is not None:
            writers.append(HeatMaps(self.explain, paths, predictor))
        return writers

    @staticmethod
    def _watched(answers: Iterator[Judgement], failed: list[Path]) -> Iterator[Judgement]:
        for judgement in answers:
            if judgement.reason is not None:
                failed.append(judgement.path)
            yield judgement


def _inputs(arguments: Sequence[str]) -> Inputs:
    listed = sys.stdin if "-" in arguments else ()
    inputs = find_inputs([name for name in arguments if name != "-"], listed)
    if not inputs.items:
        raise UserError(
            "there is nothing to judge",
            found=f"{inputs.ignored} files, none of them an image or a video by its suffix",
            fix="name images, videos or folders that hold some",
        )
    return inputs


def _print_table(inputs: Inputs, answers: Iterator[Judgement]) -> None:
    table = TextTable(inputs.items)
    for number, judgement in enumerate(answers):
        if number == 0:  # only now is it known that the model is sound
            typer.echo(table.header())
        for line in table.lines(judgement):
            typer.echo(line)
    typer.echo(table.footer())


def _print_json(trained: Trained, answers: Iterator[Judgement]) -> None:
    decision = trained.decision
    head = {
        "model": trained.name,
        "demo": is_demo(trained),
        "weights_sha256": trained.raw_card["weights_sha256"],
        "decision": None if decision is None else decision.model_dump(mode="json", exclude={"calibrator"}),
        "files": [as_dict(judgement, trained.scores) for judgement in answers],
    }
    typer.echo(json.dumps(head, indent=2, allow_nan=False, ensure_ascii=False))
