"""The demo's DFFD: still faces, whole-face synthesis and attribute edits, in the layout of the real set.

The edits of `faceapp` resemble those of a face-editing app: warp, recolor, smooth, blend. They use no
network. Their traces are local resampling, lost skin texture and the blend.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.demo import Recipe
from examples.demo.arithmetic import STEPS, settled, stepped
from examples.demo.person import Identity, draw_identity, draw_view
from examples.demo.pixels import (
    FloatImage,
    Mask,
    Points,
    as_float,
    backward_map,
    blend,
    digitize,
    focus,
    generator,
    hull,
    resized,
    sampled,
    write_still,
)
from examples.demo.render import Person, Rendering, draw_backdrop
from examples.demo.upsamplers import UpSampler, UpSampling, generate, train_upsampler

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
    """One image to make: its folder, split and number. Numbers continue from split to split."""

    folder: str
    split: str
    number: int

    @property
    def path(self) -> str:
        """The path relative to the set's root."""
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
    """Render a portrait photograph, without the camera's noise, and return the person in it."""
    rng = generator(seed, FOLDER, name, number)
    person = draw_identity(rng)
    view = draw_view(rng, EYE_DISTANCE[domain])
    backdrop = draw_backdrop(rng, SIDE, SIDE)
    picture = Person(identity or person).render(view, backdrop)
    return Rendering(focus(picture.rgb, rng), picture.landmarks), identity or person


def made_up(identity: Identity) -> Identity:
    """A person with red lips, blushed cheeks and dark brows, which the demo's StarGAN learns to add."""
    return replace(identity, lips=1.0, blush=1.0, brows=1.0)


def train_generator(folder: str, recipe: Recipe, seed: int) -> UpSampler:
    """Train the generator of a folder on pictures of people who are in no other picture."""
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
    """Render one image, make a fake if needed, and write it."""
    domain = DOMAINS[still.folder]
    name = domain if still.folder in EDITED else still.folder
    picture, _ = _shoot(seed, domain, name, still.number)
    rng = generator(seed, FOLDER, "camera", still.folder, still.number)
    rgb = picture.rgb
    if still.folder in GENERATORS:
        rgb = generate(networks[still.folder], rgb)
    elif still.folder == "faceapp":
        rgb = edit_face(picture, rng)
    write_still(root / still.path, digitize(np.asarray(rgb), rng))


_MOUTH, _NOSE = np.arange(48, 68), np.arange(27, 36)
_EYES = (np.arange(36, 42), np.arange(42, 48))
_BROWS = (np.arange(17, 22), np.arange(22, 27))
SHRUNK_BY = 1.3
"""An app edits the face at its own working size, smaller than the photograph, and pastes it back."""

Edit = Callable[[FloatImage, Points, np.random.Generator], FloatImage]


def smile(rgb: FloatImage, marks: Points, rng: np.random.Generator) -> FloatImage:
    """Pull the mouth's corners up and out."""
    mouth, after = marks[_MOUTH], marks.copy()
    half = float(np.ptp(mouth[:, 0])) / 2
    offset = (mouth[:, 0] - mouth[:, 0].mean()) / half
    amount = rng.uniform(0.6, 1.0) * half
    after[_MOUTH, 0] += 0.14 * amount * offset
    after[_MOUTH, 1] -= 0.22 * amount * (offset**2 - 0.35)
    return _moved(rgb, marks, after, _MOUTH)


def bigger_eyes(rgb: FloatImage, marks: Points, rng: np.random.Generator) -> FloatImage:
    """Enlarge both eyes about their centers."""
    after, factor = marks.copy(), float(rng.uniform(1.12, 1.22))
    for eye in _EYES:
        after[eye] = _grown(marks[eye], factor)
    for eye in _EYES:
        rgb = _moved(rgb, marks, after, eye)
    return rgb


def slimmer_nose(rgb: FloatImage, marks: Points, rng: np.random.Generator) -> FloatImage:
    """Narrow the nose's wings."""
    after, middle = marks.copy(), marks[_NOSE, 0].mean()
    after[31:36, 0] = middle + (marks[31:36, 0] - middle) * rng.uniform(0.7, 0.82)
    return _moved(rgb, marks, after, _NOSE)


def painted_lips(rgb: FloatImage, marks: Points, rng: np.random.Generator) -> FloatImage:
    """Color the lips."""
    height, width = rgb.shape[:2]
    lips = hull(marks[48:60], height, width, 1.5) - hull(_grown(marks[60:68], 1.05), height, width, 1.0)
    mask = np.clip(lips, 0, 1) * as_float(rng.uniform(0.25, 0.55))
    return blend(rgb, rgb * as_float([1.1, 0.6, 0.65]), mask)


