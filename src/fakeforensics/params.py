"""The schema of params.yaml: every setting of the pipeline with its range, unit and effect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from fakeforensics.errors import UserError
from fakeforensics.names import LONGEST_NAME, NAME_PATTERN
from fakeforensics.parsing import HEX_PATTERN, parse
from fakeforensics.yaml12 import read_yaml

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Probability = Annotated[Number, Field(ge=0, le=1)]
DecayRate = Annotated[Number, Field(ge=0, lt=1)]
Sigma = Annotated[Number, Field(ge=0, le=20)]
Quality = Annotated[Count, Field(ge=1, le=100)]
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=LONGEST_NAME)]
Lambda = Annotated[Number, Field(ge=0)]
_Share = Annotated[Number, Field(gt=0, lt=1)]
LikelihoodRatioKind = Literal["logistic", "isotonic"]


def _each_once(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if twice := sorted({value for value in values if values.count(value) > 1}):
        raise ValueError(f"{', '.join(map(str, twice))} is listed twice")
    return values


def _digits_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


EachOnce = AfterValidator(_each_once)  # of a list: rows and columns of tables are named after what it holds
Names = Annotated[tuple[Name, ...], Field(min_length=1), EachOnce]
Digits = BeforeValidator(_digits_as_text)  # text that may look like a number: YAML reads it as one


class Group(BaseModel):
    """Base of every group: immutable, and a misspelled key is an error rather than a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class SourceParams(Group):
    """Where one data set lies and how it is laid out.

    Args:
        layout: The name of a layout in `fakeforensics.sources`.
        root: Its folder; `$VARIABLES` and `~` are expanded.
        crop: `faces` stores aligned face crops, `whole` images as they are; by default what the layout says.
        storage: `shards` copies the images; `in_place` reads whole images from the root, where each must stay
            as it is. What must be converted is stored in shards all the same.
        options: Settings of the layout, described in its class.
    """

    layout: Name
    root: Annotated[str, Field(min_length=1)]
    crop: Literal["faces", "whole"] | None = None
    storage: Literal["shards", "in_place"] = "shards"
    options: dict[str, Any] = {}


class DemoParams(Group):
    """How much demo data is made.

    Args:
        seed: Decides every picture; apart from the training seed, so that several trainings share one demo.
        scale: Factor on the number of people and images; the least amounts that the protocol needs are kept.
    """

    seed: Annotated[Count, Field(ge=0)] = 0
    scale: Annotated[Number, Field(gt=0, le=10)] = 1.0


class FacesParams(Group):
    """How faces are found, aligned and stored.

    Args:
        size: Side of a stored crop in pixels.
        padding: Margin around the face as a fraction of its size, as in `dlib.get_face_chip`.
        landmarks: 5 or 68 points. The 68-point model's training data forbids commercial use.
        frames_per_video: Frames taken from a clip, evenly spread over its whole length.
        frame_step: Take every Nth frame instead; null for `frames_per_video`.
        tracks: `main` follows one person through a clip and takes the largest face of a still; `all` keeps
            every person, numbered.
        min_face: Width in pixels of the smallest face looked for; 40 is what dlib finds at double size.
        max_rejected: Largest share of a source's files that may be rejected before the stage fails.
        workers: Processes; 0 takes one per core. Their number changes no byte of the result.
        executor: `local` processes, or the workers of a running Dask cluster.
        scheduler: The cluster's address, `tcp://host:8786`; for `dask` only.
        shard_mb: Size at which a new shard begins, in MiB.
    """

    size: Annotated[Count, Field(ge=32, le=1024)] = 256
    padding: Annotated[Number, Field(ge=0, le=2)] = 0.25
    landmarks: Literal[5, 68] = 5
    frames_per_video: Annotated[Count, Field(ge=1)] = 32
    frame_step: Annotated[Count, Field(ge=1)] | None = None
    tracks: Literal["main", "all"] = "main"
    min_face: Annotated[Count, Field(ge=20, le=1000)] = 40
    max_rejected: Probability = 0.5
    workers: Annotated[Count, Field(ge=0)] = 0
    executor: Literal["local", "dask"] = "local"
    scheduler: str | None = None
    shard_mb: Annotated[Count, Field(ge=1, le=4096)] = 256

    def deciding(self, crop: Literal["faces", "whole"]) -> dict[str, Any]:
        """What decides a source's images; of whole ones, only which frames of a clip are taken."""
        about_frames = {"frames_per_video", "frame_step"}
        # These change how the work is done, not its result.
        others = {"workers", "executor", "scheduler", "max_rejected", "shard_mb"}
        include = about_frames if crop == "whole" else {*type(self).model_fields} - others
        return self.model_dump(mode="json", include=include)


