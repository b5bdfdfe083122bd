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


EachOnce = AfterValidator(_each_once)  # of a list: its items name rows and columns of tables
Names = Annotated[tuple[Name, ...], Field(min_length=1), EachOnce]
Digits = BeforeValidator(_digits_as_text)  # for text such as 123, which YAML reads as a number


class Group(BaseModel):
    """Base of every group: immutable, and a misspelled key is an error rather than a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class SourceParams(Group):
    """The location of one data set and its layout on disk.

    Args:
        layout: The name of a layout in `fakeforensics.sources`.
        root: Folder of the data set; `$VARIABLES` and `~` are expanded.
        crop: `faces` stores aligned face crops, `whole` stores whole images; None uses the layout's default.
        storage: `shards` copies the images. `in_place` reads whole images from the root, where they must not
            change; images that must be converted are still stored in shards.
        options: Settings of the layout, described in its class.
    """

    layout: Name
    root: Annotated[str, Field(min_length=1)]
    crop: Literal["faces", "whole"] | None = None
    storage: Literal["shards", "in_place"] = "shards"
    options: dict[str, Any] = {}

    def deciding(self) -> dict[str, Any]:
        """The settings that differ from the defaults, by name."""
        return self.model_dump(mode="json", exclude_defaults=True)


class DemoParams(Group):
    """How much demo data is generated.

    Args:
        seed: Seed of every picture. It is separate from the training seed, so that several trainings share
            one demo.
        scale: Factor on the number of people and images, in (0, 10]. The demo never generates fewer than its
            protocol needs.
    """

    seed: Annotated[Count, Field(ge=0)] = 0
    scale: Annotated[Number, Field(gt=0, le=10)] = 1.0


class FacesParams(Group):
    """How faces are found, aligned and stored.

    Args:
        size: Side of a stored crop in pixels.
        padding: Margin around the face as a fraction of the face's size, as in `dlib.get_face_chip`.
        landmarks: 5 or 68 points. The training data of the 68-point model forbids commercial use.
        frames_per_video: Number of frames taken from a clip, evenly spread over its whole length.
        frame_step: If set, take every Nth frame instead of `frames_per_video`.
        tracks: `main` follows one person through a clip and takes the largest face of a still; `all` keeps
            every person, numbered.
        min_face: Width in pixels of the smallest face to find. 40 is the smallest face that dlib finds in an
            image enlarged to double size.
        max_rejected: Largest share of a source's files that may be rejected before the stage fails.
        workers: Number of processes; 0 takes one per core. It does not change the result.
        executor: `local` processes, or the workers of a running Dask cluster.
        scheduler: The cluster's address, such as `tcp://host:8786`; only for `dask`.
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
        """The settings that decide a source's images, by name.

        Args:
            crop: For `whole` images these are only the settings that choose the frames of a clip.
        """
        about_frames = {"frames_per_video", "frame_step"}
        # These change how the work is done, but not its result.
        others = {"workers", "executor", "scheduler", "max_rejected", "shard_mb"}
        include = about_frames if crop == "whole" else {*type(self).model_fields} - others
        return self.model_dump(mode="json", include=include)


class SplitsParams(Group):
    """How images are divided into splits.

    Args:
        seed: Seed of the splits and of every sub-sample. It is separate from the training seed, so that
            several training seeds share one split.
        audit_images: The maximum number of images in the search for near-duplicates across splits. From more
            images a sample is drawn; 0 skips the search.
    """

    seed: Annotated[Count, Field(ge=0)] = 0
    audit_images: Annotated[Count, Field(ge=0)] = 20000


