"""Prints predictions as a table, JSON or CSV, and the table of packages."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import typer

from fakeforensics.errors import UserError
from fakeforensics.files import printable_path
from fakeforensics.inference.assessment import Assessment
from fakeforensics.inference.choose import PACKAGES, find_packages
from fakeforensics.inference.inputs import Inputs, Item
from fakeforensics.inference.model_card import cut_text, score_name, share_text
from fakeforensics.inference.package import Package, repro_command
from fakeforensics.inference.predict import Prediction, ScoredFace
from fakeforensics.metrics.spec import Scores, find_score
from fakeforensics.wording import counted, likely

Style = Literal["table", "json", "csv"]
CsvPer = Literal["face", "file"]
_VERDICT_COLORS = {
    "fake": typer.colors.RED,
    "real": typer.colors.GREEN,
    "inconclusive": typer.colors.YELLOW,
}
_FACE, _NUMBER, _LABEL = 20, 11, 8
# Parameters of the fitted curves, which people do not need; decision.json has them.
_CURVES: Any = {"calibrator": True, "likelihood_ratio": {"slope", "intercept", "x", "y"}}
_AS_IS_WARNING = (
    "The model was trained on aligned faces. With --as-is the images must be such crops; the scores of other "
    "images mean nothing."
)


def print_predictions(
    package: Package,
    inputs: Inputs,
    predictions: Iterable[Prediction],
    style: Style,
    *,
    is_cropped: bool,
    why_not_onnx: str | None = None,
    csv_per: CsvPer = "face",
) -> bool:
    """Print predictions, and warnings to standard error.

    Unless `style` is `json`, each prediction is printed when it is ready.

    Args:
        package: The model.
        inputs: The files.
        predictions: One per file.
        style: The output format.
        is_cropped: Whether images are scored without looking for faces.
        why_not_onnx: The reason why torch computes the scores; None if it does not, or if the user asked for
            torch.
        csv_per: Whether a line of CSV describes a face or a file.

    Returns:
        Whether every file was scored.

    Raises:
        UserError: If there is no file.
    """
    if not inputs.items:
        raise UserError(
            "there is nothing to score",
            found=f"{counted(inputs.ignored, 'file')}, none of them with the suffix of an image or a video",
            fix="name images, videos, or folders that contain some",
        )
    if why_not_onnx is not None:
        typer.echo(
            f"note: torch computes the scores; it takes a few seconds to start. Reason: {why_not_onnx}",
            err=True,
        )
    if package.decision is None or style == "table":
        typer.echo(policy_line(package), err=True)
    if package.decision is not None and (adapted := package.decision.adapted) is not None:
        color = typer.colors.YELLOW if adapted.fallback else None
        typer.secho(share_text(adapted), err=True, fg=color)
    if package.is_demo:
        typer.secho(package.demo_warning, err=True, fg=typer.colors.YELLOW)
    for doubt in package.doubts:
        typer.secho(doubt, err=True, fg=typer.colors.YELLOW)
    if is_cropped and package.crop == "faces":
        typer.secho(_AS_IS_WARNING, err=True, fg=typer.colors.YELLOW)
    failed = 0

    def watched() -> Iterator[Prediction]:
        nonlocal failed
        for prediction in predictions:
            failed += prediction.reason is not None
            yield prediction

    lines: Iterable[str] = table_lines(inputs.items, watched())
    if style != "table":
        as_csv = partial(csv_lines, scores=package.scores, per=csv_per)
        lines = as_csv(watched()) if style == "csv" else as_json(package, watched())
    for line in lines:
        typer.echo(line)
    if inputs.ignored:
        typer.echo(f"skipped {counted(inputs.ignored, 'other file')} in the folders", err=True)
    return failed == 0


def print_models(root: Path) -> None:
    """Print a table of the packages below `root`, with their mean average precision.

    Raises:
        UserError: If there is none.
    """
    packages = find_packages(root)
    if not packages:
        raise UserError(
            f"{root}/: no packaged model here, in {Path.cwd()}",
            fix="run `dvc repro` here until it is finished, or name a folder of packages",
        )
    width = max(len("MODEL"), *(len(str(package.directory)) for package in packages))
    typer.echo(f"{'MODEL':<{width}}  TAKES   {'SCORE':<{_LABEL}}  MEAN AP  CHANCE  UNSEEN AP  CHANCE")
    warned: dict[str, None] = {}
    doubted: list[str] = []
    for package in packages:
        start = f"{package.directory!s:<{width}}"
        try:
            start += f"  {package.crop:<6}"
            means: dict[str, dict[str, str]] = {}
            for row in package.test_set_ap():
                means.setdefault(row.score, {})[row.test_set] = f"{row.ap:.2f}"
            chance = {name: f"{share:.1f}" for name, share in package.chance().items()}
            warning = package.demo_warning
            doubted += [f"{package.directory}: {doubt}" for doubt in package.doubts]
        except UserError as error:
            typer.echo(f"{start}  {typer.style(error.what, fg=typer.colors.YELLOW)}")
            continue
        warned |= {warning: None} if warning else {}
        if not means:
            typer.echo(f"{start}  no average precision was measured")
        for score, ap in means.items():
            values = "  ".join(
                f"{ap.get(name, '-'):>{cells}}  {chance.get(name, '-'):>6}"
                for name, cells in (("mean", 7), ("mean_unseen", 9))
            )
            typer.echo(f"{start}  {score:<{_LABEL}}  {values}{'  demo' * bool(warning)}")
            start = " " * len(start)
    for line in [*warned, *doubted]:
        typer.secho(line, err=True, fg=typer.colors.YELLOW)


def choice_line(package: Package, root: Path = PACKAGES) -> str | None:
    """One line that says why a package was chosen by default; None if there is no other package."""
    others = len(find_packages(root)) - 1
    if others < 1:
        return None
    reason = (
        "it has the highest average precision on validation; demo packages are considered only if there are "
        "no others"
    )
    return f"chosen among {others + 1} packages: {package.directory} ({reason}); choose another with --model"


def policy_line(package: Package) -> str:
    """One line that describes the decision policy."""
    decision, name = package.decision, package.name
    if decision is not None:
        score = score_name(find_score(package.scores, decision.score))
        if decision.cut is not None:
            return f"model {name}: {cut_text(decision)} ({score})"
        return f"model {name}: fake from {decision.threshold:.4g} ({score}; {decision.chosen})"
    return (
        f"model {name}: {package.directory} has no threshold, so there are scores but no verdicts. "
        f"`{repro_command(name)}` writes a package that has one: {PACKAGES / name}"
    )


def as_json(package: Package, predictions: Iterable[Prediction]) -> Iterator[str]:
    """All predictions as one JSON object."""
    decision = package.decision
    value = {
        "model": package.name,
        "demo": package.is_demo,
        "weights_sha256": package.raw_card["weights_sha256"],
        "decision": None if decision is None else decision.model_dump(mode="json", exclude=_CURVES),
        "files": [as_dict(prediction, package.scores) for prediction in predictions],
    }
    yield json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False)


def as_dict(prediction: Prediction, scores: Scores) -> dict[str, Any]:
    """One file's prediction for JSON; `scores` are the detector's."""
    result: dict[str, Any] = {"file": printable_name(prediction.path), "kind": prediction.kind}
    outside = prediction.outside
    result["outside"] = None if outside is None else [one.model_dump(mode="json") for one in outside]
    if prediction.reason is not None:
        return result | {"error": prediction.reason}
    result |= vars(prediction.most_suspicious()[1])
    if prediction.kind == "video":
        result["frames_without_face"] = prediction.lost_frames
        result["people"] = [{"face": person} | vars(one) for person, one in prediction.people.items()]
    result["faces"] = [
        {
            "face": face.crop.face,
            "frame": face.frame if face.frame >= 0 else None,
            "box": [round(side, 1) for side in face.crop.box] or None,
        }
        | _all_scores(face, scores)
        | vars(face.assessment)
        for face in prediction.faces
    ]
    return result


def csv_columns(scores: Scores) -> tuple[str, ...]:
    """The columns of the CSV table."""
    return (
        *("file", "kind", "face", "frame", "left", "top", "right", "bottom"),
        *(column for score in scores for column in (score.probability_column, score.column) if column),
        *("score", "probability", "log10_lr", "verdict", "outside", "error"),
    )


def csv_lines(predictions: Iterable[Prediction], scores: Scores, per: CsvPer = "face") -> Iterator[str]:
    """The header, then lines of each file.

    Args:
        predictions: One per file.
        scores: The detector's scores.
        per: `face`: one line per face, and for a video also one line per person with the frame `all`. `file`:
            one line per file, for the face or person with the highest score.
    """
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, csv_columns(scores), lineterminator="\n")
    writer.writeheader()
    yield _drain(buffer)
    for prediction in predictions:
        data = as_dict(prediction, scores)
        common = {"file": data["file"], "kind": data["kind"]}
        common["outside"] = "; ".join(map(str, prediction.outside or ()))
        if "error" in data:
            writer.writerow(common | {"error": data["error"]})
        elif per == "file":
            first = prediction.most_suspicious()[0]
            kept = [one for one in data.get("people", data["faces"]) if one["face"] == first]
            data |= {"people": kept, "faces": []} if "people" in data else {"faces": kept}
        for person in data.get("people", ()):
            writer.writerow(common | {"frame": "all"} | person)
        for face in data.get("faces", ()):
            box = dict(zip(("left", "top", "right", "bottom"), face.pop("box") or (), strict=False))
            writer.writerow(common | face | box)
        yield _drain(buffer)


def table_lines(items: Sequence[Item], predictions: Iterable[Prediction]) -> Iterator[str]:
    """A header, one line per face or person of a video, and the number of files by verdict."""
    width = max(4, *(len(printable_name(item.path)) for item in items))
    counts: Counter[str] = Counter()
    for prediction in predictions:
        if not counts:  # the first prediction shows that the model could be loaded
            yield _table_line(f"{'FILE':<{width}}", "FACE", "SCORE", "PROBABILITY", "LOG10 LR", "VERDICT")
        name = f"{printable_name(prediction.path):<{width}}"
        if prediction.reason is not None:
            counts["failed"] += 1
            yield f"{name}  {typer.style(f'failed: {prediction.reason}', fg=typer.colors.YELLOW)}"
            yield from _outside_lines(prediction)
            continue
        counts[prediction.most_suspicious()[1].verdict or "without verdict"] += 1
        for face, one in _rows(prediction):
            probability = "-" if one.probability is None else likely(one.probability)
            verdict = typer.style(one.verdict or "-", fg=_VERDICT_COLORS.get(one.verdict or ""))
            ratio = "-" if one.log10_lr is None else f"{one.log10_lr:.2f}"
            yield _table_line(name, face, f"{one.score:.4f}", probability, ratio, verdict)
            name = " " * width
        yield from _outside_lines(prediction)
    order = ("fake", "inconclusive", "real", "without verdict", "failed")
    listed = ", ".join(f"{counts[name]} {name}" for name in order if counts[name])
    yield f"{counted(counts.total(), 'file')}: {listed}"


def printable_name(path: Path) -> str:
    """The file name with control and undecodable characters escaped."""
    name = printable_path(str(path))
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in name)


def _table_line(file: str, face: str, score: str, probability: str, ratio: str, verdict: str) -> str:
    return (
        f"{file}  {face:<{_FACE}} {score:>{_NUMBER}}  {probability:>{_NUMBER}}  {ratio:>{_LABEL}}  {verdict}"
    )


def _outside_lines(prediction: Prediction) -> Iterator[str]:
    """A warning if the file lies outside of the training data."""
    if prediction.outside:
        listed = "; ".join(map(str, prediction.outside))
        yield "  " + typer.style(f"outside the training data: {listed}", fg=typer.colors.YELLOW)


def _rows(prediction: Prediction) -> list[tuple[str, Assessment]]:
    if prediction.kind == "video":
        frames = Counter(face.crop.face for face in prediction.faces)
        return [
            (f"{person}, mean of {counted(frames[person], 'frame')}", one)
            for person, one in prediction.people.items()
        ]
    return [(str(face.crop.face) if face.crop.box else "whole", face.assessment) for face in prediction.faces]


def _all_scores(face: ScoredFace, scores: Scores) -> dict[str, float]:
    values: dict[str, float] = {}
    for score in scores:
        value = face.scores[score.column]
        probability = score.probability(value)
        if score.probability_column and probability is not None:
            values[score.probability_column] = float(probability)
        values[score.column] = value
    return values


def _drain(buffer: io.StringIO) -> str:
    text = buffer.getvalue().removesuffix("\n")
    buffer.seek(0)
    buffer.truncate()
    return text