class SplitsParams(Group):
    """How images are divided into splits.

    Args:
        seed: Seed of the splits and of every sub-sample, apart from the training seed: several training seeds
            share one split.
        audit_images: The most images compared in search of near-duplicates across splits; a sample is drawn
            from more, and 0 leaves the comparison out.
    """

    seed: Annotated[Count, Field(ge=0)] = 0
    audit_images: Annotated[Count, Field(ge=0)] = 20000


class TrainParams(Group):
    """How a detector is trained; the defaults are those of section 4.2 of the thesis.

    Args:
        backbone: f, a classification network of torchvision by name: a ResNet, ConvNeXt, EfficientNet, ViT
            or other.
        stem: `no_downsampling` keeps full resolution behind a ResNet's first convolution, at about 16 times
            the work.
        code: The latent code: `pooled`, the backbone's last features averaged over space (512 numbers for
            resnet18), or `map`, all of them (512 x 7 x 7 for resnet18 and crops of 224 pixels). Squared
            distances are sums over the code, so that lambda means something else for a map.
        weights: `imagenet`, `none`, or the path of a local file of torchvision's weights.
        weights_sha256: SHA-256 of that local file, or its first 8 or more digits; by default the digits in
            its name, as in `resnet18-f37072fd.pth`.
        crop_size: Side of the crop that the network sees, in pixels.
        batch_size: Images per step, over all processes together.
        optimizer: `adam`, or `sgd` (stochastic gradient descent with momentum).
        learning_rate: In the first epoch.
        betas: Of Adam.
        momentum: Of `sgd`.
        dampening: Of that momentum.
        weight_decay: Weight of the L2 penalty, as the optimizers of PyTorch apply it.
        schedule: How the learning rate falls: `exponential` after each epoch by `lr_decay`; `steps` at
            `milestones` by `lr_factor`; `plateau` by `lr_factor` when what is monitored stands still.
        lr_decay: Factor after each epoch, of the schedule `exponential`.
        lr_factor: Factor of the schedules `steps` and `plateau`.
        milestones: Epochs, from 0, at which the schedule `steps` lowers the rate.
        plateau_patience: Epochs without improvement that the schedule `plateau` tolerates.
        plateau_threshold: The least change of what is monitored that counts as an improvement there.
        plateau_restart: If set, the record starts anew whenever the rate has fallen, also for the weights
            that are kept, and from then on this is the least change that counts.
        min_learning_rate: Training ends when the rate falls below it.
        monitor: What stops training and selects the epoch: the validation `loss`, or `accuracy`, the share of
            validation images on the right side of the value at which the main score changes sides.
        patience: Epochs without improvement of what is monitored after which training stops.
        max_epochs: Most epochs.
        max_steps: Most steps in all; null for no limit.
        center: `epoch` computes c anew after each epoch; `init` keeps the first one.
        balance: Draw classes, or methods within classes, equally often (with replacement), or `none`. A
            reference set is one class.
        precision: Of the training step: `bf16` or `32`; `auto` takes bf16 where the processor has it.
        compile: Whether torch.compile optimizes the training step, which `auto` does on a single GPU.
        workers: Decoding processes for each training process; `auto` decodes in the training process on a
            CPU and leaves one core free next to a GPU.
        devices: GPUs (or CPU processes) on this machine; torchrun and Slurm overrule it.
    """

    backbone: Name = "resnet18"
    stem: Literal["standard", "no_downsampling"] = "standard"
    code: Literal["pooled", "map"] = "pooled"
    weights: Annotated[str, Field(min_length=1)] = "imagenet"
    weights_sha256: Annotated[Annotated[str, Field(pattern=HEX_PATTERN)] | None, Digits] = None
    crop_size: Annotated[Count, Field(ge=32, le=1024)] = 224
    batch_size: Annotated[Count, Field(ge=1)] = 64
    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: Annotated[Number, Field(gt=0)] = 0.0001
    betas: tuple[DecayRate, DecayRate] = (0.9, 0.999)
    momentum: DecayRate = 0.9
    dampening: Annotated[Number, Field(ge=0, le=1)] = 0.0
    weight_decay: Annotated[Number, Field(ge=0)] = 0.0
    schedule: Literal["exponential", "steps", "plateau"] = "exponential"
    lr_decay: Annotated[Number, Field(gt=0, le=1)] = 0.9
    lr_factor: Annotated[Number, Field(gt=0, le=1)] = 0.1
    milestones: tuple[Annotated[Count, Field(ge=1)], ...] = ()
    plateau_patience: Annotated[Count, Field(ge=0)] = 5
    plateau_threshold: Annotated[Number, Field(ge=0)] = 0.001
    plateau_restart: Annotated[Number, Field(ge=0)] | None = None
    min_learning_rate: Annotated[Number, Field(ge=0)] = 0.0
    monitor: Literal["loss", "accuracy"] = "loss"
    patience: Annotated[Count, Field(ge=1)] = 10
    max_epochs: Annotated[Count, Field(ge=1)] = 100
    max_steps: Annotated[Count, Field(ge=1)] | None = None
    center: Literal["epoch", "init"] = "epoch"
    balance: Literal["none", "class", "method"] = "none"
    precision: Annotated[Literal["auto", "bf16", "32"], Digits] = "auto"
    compile: Flag | Literal["auto"] = "auto"
    workers: Annotated[Count, Field(ge=0)] | Literal["auto"] = "auto"
    devices: Annotated[Count, Field(ge=1)] = 1