def smoother_skin(rgb: FloatImage, marks: Points, rng: np.random.Generator) -> FloatImage:
    """Smooth the skin but not its edges, as for a younger face; eyes, brows and mouth do not change."""
    height, width = rgb.shape[:2]
    mask = _oval(marks, height, width)
    for part in (*_BROWS, *_EYES, _MOUTH):
        mask *= 1 - hull(_grown(marks[part], 1.2), height, width, 2.0)
    smooth = bilateral(rgb, mask > 0, float(rng.uniform(0.10, 0.16)))
    return blend(rgb, smooth, mask * as_float(rng.uniform(0.7, 1.0)))


_RADIUS, _SPACE = 4, 4.0
_NEIGHBORS = [
    (down, across)
    for down in range(-_RADIUS, _RADIUS + 1)
    for across in range(-_RADIUS, _RADIUS + 1)
    if down**2 + across**2 <= _RADIUS**2
]


def bilateral(rgb: FloatImage, where: NDArray[np.bool_], sigma: float) -> FloatImage:
    """Bilateral filter: the mean of neighbors, weighted by their distance in the picture and in color.

    Source: Tomasi and Manduchi, "Bilateral filtering for gray and color images", ICCV 1998.

    Args:
        rgb: Float["height width 3"].
        where: Bool["height width"]: pixels outside of the bounding box of these pixels do not change.
        sigma: Standard deviation of the weight by color distance, the sum of the three channels' differences.
    """
    rows, columns = (np.flatnonzero(where.any(axis=axis)) for axis in (1, 0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    rim = [(_RADIUS, _RADIUS), (_RADIUS, _RADIUS)]
    channels = [np.pad(stepped(rgb[..., channel]), rim, mode="reflect") for channel in range(3)]
    middle = [
        channel[_RADIUS + top :, _RADIUS + left :][: bottom - top, : right - left] for channel in channels
    ]
    # One weight for each possible color distance.
    nearness = as_float(settled(np.exp(-0.5 * (np.arange(3 * STEPS + 1) / STEPS / sigma) ** 2)))
    total = np.zeros_like(middle[0])
    sums = [np.zeros_like(total) for _ in channels]
    for down, across in _NEIGHBORS:
        start = (_RADIUS + top + down, _RADIUS + left + across)
        values = [channel[start[0] :, start[1] :][: bottom - top, : right - left] for channel in channels]
        apart = sum(np.abs(value - center) for value, center in zip(values, middle, strict=True))
        space = as_float(settled(np.exp(-0.5 * (down**2 + across**2) / _SPACE**2)))
        weights = nearness[(apart * STEPS).astype(np.intp)] * space
        total += weights
        for one, value in zip(sums, values, strict=True):
            one += weights * value
    smooth = rgb.copy()
    smooth[top:bottom, left:right] = np.stack([one / total for one in sums], axis=-1)
    return smooth


EDITS: tuple[Edit, ...] = (smile, bigger_eyes, slimmer_nose, painted_lips)


def edit_face(picture: Rendering, rng: np.random.Generator) -> FloatImage:
    """Smooth the skin and apply two or three of `EDITS` to a picture; Float["height width 3"] in [0, 1]."""
    height, width = picture.rgb.shape[:2]
    marks = picture.landmarks
    rgb = smoother_skin(picture.rgb, marks, rng)
    for index in sorted(rng.choice(len(EDITS), size=int(rng.integers(2, 4)), replace=False)):
        rgb = EDITS[index](rgb, marks, rng)
    small = resized(rgb, round(width / SHRUNK_BY), round(height / SHRUNK_BY), "area")
    face = resized(small, width, height, "cubic")
    return as_float(np.clip(blend(picture.rgb, face, _oval(marks, height, width)), 0, 1))


def _oval(marks: Points, height: int, width: int) -> Mask:
    """A mask of the face from a little above the brows to the chin."""
    forehead = marks[17:27] - (0, 0.1 * (marks[8, 1] - marks[27, 1]))
    return hull(_grown(np.vstack([marks[:17], forehead]), 0.93), height, width, 5.0)


def _grown(points: Points, factor: float) -> Points:
    middle = points.mean(axis=0)
    return np.asarray(middle + (points - middle) * factor)


def _moved(rgb: FloatImage, before: Points, after: Points, chosen: np.ndarray) -> FloatImage:
    """Warp landmarks to other places, and blend the result into the picture around the `chosen` landmarks."""
    height, width = rgb.shape[:2]
    rim = np.array(
        [(x * width, y * height) for x in (0, 0.5, 1) for y in (0, 0.5, 1) if (x, y) != (0.5, 0.5)]
    )
    places = backward_map(np.vstack([before, rim]), np.vstack([after, rim]), width, height)
    around = np.vstack([_grown(before[chosen], 1.5), _grown(after[chosen], 1.5)])
    return blend(rgb, sampled(rgb, places), hull(around, height, width, 4.0))
