"""The command `fakeforensics`. Slow imports are inside the commands."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from fakeforensics.cli_data import app as data_app
from fakeforensics.cli_evaluate import evaluate
from fakeforensics.cli_models import app as models_app
from fakeforensics.commands import run_app
from fakeforensics.names import check_name

app = typer.Typer(
    help="Tell real images from fakes with the detectors that `dvc repro` trained.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

Model = Annotated[
    Path | None,
    Option(
        help="Folder of a packaged model. If packages/ holds one model, that is the default. If it holds "
        "several detectors of one protocol, the default is the one with the highest average precision on "
        "validation images. Models of the demo are considered only if there are no others. Test results are "
        "not considered, because a model chosen by them would look better than it is."
    ),
]


class People(StrEnum):
    """Whose faces are scored."""

    MAIN = "main"
    STILLS = "stills"
    ALL = "all"


class CsvPer(StrEnum):
    """What one line of CSV describes."""

    FACE = "face"
    FILE = "file"


class Runtime(StrEnum):
    """The library that computes the scores."""

    AUTO = "auto"
    ONNXRUNTIME = "onnxruntime"
    TORCH = "torch"


def main() -> None:
    """Run the command."""
    run_app(app)


@app.command()
def predict(
    paths: Annotated[
        list[str], Argument(help="Images, videos, folders, globs; - reads a list from standard input.")
    ],
    model: Model = None,
    as_is: Annotated[
        bool,
        Option(
            "--as-is",
            help="Score images as they are, without looking for faces. For images that are already cropped.",
        ),
    ] = False,
    people: Annotated[
        People,
        Option(
            help="Which faces to score. main: the largest face of an image and the main person of a video. "
            "stills: every face of an image and the main person of a video. all: every face and every person."
        ),
    ] = People.STILLS,
    json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
    csv: Annotated[bool, Option("--csv", help="Print CSV.")] = False,
    csv_per: Annotated[
        CsvPer,
        Option(
            help="Needs --csv. face: one line per face of an image or frame, and one per person of a video. "
            "file: one line per file, for the face or person with the highest score."
        ),
    ] = CsvPer.FACE,
    inconclusive: Annotated[
        float | None,
        Option(
            min=0,
            max=1,
            help="Error rate of the verdicts real and fake, such as 0.05. A score that supports neither gets "
            "the verdict inconclusive. By default, the model's decision policy decides; most policies give "
            "no inconclusive verdicts.",
        ),
    ] = None,
    known_reals: Annotated[
        list[str] | None,
        Option(
            help="File, folder or glob of images known to be real, from the same origin as the files to "
            "score; may be repeated. With --inconclusive, these images replace the real validation images. "
            "See also --adapt."
        ),
    ] = None,
    adapt: Annotated[
        bool,
        Option(
            "--adapt",
            help="Score all files first. Then choose a threshold from their scores and those of the known "
            "reals, and estimate what share of the files is fake. Nothing is assumed about this share. Needs "
            "--known-reals.",
        ),
    ] = False,
    boxes: Annotated[
        Path | None, Option(help="Folder for copies of the pictures with the faces marked.")
    ] = None,
    explain: Annotated[Path | None, Option(help="Folder for heat maps (Grad-CAM) over the faces.")] = None,
    report: Annotated[
        Path | None,
        Option(help="New folder for a case: a record of the run and a page to print; see `verify`."),
    ] = None,
    workers: Annotated[
        int, Option(min=0, help="Number of processes that find faces; 0 means one per core.")
    ] = 0,
    batch_size: Annotated[int, Option(min=1, max=4096, help="Number of crops per forward pass.")] = 16,
    runtime: Annotated[
        Runtime,
        Option(
            help="Library that computes the scores. auto: onnxruntime, which starts fastest, if the model's "
            "folder holds model.onnx and there is no GPU; otherwise torch."
        ),
    ] = Runtime.AUTO,
) -> None:
    """Tell whether images and videos are real or fake.

    The command finds and crops faces in the same way as for training. Each face gets a score, a probability
    and a verdict. For a video, they come from the mean score of its frames. A file that cannot be scored
    gets a row with the reason. The exit status is 0 if all files were scored, otherwise 1.

    \b
    Examples:
      fakeforensics predict portrait.jpg clip.mp4
      fakeforensics predict holiday/ --csv --csv-per file > scores.csv
      fakeforensics predict 'shots/**/*.png' --model packages/mff_4_6/joint --boxes marked --explain maps
      fakeforensics predict shots/ --inconclusive 0.05 --known-reals own-photos/
      fakeforensics predict shots/ --adapt --known-reals own-photos/
      find . -name '*.jpg' | fakeforensics predict - --json
      fakeforensics predict portrait.jpg --report case-12
    """  # noqa: D301 (\b keeps the lines of the examples)
    from contextlib import ExitStack

    from fakeforensics.inference import EXTRACTION
    from fakeforensics.processes import start_server

    if not as_is:  # finding faces takes longest, so its libraries are imported in parallel with these imports
        start_server(*EXTRACTION)
    from fakeforensics.inference.choose import open_package
    from fakeforensics.inference.crops import ExtractionSettings
    from fakeforensics.inference.inputs import find_inputs
    from fakeforensics.inference.network import choose_runtime
    from fakeforensics.inference.output import Style, choice_line, print_predictions
    from fakeforensics.inference.package import need_decision, with_inconclusive
    from fakeforensics.inference.pictures import PictureFolders
    from fakeforensics.inference.predict import (
        KnownReal,
        Prediction,
        Predictor,
        predict_together,
        score_known_reals,
    )

    if json and csv:
        raise typer.BadParameter("use either --json or --csv, not both")
    if csv_per is CsvPer.FILE and not csv:
        raise typer.BadParameter("--csv-per needs --csv")
    if adapt and (inconclusive is not None or not known_reals):
        raise typer.BadParameter("--adapt needs --known-reals and cannot be used with --inconclusive")
    package = open_package(model)
    if model is None and (choice := choice_line(package)) is not None:
        typer.echo(choice, err=True)
    inputs = find_inputs([path for path in paths if path != "-"], sys.stdin if "-" in paths else ())
    settings = ExtractionSettings("whole" if as_is else package.crop, package.faces, people.value)
    why_not_onnx = choose_runtime(package, runtime.value).why_not_onnx
    predictor = Predictor(package, settings, batch_size, workers, runtime.value)
    known: list[KnownReal] = []
    if not adapt and (inconclusive is not None or known_reals):
        known = score_known_reals(predictor, find_inputs(known_reals)) if known_reals else []
        package = with_inconclusive(package, inconclusive, [one.score for one in known] or None)
        predictor.judge_by(package)
    pictures = PictureFolders(package, predictor, [item.path for item in inputs.items], boxes, explain)
    style: Style = "json" if json else "csv" if csv else "table"
    with ExitStack() as stack:
        case = None
        if report is not None:
            from fakeforensics.inference.evidence.build import case_folder

            case = stack.enter_context(
                case_folder(report, package, predictor, settings, inputs.items, sys.argv, batch_size)
            )
        scored: Iterable[Prediction] = predictor.predict(inputs.items)
        if adapt:
            need_decision(package)
            known = score_known_reals(predictor, find_inputs(known_reals or ()))
            package, scored = predict_together(
                package, predictor, inputs.items, known, keeps_crops=bool(explain or report)
            )
            if case is not None:
                case.decide_by(package)
        if case is not None:
            case.record_known_reals(known)
        predictions = pictures.written(scored)
        if case is not None:
            predictions = case.recorded(predictions)
        is_scored = print_predictions(
            *(package, inputs, predictions, style),
            is_cropped=as_is,
            why_not_onnx=why_not_onnx,
            csv_per=csv_per.value,
        )
    if case is not None:
        typer.echo(
            f"{report}: the SHA-256 of its file SHA256SUMS is {case.digest} (keep a copy of it elsewhere)",
            err=True,
        )
    if not is_scored:
        raise typer.Exit(1)


@app.command()
def verify(
    case: Annotated[Path, Argument(help="A folder that `predict --report` wrote.")],
    model: Annotated[
        Path | None,
        Option(help="Folder of the packaged model; by default the folder that the case was made with."),
    ] = None,
    hashes_only: Annotated[bool, Option("--hashes-only", help="Do not score the files again.")] = False,
    workers: Annotated[
        int, Option(min=0, help="Number of processes that find faces; 0 means one per core.")
    ] = 0,
) -> None:
    """Check a case: compare every hash, score its files again, and compare the scores.

    The command names everything that was changed: files of the case, the original files, the weights and the
    decision policy. If the threshold was chosen from known reals, the command chooses it again from their
    recorded scores. Another version of the program or a library, or another machine, is only noted. The exit
    status is 0 if nothing was changed, otherwise 1.

    \b
    Examples:
      fakeforensics verify case-12
      fakeforensics verify case-12 --model packages/mff_4_6/joint
    """  # noqa: D301 (\b keeps the lines of the examples)
    from fakeforensics.inference.evidence.case import BOUND
    from fakeforensics.inference.evidence.verify import verify_case

    found = verify_case(case, model, workers, hashes_only=hashes_only)
    for remark in found.remarks:
        typer.echo(f"note: {remark}")
    for problem in found.problems:
        typer.secho(problem, fg=typer.colors.RED)
    if found.difference is not None:
        then, now = found.runtimes
        typer.echo(
            f"scored again with {now} (the case was scored with {then}): scores differ by at most "
            f"{found.difference:.1e} (allowed: {BOUND:g})"
        )
    if found.problems:
        raise typer.Exit(1)
    typer.secho(f"{case}: nothing was changed", fg=typer.colors.GREEN)


@app.command()
def serve(
    model: Model = None,
    host: Annotated[
        str, Option(help="Address to listen on; by default the page is reachable from this machine only.")
    ] = "127.0.0.1",
    port: Annotated[int, Option(min=1, max=65535, help="TCP port.")] = 7860,
    allow_host: Annotated[
        list[str] | None,
        Option(
            help="Another host name that browsers may use to reach the page, such as a proxy's name; may be "
            "repeated. localhost, 127.0.0.1, [::1] and --host are always allowed."
        ),
    ] = None,
    max_mb: Annotated[int, Option(min=1, max=1000, help="Largest upload, in MB.")] = 50,
    max_seconds: Annotated[
        float, Option(min=1, help="Most time to spend on finding the faces in one file, in seconds.")
    ] = 60,
) -> None:
    """Open a web page that scores an image or a short video.

    Uploads are deleted once they are scored.

    \b
    Examples:
      fakeforensics serve
      fakeforensics serve --model packages/demo/joint --port 8000
      fakeforensics serve --allow-host faces.example.org
    """  # noqa: D301 (\b keeps the lines of the examples)
    typer.echo("Starting the web page; its address follows.", err=True)
    from fakeforensics.inference.app.server import Address
    from fakeforensics.inference.app.server import serve as serve_page
    from fakeforensics.inference.choose import open_package
    from fakeforensics.inference.inputs import UploadLimits

    address = Address(host, port, allow_host or ())
    serve_page(open_package(model), address, UploadLimits(max_mb=max_mb, max_seconds=max_seconds))


class Format(StrEnum):
    """The format of an exported model."""

    ONNX = "onnx"
    TORCH = "torch"


@app.command()
def export(
    format_: Annotated[
        Format, Option("--format", help="onnx, or torch for a torch.export program.")
    ] = Format.ONNX,
    model: Model = None,
    out: Annotated[
        Path | None, Option(help="Folder to write to; by default exports/<protocol>/<detector>.")
    ] = None,
    images: Annotated[
        Path,
        Option(
            help="Folder of the sources' images; if it exists, the export is checked on some of its crops."
        ),
    ] = Path("data/images"),
) -> None:
    """Write a model as ONNX or torch.export, with a model card.

    The exported network takes RGB crops (uint8, batch x 3 x size x size), normalizes them and returns the
    model's scores. The file is kept only if it gives the same scores as the model.

    \b
    Examples:
      fakeforensics export --format onnx
      fakeforensics export --format torch --model packages/mff_4_6/joint --out detector
    """  # noqa: D301 (\b keeps the lines of the examples)
    from fakeforensics.inference.choose import open_package
    from fakeforensics.inference.export import export_model

    package = open_package(model)
    folder = out or Path("exports", *package.name.split("/"))
    typer.echo(export_model(package, folder, format_.value, images))


app.command()(evaluate)


@app.command()
def crops(
    source: Annotated[str, Argument(callback=check_name, help="Name of a source in params.yaml.")],
    out: Annotated[Path | None, Option(help="Picture to write; by default crops-<source>.png.")] = None,
    number: Annotated[int, Option(min=1, max=400, help="Number of crops to show.")] = 60,
    images: Annotated[Path, Option(help="Folder of the sources' images.")] = Path("data/images"),
) -> None:
    """Draw a contact sheet of a source's crops, and list why files were rejected.

    \b
    Examples:
      fakeforensics crops demo_celeb_df
      fakeforensics crops ff --number 120 --out sheet.png
    """  # noqa: D301 (\b keeps the lines of the examples)
    from fakeforensics.inference.pictures import draw_contact_sheet

    path = out or Path(f"crops-{source}.png")
    typer.echo(draw_contact_sheet(images, source, path, number))


app.add_typer(models_app, name="models")
app.add_typer(data_app, name="data")
