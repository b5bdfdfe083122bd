"""The schema of params.yaml: every setting of the pipeline with its range, unit and effect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fakeforensics.errors import UserError

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Probability = Annotated[Number, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")]
Objective = Literal["bce", "sad", "joint"]
Model = TypeVar("Model", bound=BaseModel)


class Group(BaseModel):
    """Base of every group: immutable, and a misspelt key is an error rather than a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class SourceParams(Group):
    """Where one data set lies and how it is laid out.

    Args:
        layout: The name of a layout in `fakeforensics.sources`.
        root: Its folder; `$VARIABLES` and `~` are expanded.
        crop: `faces` stores aligned face crops, `whole` images as they are; by default what the layout says.
        options: Settings of the layout, described in its class.
    """

    layout: Name
    root: Annotated[str, Field(min_length=1)]
    crop: Literal["faces", "whole"] | None = None
    options: dict[str, Any] = {}


class FacesParams(Group):
    """How faces are found, aligned and stored.

    Args:
        size: Side of a stored crop in pixels.
        padding: Margin around the face as a fraction of its size, as in `dlib.get_face_chip`.
        landmarks: 5 or 68 points. The 68-point model's training data forbids commercial use.
        frames_per_video: Frames taken from a clip, evenly spread over its whole length.
        max_rejected: Largest share of a source's files that may be rejected before the stage fails.
        workers: Processes; 0 takes one per core.
        shard_mb: Size at which a new shard begins, in MiB.
    """

    size: Annotated[Count, Field(ge=32, le=1024)] = 256
    padding: Annotated[Number, Field(ge=0, le=2)] = 0.25
    landmarks: Literal[5, 68] = 5
    frames_per_video: Annotated[Count, Field(ge=1)] = 32
    max_rejected: Probability = 0.5
    workers: Annotated[Count, Field(ge=0)] = 0
    shard_mb: Annotated[Count, Field(ge=1, le=4096)] = 256


class SplitsParams(Group):
    """How manifests are cut.

    Args:
        seed: Seed of the cut and of every sub-sample, apart from the training seed: several training seeds
            share one split.
    """

    seed: Annotated[Count, Field(ge=0)] = 0


class TrainParams(Group):
    """How a detector is trained (section 4.2 of the thesis)."""

    backbone: Literal["resnet18", "resnet34", "resnet50"] = "resnet18"
    weights: str = "imagenet"
    crop_size: Annotated[Count, Field(ge=32, le=1024)] = 224
    batch_size: Annotated[Count, Field(ge=1)] = 64
    learning_rate: Annotated[Number, Field(gt=0)] = 0.0001
    betas: tuple[Probability, Probability] = (0.9, 0.999)
    lr_decay: Annotated[Number, Field(gt=0, le=1)] = 0.9
    patience: Annotated[Count, Field(ge=1)] = 10
    max_epochs: Annotated[Count, Field(ge=1)] = 100
    center: Literal["epoch", "init"] = "epoch"
    workers: Annotated[Count, Field(ge=0)] = 2


class AugmentParams(Group):
    """Training augmentation, in the order blur, JPEG, crop, flip."""

    blur_prob: Probability = 0.0
    blur_sigma: tuple[Number, Number] = (0.0, 3.0)
    jpeg_prob: Probability = 0.0
    jpeg_quality: tuple[Count, Count] = (30, 100)
    flip_prob: Probability = 0.5


class EvaluateParams(Group):
    """How test sets are scored and measured.

    Args:
        batch_size: Images a forward pass.
        workers: Decoding processes.
        bootstrap: Replicates of the group bootstrap behind each interval.
    """

    batch_size: Annotated[Count, Field(ge=1)] = 128
    workers: Annotated[Count, Field(ge=0)] = 2
    bootstrap: Annotated[Count, Field(ge=100)] = 1000


class ThresholdsParams(Group):
    """How decision thresholds are chosen.

    Args:
        criterion: What the validation threshold maximises.
    """

    criterion: Literal["accuracy", "f1", "youden", "eer"] = "accuracy"


class ReportParams(Group):
    """What the report shows.

    Args:
        title: Its heading.
    """

    title: str = "fake-forensics report"


class Params(Group):
    """The whole of params.yaml.

    Args:
        seed: Seed of training and of the bootstrap.
        lambda_: Weight of L_sad in the joint objective (equation 3.5); `lambda` in the file.
        protocols: Experiments to run, each a file `protocols/<name>.yaml`.
        sources: The data sets at hand, by name; naming one here activates it.
    """

    seed: Annotated[Count, Field(ge=0, lt=2**32)] = 0
    lambda_: Annotated[Number, Field(ge=0, alias="lambda")] = 0.01
    protocols: Annotated[tuple[Name, ...], Field(min_length=1)]
    sources: dict[Name, SourceParams]
    faces: FacesParams = FacesParams()
    splits: SplitsParams = SplitsParams()
    train: TrainParams = TrainParams()
    augment: AugmentParams = AugmentParams()
    evaluate: EvaluateParams = EvaluateParams()
    thresholds: ThresholdsParams = ThresholdsParams()
    report: ReportParams = ReportParams()

    def source(self, name: str) -> SourceParams:
        """The named source.

        Raises:
            UserError: If params.yaml does not configure it.
        """
        if name not in self.sources:
            raise UserError(
                f"params.yaml: the source {name!r} is not configured",
                found="sources " + (", ".join(self.sources) or "(none)"),
                fix=f"add `{name}: {{layout: …, root: …}}` under `sources`; docs/data.md shows each layout",
            )
        return self.sources[name]


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check params.yaml.

    Raises:
        UserError: If the file is missing, is not YAML, or holds an unknown key or a value out of range.
    """
    return parse(Params, read_yaml(path), str(path))


def read_yaml(path: Path) -> Any:
    """Read a YAML file.

    Raises:
        UserError: If it is missing or cannot be parsed.
    """
    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file", fix="run the command from the project's top folder"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML", found=str(error)) from None


def parse(model: type[Model], value: Any, where: str) -> Model:
    """Check `value` against a pydantic model.

    Args:
        model: The schema.
        value: What was read.
        where: The file's name, for the message.

    Raises:
        UserError: Naming each faulty key, what was expected and what was found.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise UserError(
            f"{where}: " + "; ".join(_describe(problem) for problem in error.errors()),
            fix=_hint(error),
        ) from None


def _describe(problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"]) or "(top level)"
    if problem["type"] == "extra_forbidden":
        return f"unknown key `{key}`"
    if problem["type"] == "missing":
        return f"`{key}` is missing"
    return f"`{key}`: {problem['msg'][0].lower()}{problem['msg'][1:]}, found {problem['input']!r}"


def _hint(error: ValidationError) -> str | None:
    for problem in error.errors():
        value = problem["input"]
        if isinstance(value, str) and "e" in value.lower() and _is_number(value):
            return f"YAML reads {value} as text: write {float(value):.12f}".rstrip("0")
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
