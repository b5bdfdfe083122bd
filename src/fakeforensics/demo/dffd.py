"""The demo's DFFD: still faces, whole-face synthesis and attribute edits, in the real set's layout."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fakeforensics.demo.arrays import FloatImage, generator
from fakeforensics.demo.backdrop import draw_backdrop
from fakeforensics.demo.edits import edit_face
from fakeforensics.demo.finish import digitise, focus, write_still
from fakeforensics.demo.identity import Identity, draw_identity
from fakeforensics.demo.pose import draw_view
from fakeforensics.demo.recipe import Recipe
from fakeforensics.demo.render import Person, Rendering
from fakeforensics.demo.upsamplers import UpSampler, UpSampling, generate, train_upsampler

FOLDER = "DFFD"
SIDE = 256
EYE_DISTANCE = {"ffhq": 98.0, "celeba": 94.0}
DOMAINS = {
    "ffhq": "ffhq",
    "stylegan_ffhq": "ffhq",
    "faceapp": "ffhq",
    "celeba": "celeba",
    "pggan": "celeba",
    "stargan": "celeba",
}
EDITED = {"faceapp", "stargan"}
"""Folders whose images are edits of the real photograph of the same number."""

GENERATORS: dict[str, UpSampling] = {"pggan": "nearest", "stargan": "transposed", "stylegan_ffhq": "blurred"}
PRACTICE = {"pggan": 0.6, "stargan": 0.6, "stylegan_ffhq": 1.0}
"""Share of the recipe's training steps that each generator gets: less practice leaves stronger traces."""

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Still:
    """One image to make: its folder, split and number (numbers run through the splits)."""

    folder: str
    split: str
    number: int

    @property
    def path(self) -> str:
        """Relative to the set's root."""
        return f"{self.folder}/{self.split}/{self.number:05}.jpg"


def plan(recipe: Recipe) -> list[Still]:
    """All images of all folders."""
    stills = []
    for folder, domain in DOMAINS.items():
        number = 0
        for split, count in zip(SPLITS, getattr(recipe, domain), strict=True):
            stills += [Still(folder, split, number + i) for i in range(count)]
            number += count
    return stills


def _shoot(
    seed: int, domain: str, name: str, number: int, identity: Identity | None = None
) -> tuple[Rendering, Identity]:
    """A portrait photograph, before the camera's noise."""
    rng = generator(seed, FOLDER, name, number)
    person = draw_identity(rng)
    view = draw_view(rng, EYE_DISTANCE[domain])
    backdrop = draw_backdrop(rng, SIDE, SIDE)
    picture = Person(identity or person).render(view, backdrop)
    return Rendering(focus(picture.rgb, rng), picture.landmarks), identity or person


def made_up(identity: Identity) -> Identity:
    """What the demo's StarGAN learns to make of a person: red lips, blushed cheeks and dark brows."""
    return replace(identity, lips=1.0, blush=1.0, brows=1.0)


def train_generator(folder: str, recipe: Recipe, seed: int) -> UpSampler:
    """Train the generator of a folder on pictures of people who appear nowhere else."""
    pairs: list[tuple[FloatImage, FloatImage]] = []
    for number in range(recipe.lessons):
        name, domain = f"lessons of {folder}", DOMAINS[folder]
        picture, person = _shoot(seed, domain, name, number)
        wanted = picture
        if folder in EDITED:
            wanted, _ = _shoot(seed, domain, name, number, made_up(person))
        pairs.append((picture.rgb, wanted.rgb))
    steps = max(1, round(recipe.steps * PRACTICE[folder]))
    return train_upsampler(GENERATORS[folder], pairs, seed=seed, steps=steps)


def make_still(still: Still, networks: dict[str, UpSampler], seed: int, root: Path) -> None:
    """Render, forge and write one image."""
    domain = DOMAINS[still.folder]
    name = domain if still.folder in EDITED else still.folder
    picture, _ = _shoot(seed, domain, name, still.number)
    rng = generator(seed, FOLDER, "camera", still.folder, still.number)
    rgb = picture.rgb
    if still.folder in GENERATORS:
        rgb = generate(networks[still.folder], rgb)
    elif still.folder == "faceapp":
        rgb = edit_face(picture, rng)
    write_still(root / still.path, digitise(np.asarray(rgb), rng))