class AugmentParams(Group):
    """Training augmentation: resize, blur, JPEG, crop, flips; each sample draws for itself.

    Args:
        resize: Length in pixels that the shorter side is brought to; null leaves the size as it is.
        blur_prob: Share of images that are blurred.
        blur_sigma: Least and greatest standard deviation of the Gaussian, in pixels.
        jpeg_prob: Share of images that go through JPEG.
        jpeg_quality: Least and greatest quality, both included.
        jpeg_method: The encoder: OpenCV's, Pillow's, or each for one half of the images. They sample the
            chroma alike but round differently.
        crop: Where the crop is cut out: at a `random` place, or at the `center`, as in scoring.
        flip_prob: Share of images that are mirrored left to right.
        vertical_flip_prob: Share of images that are mirrored top to bottom.
    """

    resize: Annotated[Count, Field(ge=32, le=4096)] | None = None
    blur_prob: Probability = 0.0
    blur_sigma: tuple[Sigma, Sigma] = (0.0, 3.0)
    jpeg_prob: Probability = 0.0
    jpeg_quality: tuple[Quality, Quality] = (30, 100)
    jpeg_method: Literal["cv2", "pil", "both"] = "cv2"
    crop: Literal["random", "center"] = "random"
    flip_prob: Probability = 0.5
    vertical_flip_prob: Probability = 0.0

    @model_validator(mode="after")
    def _ranges_ascend(self) -> AugmentParams:
        for name in ("blur_sigma", "jpeg_quality"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name}: the lower end {low} is above the upper end {high}")
        return self


