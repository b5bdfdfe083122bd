"""The user's command, `fakeforensics`. Whatever is slow to import is imported inside the commands."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from fakeforensics.cli_data import app as data_app
from fakeforensics.cli_evaluate import evaluate
from fakeforensics.errors import UserError

app = typer.Typer(
    help="Tell real images from fakes with the detectors that `dvc repro` has trained.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

Model = Annotated[
    Path | None,
    Option(
        help="A model's folder. By default the only one in models/ or, of several detectors of one protocol, "
        "the one with the highest average precision on validation. The test sets take no part, as a model "
        "chosen by them would look better than it is."
    ),
]


class People(StrEnum):
    """Whose faces are judged."""

    MAIN = "main"
    STILLS = "stills"
    ALL = "all"


def main() -> None:
    """Run the command; a `UserError` is printed and ends it with status 1."""
    try:
        app()
    except UserError as error:
        typer.secho(f"error: {error}", err=True, fg=typer.colors.RED)
        sys.exit(1)


@app.command()
def predict(
    paths: Annotated[
        list[str], Argument(help="Images, videos, folders, globs; - reads a list from standard input.")
    ],
    model: Model = None,
    as_is: Annotated[
        bool,
        Option("--as-is", help="Score images as they are, without a face search: for crops made before."),
    ] = False,
    people: Annotated[
        People,
        Option(help="main: the largest face, a video's main person; stills: every face of a still; all."),
    ] = People.STILLS,
    json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
    csv: Annotated[bool, Option("--csv", help="Print CSV.")] = False,
    boxes: Annotated[Path | None, Option(help="Folder for copies with the faces marked.")] = None,
    explain: Annotated[Path | None, Option(help="Folder for heat maps (Grad-CAM) over the faces.")] = None,
    workers: Annotated[int, Option(min=0, help="Processes that find faces; 0: one per core.")] = 0,
    batch_size: Annotated[int, Option(min=1, max=4096, help="Crops a forward pass.")] = 128,
) -> None:
    """Judge images and videos: real or fake?

    Faces are found and cut as for training. Each face gets a score, a probability and a verdict; a video is
    judged by the mean over its frames. A file that cannot be judged is a row with the reason. The exit status
    is 0 if all files were judged, 1 if any was not.

    \b
    Examples:
      fakeforensics predict portrait.jpg clip.mp4
      fakeforensics predict holiday/ --csv > scores.csv
      fakeforensics predict 'shots/**/*.png' --model models/mff_4_6/joint --boxes marked --explain maps
      find . -name '*.jpg' | fakeforensics predict - --json
    """  # noqa: D301 (\b keeps the lines of the examples)
    from fakeforensics.inference.run import PredictCommand, Shape

    if json and csv:
        raise typer.BadParameter("choose one of --json and --csv")
    shape = Shape.JSON if json else Shape.CSV if csv else Shape.TABLE
    command = PredictCommand(model, as_is, people.value, workers, batch_size, shape, boxes, explain)
    if not command.run(paths):
        raise typer.Exit(1)


@app.command()
def serve(
    model: Model = None,
    host: Annotated[str, Option(help="Address to listen at; by default this machine alone.")] = "127.0.0.1",
    port: Annotated[int, Option(min=1, max=65535)] = 7860,
    max_mb: Annotated[int, Option(min=1, max=1000, help="Largest upload, in MB.")] = 50,
    max_seconds: Annotated[float, Option(min=1, help="Longest time for finding the faces of a file.")] = 60,
) -> None:
    """Open a web page that judges an image or a short video.

    Nothing that is uploaded is kept.

    \b
    Examples:
      fakeforensics serve
      fakeforensics serve --model models/demo/joint --port 8000
    """  # noqa: D301 (\b keeps the lines of the examples)
    from fakeforensics.inference.app.server import serve as serve_page
    from fakeforensics.inference.limits import Limits
    from fakeforensics.inference.trained import open_trained

    serve_page(open_trained(model), host, port, Limits(max_mb=max_mb, max_seconds=max_seconds))


class Format(StrEnum):
    """What a model is exported to."""

    ONNX = "onnx"
    TORCH = "torch"


@app.command()
def export(
    format_: Annotated[Format, Option("--format", help="onnx, or torch for torch.export.")] = Format.ONNX,
    model: Model = None,
    out: Annotated[Path | None, Option(help="Folder; by default exports/<protocol>/<detector>.")] = None,
) -> None:
    """Write a model as ONNX or torch.export, with a model card.

    The network takes RGB crops, uint8, batch x 3 x size x size, and gives the model's scores; the
    normalization is inside. The file is checked against the model before it is kept.

    \b
    Examples:
      fakeforensics export --format onnx
      fakeforensics export --format torch --model models/mff_4_6/joint --out detector
    """  # noqa: D301 (\b keeps the lines of the examples)
    from fakeforensics.inference.export import export_model
    from fakeforensics.inference.trained import open_trained

    trained = open_trained(model)
    report = export_model(trained, out or Path("exports", *trained.name.split("/")), format_.value)
    typer.echo(report)


@app.command()
def models(
    root: Annotated[Path, Argument(help="Folder of the models.")] = Path("models"),
) -> None:
    """List the trained models and their average precision.

    \b
    Examples:
      fakeforensics models
      fakeforensics models ../other-project/models
    """  # noqa: D301 (\b keeps the lines of the examples)
    from fakeforensics.inference.catalogue import list_models
    from fakeforensics.inference.facts import DEMO_WARNING

    entries = list_models(root)
    if not entries:
        raise UserError(f"{root}/: no trained model here", fix="run `dvc repro` first")
    width = max(5, *(len(str(entry.directory)) for entry in entries))
    wide = max(5, *(len(label) for entry in entries for label in ("", *entry.ap)))
    typer.echo(f"{'MODEL':<{width}}  TAKES   {'SCORE':<{wide}}  MEAN AP  UNSEEN AP")
    for entry in entries:
        name = f"{entry.directory!s:<{width}}"
        if entry.problem:
            typer.echo(f"{name}  {typer.style(entry.problem, fg=typer.colors.YELLOW)}")
        elif not entry.ap:
            typer.echo(f"{name}  {entry.crop:<6}  not evaluated: no average precision at hand")
        for number, (score, (mean, unseen)) in enumerate(entry.ap.items()):
            start = " " * (width + 8) if number else f"{name}  {entry.crop:<6}"
            unseen_text = "-" if unseen is None else f"{unseen:.2f}"
            typer.echo(f"{start}  {score:<{wide}}  {mean:>7.2f}  {unseen_text:>9}{'  demo' * entry.is_demo}")
    if any(entry.is_demo for entry in entries):
        typer.secho(DEMO_WARNING, err=True, fg=typer.colors.YELLOW)


app.command()(evaluate)


@app.command()
def crops(
    source: Annotated[str, Argument(help="A source of params.yaml.")],
    out: Annotated[Path | None, Option(help="The picture; by default crops-<source>.png.")] = None,
    number: Annotated[int, Option(min=1, max=400, help="Crops to show.")] = 60,
    images: Annotated[Path, Option(help="Folder of the sources' images.")] = Path("data/images"),
) -> None:
    """Draw a contact sheet of a source's crops.

    Below them it says what was rejected and why.

    \b
    Examples:
      fakeforensics crops demo_celeb_df
      fakeforensics crops ff --number 120 --out sheet.png
    """  # noqa: D301 (\b keeps the lines of the examples)
    from fakeforensics.inference.sheet import draw_sheet

    path = out or Path(f"crops-{source}.png")
    typer.echo(draw_sheet(images, source, path, number))


app.add_typer(data_app, name="data")
