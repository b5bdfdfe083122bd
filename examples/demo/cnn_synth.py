"""The demo's CNN Synth: photographs and fakes by learned up-sampling, in the layout of the real set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from examples.demo import Recipe
from examples.demo.pixels import FloatImage, as_float, digitize, generator, resized, write_still
from examples.demo.render import PHOTOGRAPHS, draw_crop
from examples.demo.upsamplers import UpSampler, generate, train_upsampler

FOLDER = "CNN_synth"
SIDE = 224
CATEGORIES = {"cat": ("chelsea",), "diningtable": ("coffee",)}
SETS = ("progan", "san")


@dataclass(frozen=True)
class Picture:
    """One image to make.

    Attributes:
        folder: The set: `progan` (with categories) or `san`.
        category: Folder of the category; "" if the set has no categories.
        is_fake: Whether it is in `1_fake` and not in `0_real`.
        number: File number.
    """

    folder: str
    category: str
    is_fake: bool
    number: int

    @property
    def path(self) -> str:
        """The path relative to the set's root."""
        parts = [self.folder, self.category, "1_fake" if self.is_fake else "0_real", f"{self.number:05}.png"]
        return "/".join(part for part in parts if part)


def plan(recipe: Recipe) -> list[Picture]:
    """All images. The categories of ProGAN share `recipe.whole`."""
    share = recipe.whole // len(CATEGORIES)
    return [
        Picture(folder, category, is_fake, number)
        for folder, categories, count in (("progan", tuple(CATEGORIES), share), ("san", ("",), recipe.whole))
        for category in categories
        for is_fake in (False, True)
        for number in range(count)
    ]


def shoot(rng: np.random.Generator, names: tuple[str, ...]) -> FloatImage:
    """Draw a random crop of one of the photographs: shrunk a little, with random light, perhaps mirrored."""
    crop = resized(draw_crop(rng, names, smallest=SIDE), SIDE, SIDE, "area")
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    light = rng.uniform(0.8, 1.1) * (1 + rng.uniform(-0.06, 0.06, 3))
    return as_float(np.clip(crop * light, 0, 1))


def _names(category: str) -> tuple[str, ...]:
    return CATEGORIES[category] if category else PHOTOGRAPHS


def train_generator(folder: str, recipe: Recipe, seed: int) -> UpSampler:
    """Train a set's generator: ProGAN's reconstructs photographs, SAN's enlarges them fourfold."""
    rng = generator(seed, FOLDER, "lessons", folder)
    crops = [shoot(rng, PHOTOGRAPHS) for _ in range(recipe.lessons)]
    pairs = [(crop, crop) for crop in crops]
    if folder == "san":
        return train_upsampler("shuffle", pairs, seed=seed, steps=recipe.steps, code=0)
    return train_upsampler("nearest", pairs, seed=seed, steps=recipe.steps)


def make_picture(picture: Picture, networks: dict[str, UpSampler], seed: int, root: Path) -> None:
    """Crop a photograph, make a fake if needed, and write the image.

    The fakes of SAN are made from the real images of the same number.
    """
    shared = picture.folder == "san"
    scene = "photograph" if shared or not picture.is_fake else "generated"
    rgb = shoot(
        generator(seed, FOLDER, picture.folder, picture.category, scene, picture.number),
        _names(picture.category),
    )
    if picture.is_fake:
        rgb = generate(networks[picture.folder], rgb)
    write_still(root / picture.path, digitize(rgb, generator(seed, FOLDER, "camera", picture.path)))