class EvaluateParams(Group):
    """How test sets are scored and measured.

    Args:
        batch_size: Images per forward pass.
        workers: Decoding processes; `auto` as in training: none on a CPU, where they would contend.
        bootstrap: Replicates of the group bootstrap behind each interval.
        corruptions: What is done to test images in the score stage: JPEG quality, standard deviation of a
            blur in pixels, factor of a resizing, standard deviation of noise in gray levels.
    """

    batch_size: Annotated[Count, Field(ge=1)] = 128
    workers: Annotated[Count, Field(ge=0)] | Literal["auto"] = "auto"
    bootstrap: Annotated[Count, Field(ge=100)] = 1000
    corruptions: Annotated[tuple[Name, ...], EachOnce] = (
        *("jpeg_90", "jpeg_50", "jpeg_30"),
        *("blur_1", "blur_2", "blur_4"),
        *("resize_0.5", "resize_2", "noise_8"),
    )


class PixelsParams(Group):
    """Decoded images, which training and scoring keep in .scratch/pixels. No result depends on it.

    Args:
        disk_gb: The most disk space that they may take, in gigabytes: 0.2 per thousand crops of 256 pixels.
            Images of a manifest that do not fit are decoded in each epoch, and 0 keeps none.
        on_gpu: Whether training images that are kept, of one size and only cropped and mirrored, lie in the
            GPU's memory if half of what is free there holds them. Not measured on a GPU yet.
    """

    disk_gb: Annotated[Number, Field(ge=0)] = 16.0
    on_gpu: Flag = False


class ThresholdsParams(Group):
    """How decision thresholds are chosen.

    Args:
        criterion: What the validation threshold maximizes.
        bootstrap: Replicates of the group bootstrap behind each interval.
        fake_shares: Prevalences of fakes at which every rule is judged, besides the sets as they are.
        known_reals: Numbers k of known real images of the target domain.
        false_positive_rates: Rates asked of a threshold that is set by known reals, and error rates at which
            inconclusive verdicts are tried.
        draws: Draws of the known reals to average over.
        calibrator: What turns the deciding score into a probability. `auto` is Platt's, and nothing where
            validation holds no fakes; the others are then refused.
        likelihood_ratio: What turns it into a likelihood ratio.
        inconclusive: Error rate of either verdict; scores that support neither are inconclusive. null gives
            no such verdict.
    """

    criterion: Literal["accuracy", "f1", "youden", "eer"] = "accuracy"
    bootstrap: Annotated[Count, Field(ge=100)] = 1000
    fake_shares: Annotated[tuple[_Share, ...], EachOnce] = (0.01, 0.1, 0.5, 0.9)
    known_reals: Annotated[tuple[Annotated[Count, Field(ge=1)], ...], EachOnce] = (10, 50, 200)
    false_positive_rates: Annotated[tuple[_Share, ...], EachOnce] = (0.01, 0.05, 0.1)
    draws: Annotated[Count, Field(ge=1)] = 200
    calibrator: Literal["auto", "temperature", "platt", "isotonic"] = "auto"
    likelihood_ratio: LikelihoodRatioKind = "logistic"
    inconclusive: Annotated[Number, Field(gt=0, lt=1)] | None = None


class CompareParams(Group):
    """What the detectors are compared with.

    Args:
        baseline: A detector. Every other score of every detector is compared with its first score; without
            it among `detectors` nothing is compared.
    """

    baseline: Name


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
        lambda_: Weight of a second loss, `lambda` in the file; only detectors that have such a weight use it.
        protocols: Experiments to run, each a file `protocols/<name>.yaml`.
        detectors: Detectors to train on each protocol, each a module `fakeforensics.detectors.<name>`. A
            protocol may narrow the list.
        detector_settings: By detector, settings that differ from its defaults; its module describes them.
        sources: The data sets, by name; naming one here activates it.
    """

    seed: Annotated[Count, Field(ge=0, lt=2**32)] = 0
    lambda_: Annotated[Lambda, Field(alias="lambda")] = 0.01
    protocols: Names
    detectors: Names
    compare: CompareParams
    detector_settings: dict[Name, dict[str, Any]] = {}
    sources: dict[Name, SourceParams]
    demo: DemoParams = DemoParams()
    faces: FacesParams = FacesParams()
    splits: SplitsParams = SplitsParams()
    train: TrainParams = TrainParams()
    augment: AugmentParams = AugmentParams()
    evaluate: EvaluateParams = EvaluateParams()
    pixels: PixelsParams = PixelsParams()
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