class TrainParams(Group):
    """How a detector is trained. The defaults follow section 4.2 of the thesis where it gives a value.

    Args:
        backbone: The network f: a classification network of torchvision by name, such as a ResNet, ConvNeXt,
            EfficientNet or ViT.
        stem: `no_downsampling` keeps full resolution after a ResNet's first convolution, at about 16 times
            the work.
        code: The latent code. `pooled`: the backbone's last features averaged over space (512 numbers for
            resnet18). `map`: all of them (512 x 7 x 7 for resnet18 and crops of 224 pixels). Squared
            distances are sums over the code, so the same lambda has another effect with `map`.
        weights: `imagenet`, `none`, or the path of a local file of torchvision's weights.
        weights_sha256: SHA-256 of that local file, or its first 8 or more hexadecimal digits; by default the
            digits in its name, as in `resnet18-f37072fd.pth`.
        crop_size: Side of the crop that the network sees, in pixels.
        batch_size: Images per step, over all processes together.
        optimizer: `adam`, or `sgd` (stochastic gradient descent with momentum).
        learning_rate: Learning rate of the first epoch.
        betas: The two decay rates of Adam.
        momentum: Momentum of `sgd`.
        dampening: Dampening of that momentum.
        weight_decay: Weight of the L2 penalty, as PyTorch's optimizers apply it.
        schedule: How the learning rate falls. `exponential`: by `lr_decay` after each epoch. `steps`: by
            `lr_factor` at each of the `milestones`. `plateau`: by `lr_factor` when the monitored value stops
            improving.
        lr_decay: Factor per epoch of the schedule `exponential`.
        lr_factor: Factor of the schedules `steps` and `plateau`.
        milestones: Epochs, from 0, at which the schedule `steps` lowers the learning rate.
        plateau_patience: Epochs without improvement that the schedule `plateau` tolerates.
        plateau_threshold: The least change of the monitored value that this schedule counts as an
            improvement.
        plateau_restart: If set, the best value so far is forgotten whenever the learning rate has fallen,
            also for the choice of the weights to keep. After the first fall this value replaces
            `plateau_threshold`.
        min_learning_rate: Training ends when the learning rate falls below this value.
        monitor: The value that stops training and selects the epoch: the validation `loss`, or `accuracy`,
            the share of validation images on the correct side of the main score's boundary.
        patience: Training stops after this many epochs without an improvement of the monitored value.
        max_epochs: The maximum number of epochs.
        max_steps: The maximum number of steps in total; null for no limit.
        center: `epoch` computes the center c again after each epoch; `init` keeps the first one.
        balance: Draw classes (`class`), or methods within classes (`method`), equally often, with
            replacement; or `none`. A reference set counts as one class.
        precision: Precision of the training step: `bf16` or `32`; `auto` takes bf16 if the processor
            supports it.
        compile: Whether torch.compile optimizes the training step; `auto` does so on a single GPU.
        workers: Decoding processes per training process. `auto` decodes in the training process on a CPU,
            and takes all cores but one with a GPU.
        devices: Number of GPUs (or CPU processes) on this machine; torchrun and Slurm override it.
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
    """Training augmentation: resize, blur, JPEG, crop and flips, in this order, drawn for each sample.

    Args:
        resize: Length of the shorter side after resizing, in pixels; null does not resize.
        blur_prob: Probability that an image is blurred.
        blur_sigma: Smallest and largest standard deviation of the Gaussian blur, in pixels.
        jpeg_prob: Probability that an image is encoded as JPEG and decoded again.
        jpeg_quality: Lowest and highest JPEG quality, both included.
        jpeg_method: The encoder: OpenCV's (`cv2`), Pillow's (`pil`), or each for half of the images (`both`).
            Both use the same chroma sampling but round differently.
        crop: The place of the crop: `random`, or the `center` as in scoring.
        flip_prob: Probability that an image is mirrored left to right.
        vertical_flip_prob: Probability that an image is mirrored top to bottom.
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
        workers: Decoding processes. `auto` is as in training: none on a CPU, where they would compete with
            the network for cores.
        bootstrap: Replicates of the group bootstrap behind each interval.
        corruptions: Corruptions of the test images that are scored too: `jpeg_<quality>`, `blur_<standard
            deviation in pixels>`, `resize_<factor>`, `noise_<standard deviation in gray levels>`.
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
    """Decoded images, which training and scoring keep in .scratch/pixels. They change no result.

    Args:
        disk_gb: The maximum disk space of the decoded images, in gigabytes. A thousand crops of 256 x 256
            pixels take 0.2. If the images of a manifest do not fit, they are decoded in each epoch; 0 keeps
            none.
        on_gpu: Whether to copy the decoded training images into the GPU's memory. This needs images of one
            size that augmentation only crops and mirrors, and half of the free memory must hold them. Not
            measured on a GPU yet.
    """

    disk_gb: Annotated[Number, Field(ge=0)] = 16.0
    on_gpu: Flag = False


class ThresholdsParams(Group):
    """How decision thresholds are chosen.

    Args:
        criterion: What the threshold chosen on validation optimizes: `accuracy`, `f1`, `youden` (true
            positive rate minus false positive rate), or `eer` (equal error rates).
        bootstrap: Replicates of the group bootstrap behind each interval.
        fake_shares: Shares of fakes at which every rule is evaluated, in addition to the sets as they are.
        known_reals: Numbers of known real images of the target domain that a threshold may be chosen from.
        false_positive_rates: Target false positive rates of thresholds chosen from known reals, and error
            rates at which inconclusive verdicts are evaluated.
        draws: Random draws of the known reals; results are averages over them.
        calibrator: The method that turns the deciding score into a probability. `auto` uses Platt scaling,
            or none if validation holds no fakes; then every other value is an error.
        likelihood_ratio: The method that turns the deciding score into a likelihood ratio.
        inconclusive: Error rate of the verdicts real and fake; a score that supports neither is
            inconclusive. null never gives that verdict.
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
    """The comparison of detectors.

    Args:
        baseline: A detector's name. Every other score of every detector is compared with the first score of
            this one. If it is not among `detectors`, nothing is compared.
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
        lambda_: Weight of a second loss, `lambda` in the file. Only detectors with such a loss use it.
        protocols: Experiments to run, each a file `protocols/<name>.yaml`.
        detectors: Detectors to train on each protocol, each a module `fakeforensics.detectors.<name>`. A
            protocol may narrow the list.
        compare: The comparison of detectors.
        detector_settings: Settings that differ from a detector's defaults, by detector. The detector's module
            describes them.
        sources: The data sets by name. The pipeline processes every data set that is listed here.
        demo: How much demo data is generated.
        faces: How faces are found, aligned and stored.
        splits: How images are divided into splits.
        train: How a detector is trained.
        augment: Training augmentation.
        evaluate: How test sets are scored and measured.
        pixels: Decoded images that are kept on disk.
        thresholds: How decision thresholds are chosen.
        report: What the report shows.
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
        """The settings of a source.

        Raises:
            UserError: If params.yaml has no source of that name.
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
