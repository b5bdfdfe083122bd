"""The batches of a run: shuffled and augmented training images, validation images, and the reals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Float64, Int, Int32, UInt8
from torch import Tensor
from torch.utils.data import Sampler

from fakeforensics.errors import UserError
from fakeforensics.images.dataset import Loader, ManifestDataset, OrderedBatches
from fakeforensics.images.on_device import Cut, DeviceImages, DeviceLoader
from fakeforensics.images.pixels import PixelStore
from fakeforensics.images.rows import Rows
from fakeforensics.images.transforms import Rgb, blur, jpeg, jpeg_by_pillow, resize
from fakeforensics.models.preprocess import Preprocess, pad
from fakeforensics.models.runtime import worker_count
from fakeforensics.params import AugmentParams, TrainParams

# Batch normalization cannot train on a single value per channel, which a single small image may give.
_LEAST = 2


class Draw(NamedTuple):
    """A training image: its manifest row, the epoch, and its place in the epoch's order, both from 0.

    Epoch and place determine the augmentation.
    """

    row: int
    epoch: int
    place: int


class _Draws(NamedTuple):
    """The random numbers of one sample, each in [0, 1), in the order in which they are drawn."""

    blur: float
    sigma: float
    jpeg: float
    quality: float
    down: float
    right: float
    flip: float
    encoder: float
    turn: float


class Augment:
    """Augments an image with random numbers that depend only on seed, epoch and place.

    So a run gives the same result with any number of training and decoding processes, and when it is resumed.

    Args:
        params: Probabilities and ranges.
        crop_size: Side of the crop in pixels; smaller images are padded with black.
        seed: The run's seed.

    Source:
        Wang et al., CNN-generated images are surprisingly easy to spot… for now, CVPR 2020. The order and the
        ranges are theirs.
    """

    def __init__(self, params: AugmentParams, crop_size: int, seed: int) -> None:
        self.params = params
        self.crop_size = crop_size
        self.seed = seed

    def __call__(self, image: Rgb, epoch: int, place: int) -> UInt8[np.ndarray, "size size 3"]:
        """Augment an image.

        Args:
            image: 8-bit RGB of any size.
            epoch: From 0.
            place: Its place in the epoch's order, which all processes share.
        """
        params, draws = self.params, self._draw(epoch, place)
        if params.resize is not None:
            image = resize(image, params.resize / min(image.shape[:2]))
        if draws.blur < params.blur_prob:
            low, high = params.blur_sigma
            image = blur(image, low + draws.sigma * (high - low))
        if draws.jpeg < params.jpeg_prob:
            worst, best = params.jpeg_quality
            by_pillow = params.jpeg_method == "pil" or (params.jpeg_method == "both" and draws.encoder < 0.5)
            encode = jpeg_by_pillow if by_pillow else jpeg
            image = encode(image, worst + int(draws.quality * (best - worst + 1)))
        image = pad(image, self.crop_size)
        top, left, flip, turn = self._cut(image.shape[0], image.shape[1], draws)
        image = image[top : top + self.crop_size, left : left + self.crop_size]
        # Copying a mirrored NumPy view pixel by pixel would be 30 times slower.
        image = cv2.flip(image, 1) if flip else image
        return cv2.flip(image, 0) if turn else image

    @property
    def only_cuts(self) -> bool:
        """Whether augmentation only crops and mirrors images."""
        params = self.params
        return params.resize is None and not params.blur_prob and not params.jpeg_prob

    def cut(self, height: int, width: int, epoch: int, place: int) -> Cut:
        """The square of an image that becomes a sample. Only valid if `only_cuts`.

        Args:
            height: Of the image, at least the crop size.
            width: Of the image, at least the crop size.
            epoch: From 0.
            place: Its place in the epoch's order.
        """
        return self._cut(height, width, self._draw(epoch, place))

    def _cut(self, height: int, width: int, draws: _Draws) -> Cut:
        params = self.params
        top, left = (
            (side - self.crop_size) // 2
            if params.crop == "center"
            else int(share * (side - self.crop_size + 1))
            for side, share in ((height, draws.down), (width, draws.right))
        )
        return Cut(top, left, draws.flip < params.flip_prob, draws.turn < params.vertical_flip_prob)

    def _draw(self, epoch: int, place: int) -> _Draws:
        # All numbers are drawn whether they are used or not, so that turning blur on moves no crop. NumPy
        # reads a seed faster from an array than from a tuple.
        generator = np.random.default_rng(np.array((self.seed, epoch, place), np.uint32))
        return _Draws(*generator.random(len(_Draws._fields)).tolist())


class TrainBatches(Sampler[list[Draw]]):
    """Shuffled batches of an epoch; each process takes its share of every batch.

    The order depends only on seed and epoch, so any number of processes sees the same global batches. No
    image is left out: if the last batch has fewer than two images per process, it joins the batch before it.
    This is the only effect of the number of processes.

    Args:
        methods: The method of each row; only used with `balance: method`.
        labels: The label of each row: 0 real, 1 fake, 2 or more a class of the reference set.
        batch_size: Images per batch over all processes.
        seed: The run's seed.
        balance: `none` takes each image once per epoch. `class` draws the same number of images with
            replacement, so that real, fake and reference images are equally frequent. `method` also makes
            the methods within each class equally frequent.
        rank: Number of this process, from 0.
        world: The number of processes.

    Attributes:
        epoch: The epoch whose batches come next, from 0.

    Source:
        Equations 3.1 and 3.4 are means over all samples of a batch, so each process divides its sum of losses
        by `global_size`.
    """

    def __init__(
        self,
        methods: np.ndarray | None,
        labels: np.ndarray,
        batch_size: int,
        seed: int,
        balance: Literal["none", "class", "method"] = "none",
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.count = len(labels)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0
        self.rank, self.world = rank, world
        self.weights = None if balance == "none" else _sampling_weights(methods, labels, balance)
        full, rest = divmod(self.count, batch_size)
        self.batches = full + (rest >= _LEAST * world or full == 0)

    def __len__(self) -> int:
        return self.batches

    def global_size(self, batch: int) -> int:
        """Images in a batch over all processes."""
        last = batch == self.batches - 1
        return self.count - batch * self.batch_size if last else self.batch_size

    def __iter__(self) -> Iterator[list[Draw]]:
        epoch = self.epoch
        order = self._order(epoch)
        for batch in range(self.batches):
            begin = batch * self.batch_size
            places = range(begin + self.rank, begin + self.global_size(batch), self.world)
            yield [Draw(int(order[place]), epoch, place) for place in places]

    def _order(self, epoch: int) -> Int32[np.ndarray, " images"]:
        generator = np.random.default_rng((self.seed, epoch))
        if self.weights is None:
            # This is the order of `permutation(count)`, in half the memory.
            return generator.permutation(np.arange(self.count, dtype=np.int32))
        return generator.choice(self.count, self.count, p=self.weights).astype(np.int32)


class RunData:
    """The batches of one process of a run.

    Args:
        train: The training manifest: every image that the detector may see.
        val: The validation manifest, also with only these images; they are never augmented.
        images_root: The folder of all sources' images.
        params: The group `train` of the settings.
        augment: The augmentation of training images; its seed also orders them.
        preprocess: Crops and normalizes validation images, and training images for the center.
        device: The device that batches are moved to.
        rank: Number of this process, from 0.
        world: The number of processes.
        store: Store of decoded images; None decodes them in each epoch.
        on_device: Whether to keep the training images in the device's memory, if they are stored and fit.

    Raises:
        UserError: If the batch size is not a multiple of the number of processes, or an image cannot be read.

    Attributes:
        size: Images per full batch in this process.
        order: The order of the training images; set its `epoch` before each pass over `train`.
        train: Augmented training batches, in a new order in each epoch.
        val: Batches of all validation images, each image once.
        labels: The label of each training image.
        train_keys: Key of each row of the training manifest.
        val_keys: Key of each row of the validation manifest.
    """

    def __init__(
        self,
        train: pd.DataFrame,
        val: pd.DataFrame,
        images_root: Path,
        params: TrainParams,
        augment: Augment,
        preprocess: Preprocess,
        device: torch.device,
        rank: int = 0,
        world: int = 1,
        store: PixelStore | None = None,
        on_device: bool = False,
    ) -> None:
        self.preprocess = preprocess
        self.size, rest = divmod(params.batch_size, world)
        if rest or not self.size:
            raise UserError(
                f"`train.batch_size` {params.batch_size} is not a multiple of the {world} processes",
                fix="change `train.batch_size` or the number of GPUs",
            )
        self._workers, self._device = worker_count(params.workers, params.devices), device
        self._rank, self._world = rank, world
        rows, val_rows = Rows(train), Rows(val)
        pixels, val_pixels = (
            None if store is None else store.open(some, images_root) for some in (rows, val_rows)
        )
        self._augmented = ManifestDataset(
            rows, images_root, augment, pixels=pixels, only_cuts=augment.only_cuts
        )
        self._plain = ManifestDataset(rows, images_root, preprocess.crop, pixels=pixels, only_cuts=True)
        self.train_keys, self.val_keys = rows.keys, val_rows.keys
        self.labels: Int[np.ndarray, " images"] = rows.labels
        self.order = TrainBatches(
            train["method"].to_numpy() if params.balance == "method" else None,
            self.labels,
            params.batch_size,
            augment.seed,
            balance=params.balance,
            rank=rank,
            world=world,
        )
        self.train: Loader | DeviceLoader = Loader(
            self._augmented, self.order, self._workers, device, keep=True
        )
        self._on_device = None
        if on_device and pixels is not None and augment.only_cuts:
            self._on_device = DeviceImages.of(pixels, self.labels, augment.crop_size, device)
        if self._on_device is not None:
            self.train = DeviceLoader(self._on_device, self.order, augment.cut, augment.crop_size)
        validation = ManifestDataset(
            val_rows, images_root, preprocess.crop, pixels=val_pixels, only_cuts=True
        )
        self.val = self._in_order(validation, range(len(validation)))

    @property
    def plain(self) -> Iterable[Float[Tensor, "batch 3 h w"]]:
        """Batches of all training images once, in the manifest's order, normalized but not augmented.

        Like `reals` and `others`, it can be iterated repeatedly.
        """
        return _Normalized(self._in_order(self._plain, range(len(self._plain))), self.preprocess)

    @property
    def reals(self) -> Iterable[Float[Tensor, "batch 3 h w"]]:
        """The batches of `plain` with only the real images."""
        return self._chosen(self.labels == 0)

    @property
    def others(self) -> Iterable[Float[Tensor, "batch 3 h w"]]:
        """The batches of `plain` with all images that are not real."""
        return self._chosen(self.labels != 0)

    def _chosen(self, chosen: Bool[np.ndarray, " images"]) -> Iterable[Float[Tensor, "batch 3 h w"]]:
        rows = np.flatnonzero(chosen).astype(np.int32)
        return _Normalized(self._in_order(self._plain, rows), self.preprocess)

    def _in_order(self, dataset: ManifestDataset, rows: range | np.ndarray) -> Loader:
        batches = OrderedBatches(rows, self.size, self._rank, self._world)
        return Loader(dataset, batches, self._workers, self._device)

    def use_labels(self, labels: Int[np.ndarray, " images"]) -> None:
        """Train on these labels instead of the manifest's; the reals stay those of the manifest.

        Args:
            labels: One per training image, in the manifest's order.
        """
        self._augmented.labels = labels
        if self._on_device is not None:
            self._on_device.use_labels(labels)


class _Normalized:
    """The normalized images of a loader; each pass decodes them again."""

    def __init__(self, loader: Loader, preprocess: Preprocess) -> None:
        self._loader, self._preprocess = loader, preprocess

    def __iter__(self) -> Iterator[Float[Tensor, "batch 3 h w"]]:
        for batch in self._loader:
            yield self._preprocess.normalize(batch.images)


def _sampling_weights(
    methods: np.ndarray | None, labels: np.ndarray, balance: str
) -> Float64[np.ndarray, " rows"]:
    """The probability of each row, so that classes, or methods within classes, are drawn equally often."""
    classes = np.minimum(labels, 2)  # all classes of a reference set count as one
    rows = pd.DataFrame({"label": classes, "kind": methods if balance == "method" else ""})
    size = rows.groupby(["label", "kind"])["kind"].transform("size").to_numpy()
    kinds = rows.groupby("label")["kind"].transform("nunique").to_numpy()
    weights = 1 / size / kinds / rows["label"].nunique()
    return np.asarray(weights / weights.sum())
