"""Answers as a table for people, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from fakeforensics.images.keys import printable_path
from fakeforensics.inference.facts import score_name
from fakeforensics.inference.inputs import Item
from fakeforensics.inference.judgement import Answer, Face, Judgement
from fakeforensics.inference.trained import Trained
from fakeforensics.metrics.spec import Scores, find_score

COLORS = {"fake": typer.colors.RED, "real": typer.colors.GREEN}
_FACE, _NUMBER = 17, 11


def shown(path: Path) -> str:
    """A file's name that no terminal stumbles over."""
    name = printable_path(str(path))
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in name)


def policy_line(trained: Trained) -> str:
    """What decides, in one line."""
    decision = trained.decision
    if decision is None:
        return f"model {trained.name}: no threshold is known, so there are scores but no verdicts"
    how = f"{score_name(find_score(trained.scores, decision.score))}; {decision.chosen}"
    return f"model {trained.name}: fake from {decision.threshold:.4g} ({how})"


class TextTable:
    """One line a face, or a person of a video, printed as answers come.

    Args:
        items: What will be answered, for the width of the first column.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        self._width = max(4, *(len(shown(item.path)) for item in items))
        self._verdicts: Counter[str] = Counter()

    def header(self) -> str:
        """The columns' names."""
        return self._line("FILE", "FACE", "SCORE", "PROBABILITY", "VERDICT")

    def lines(self, judgement: Judgement) -> Iterator[str]:
        """A file's lines."""
        name = shown(judgement.path)
        if judgement.reason is not None:
            self._verdicts["failed"] += 1
            reason = typer.style(f"not judged: {judgement.reason}", fg=typer.colors.YELLOW)
            yield f"{name:<{self._width}}  {reason}"
            return
        self._verdicts[worst(judgement).verdict or "without verdict"] += 1
        for number, (face, answer) in enumerate(_rows(judgement)):
            probability = "-" if answer.probability is None else f"{answer.probability:.3f}"
            verdict = typer.style(answer.verdict or "-", fg=COLORS.get(answer.verdict or ""))
            yield self._line("" if number else name, face, f"{answer.score:.4f}", probability, verdict)

    def footer(self) -> str:
        """How many files there were of each kind."""
        total = sum(self._verdicts.values())
        order = ("fake", "real", "without verdict", "failed")
        counts = ", ".join(f"{self._verdicts[name]} {name}" for name in order if self._verdicts[name])
        return f"{total} file{'' if total == 1 else 's'}: {counts}"

    def _line(self, file: str, face: str, score: str, probability: str, verdict: str) -> str:
        start = f"{file:<{self._width}}  {face:<{_FACE}} {score:>{_NUMBER}}"
        return f"{start}  {probability:>{_NUMBER}}  {verdict}"


def worst(judgement: Judgement) -> Answer:
    """A file's answer: that of its fakest face or, in a video, person."""
    return max((answer for _, answer in _rows(judgement)), key=lambda answer: answer.score)


def as_dict(judgement: Judgement, scores: Scores) -> dict[str, Any]:
    """One file for JSON.

    Args:
        judgement: About the file.
        scores: What the model's scores are.
    """
    result: dict[str, Any] = {"file": shown(judgement.path), "kind": judgement.kind}
    if judgement.reason is not None:
        return result | {"error": judgement.reason}
    result |= _answer(worst(judgement))
    if judgement.kind == "video":
        result["frames_without_face"] = judgement.lost_frames
        result["people"] = [{"face": person} | _answer(answer) for person, answer in judgement.people.items()]
    result["faces"] = [
        {
            "face": face.cut.face,
            "frame": face.cut.frame if face.cut.frame >= 0 else None,
            "box": [round(side, 1) for side in face.cut.box] or None,
        }
        | _scores(face, scores)
        | _answer(face.answer)
        for face in judgement.faces
    ]
    return result


def csv_columns(scores: Scores) -> tuple[str, ...]:
    """The columns of the CSV table of a model with these scores."""
    return (
        *("file", "kind", "face", "frame", "left", "top", "right", "bottom"),
        *(column for score in scores for column in (score.probability_column, score.column) if column),
        *("score", "probability", "verdict", "error"),
    )


def csv_lines(judgements: Iterable[Judgement], scores: Scores) -> Iterator[str]:
    """The header, then a line a face; of a video also a line a person, its frame `all`.

    Args:
        judgements: One a file.
        scores: What the model's scores are.
    """
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, csv_columns(scores), lineterminator="\n")
    writer.writeheader()
    yield _drained(buffer)
    for judgement in judgements:
        data = as_dict(judgement, scores)
        common = {"file": data["file"], "kind": data["kind"]}
        if "error" in data:
            writer.writerow(common | {"error": data["error"]})
        for person in data.get("people", ()):
            writer.writerow(common | {"frame": "all"} | person)
        for face in data.get("faces", ()):
            box = dict(zip(("left", "top", "right", "bottom"), face.pop("box") or (), strict=False))
            writer.writerow(common | face | box)
        yield _drained(buffer)


def _rows(judgement: Judgement) -> list[tuple[str, Answer]]:
    if judgement.kind == "video":
        frames = Counter(face.cut.face for face in judgement.faces)
        return [
            (f"{person} in {frames[person]} frames", answer) for person, answer in judgement.people.items()
        ]
    return [("whole" if not face.cut.box else str(face.cut.face), face.answer) for face in judgement.faces]


def _scores(face: Face, scores: Scores) -> dict[str, float]:
    values: dict[str, float] = {}
    for score in scores:
        value = face.scores[score.column]
        probability = score.probability(value)
        if score.probability_column and probability is not None:
            values[score.probability_column] = float(probability)
        values[score.column] = value
    return values


def _answer(answer: Answer) -> dict[str, Any]:
    return {"score": answer.score, "probability": answer.probability, "verdict": answer.verdict}


def _drained(buffer: io.StringIO) -> str:
    text = buffer.getvalue().removesuffix("\n")
    buffer.seek(0)
    buffer.truncate()
    return text
