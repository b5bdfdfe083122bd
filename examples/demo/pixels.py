"""Image arithmetic: array types, seeded randomness, filters, warps, and the camera.

Every operation gives the same bits on every processor (`examples.demo.arithmetic`).

Images are float32, RGB, height x width x 3, with values in [0, 1]. They become bytes only in `digitize`,
which every picture goes through last, real and fake alike: noise and coding never depend on the label.
"""

from __future__ import annotations

import math
import zlib
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from examples.demo.arithmetic import STEPS, log, solve, stepped

FloatImage = NDArray[np.float32]
"""Float["height width 3"] in [0, 1], RGB."""

Mask = NDArray[np.float32]
"""Float["height width"] in [0, 1]."""

Real = TypeVar("Real", np.float32, np.float64)

Points = NDArray[np.float64]
"""Float["points 2"]: x, y in pixels."""


def as_float(values: Any) -> NDArray[np.float32]:
    """Float32 of the same shape, and a type that NumPy's and OpenCV's loose ones agree on."""
    return np.asarray(values, dtype=np.float32)


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """A random generator of its own for each thing that is made, so that order and worker never matter.

    Args:
        seed: The run's seed, at least 0.
        *names: What is made, e.g. `("celeba", 42)`.
    """
    key = zlib.crc32("/".join(map(str, names)).encode())
    return np.random.default_rng([seed, key])


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Normal noise of zero mean and unit deviation, cut off at 3.65.

    Beyond 3.654 NumPy's method takes a logarithm; up to there it is one multiplication.
    """
    return as_float(rng.standard_normal(shape, dtype=np.float32).clip(-3.65, 3.65))


_FILTERS = {"area": cv2.INTER_AREA, "cubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4}
Filter = Literal["area", "cubic", "lanczos"]


def blend(base: FloatImage, over: NDArray[np.floating[Any]], mask: Mask) -> FloatImage:
    """`over` where the mask is 1, `base` where it is 0: Float["height width 3"] and Float["height width"]."""
    return as_float(base + mask[..., None] * (over - base))


_WEIGHTS = 2048
"""Filters' weights are multiples of 1 / 2048."""


@cache
def _gaussian(sigma: float) -> NDArray[np.float64]:
    """Weights that sum to 1; four deviations to either side."""
    radius = max(1, round(4 * sigma))
    bell = [math.exp(-0.5 * (place / sigma) ** 2) for place in range(-radius, radius + 1)]
    weights = [round(_WEIGHTS * value / math.fsum(bell)) for value in bell]
    weights[radius] += _WEIGHTS - sum(weights)
    return np.array(weights) / _WEIGHTS


_ONE = np.ones(1)


def filtered(image: NDArray[Real], weights: NDArray[np.float64]) -> NDArray[Real]:
    """Apply a filter down and across; no sum in it rounds.

    Args:
        image: Float["height width"] or Float["height width channels"]. Of float32 within -2 and 2 it takes 12
            bits after the point, of float64 within -8 and 8 it takes 24.
        weights: Float["odd"], multiples of 1 / 2048 whose magnitudes sum to 1, or of 1/8 and to less than 2.
    """
    steps = STEPS if image.dtype == np.float32 else STEPS**2
    counts = np.rint(image * image.dtype.type(steps))
    for down, across in ((weights, _ONE), (_ONE, weights)):
        np.rint(cv2.sepFilter2D(counts, -1, across, down), out=counts)
    return np.asarray(counts / image.dtype.type(steps), dtype=image.dtype)


def blur(image: NDArray[Real], sigma: float) -> NDArray[Real]:
    """Gaussian blur; `sigma` in pixels."""
    return filtered(image, _gaussian(sigma))


def resized(image: NDArray[np.float32], width: int, height: int, how: Filter) -> NDArray[np.float32]:
    """The image at another size."""
    # OpenCV's resize has vector code for bytes and float32, and Intel's library for some filters; for float64
    # and these filters it has one loop of C++.
    wide = np.asarray(image, dtype=np.float64)
    return stepped(cv2.resize(wide, (width, height), interpolation=_FILTERS[how]))


def sampled(image: NDArray[np.float32], places: NDArray[np.float32]) -> NDArray[np.float32]:
    """Read the image at places, linear between pixels; outside, its rim is repeated.

    Args:
        image: Float["height width"] or Float["height width channels"].
        places: Float["height width 2"], x and y in pixels, multiples of 1/32.
    """
    # 12 bits of value and twice 5 bits of place: no sum rounds.
    x, y = places[..., 0], places[..., 1]
    return as_float(cv2.remap(stepped(image), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def polygon(corners: Points, height: int, width: int, feather: float) -> Mask:
    """A filled polygon with a soft rim.

    Args:
        corners: Float["points 2"], pixels.
        height: Of the mask, pixels.
        width: The same.
        feather: Deviation of the rim's blur, pixels.

    Returns:
        Float["height width"] in [0, 1].
    """
    canvas = np.zeros((height, width), np.uint8)
    cv2.fillPoly(canvas, [np.round(corners * 16).astype(np.int32)], (255,), cv2.LINE_AA, 4)
    return blur(as_float(canvas / 255), feather)


def hull(points: Points, height: int, width: int, feather: float) -> Mask:
    """The convex hull of some points as a soft mask; arguments as of `polygon`."""
    corners = cv2.convexHull(as_float(points))
    return polygon(np.asarray(corners, dtype=np.float64)[:, 0], height, width, feather)


_CELL = 8
"""Output pixels from one evaluation of the spline to the next; between them it is nearly linear."""

_SMOOTHING = 1e-4
"""Ridge on the bending part: landmarks that nearly coincide must not fold the picture."""


def _kernel(first: Points, second: Points) -> NDArray[np.float64]:
    squared = (first[:, None, 0] - second[None, :, 0]) ** 2 + (first[:, None, 1] - second[None, :, 1]) ** 2
    return np.asarray(squared * log(squared + 1e-9))


def thin_plate(source: Points, target: Points, at: Points, smoothing: float = 0.0) -> Points:
    """Evaluate the thin-plate spline that carries `source` to `target`.

    Args:
        source: Float["points 2"], at least three that are not on a line.
        target: Float["points 2"].
        at: Float["queries 2"], where to evaluate.
        smoothing: Ridge on the bending part; 0 interpolates exactly.

    Returns:
        Float["queries 2"].
    """
    scale = float(np.abs(source).max())
    source, at = source / scale, at / scale
    count = len(source)
    affine = np.hstack([np.ones((count, 1)), source])
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _kernel(source, source) + smoothing * np.eye(count)
    system[:count, count:], system[count:, :count] = affine, affine.T
    weights = solve(system, np.vstack([target, np.zeros((3, 2))]))
    basis = np.hstack([_kernel(at, source), np.ones((len(at), 1)), at])
    return np.stack([(basis * weights[:, axis]).sum(axis=1) for axis in range(2)], axis=1)


def backward_map(source: Points, target: Points, width: int, height: int) -> NDArray[np.float32]:
    """For every output pixel the place in the source to read, so that `source` lands on `target`.

    Returns:
        Float["height width 2"], x and y to 1/32 pixel, for `pixels.sampled`.
    """
    columns, rows = -(-width // _CELL) + 1, -(-height // _CELL) + 1
    across, down = np.arange(columns, dtype=np.float64), np.arange(rows, dtype=np.float64)
    grid = np.stack(np.meshgrid(across, down), axis=-1) * _CELL
    coarse = thin_plate(target, source, grid.reshape(-1, 2), _SMOOTHING).reshape(rows, columns, 2)
    x, y = _fine(width, height)
    # Places in eighths of a cell on a grid of 2^-10 pixels: no sum rounds.
    coarse = np.rint(coarse * 2**10) / 2**10
    places = cv2.remap(coarse, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return as_float(np.rint(places * 32) / 32)


@cache
def _fine(width: int, height: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    # Grid point i stands at pixel 8 i, so pixel p reads position p / 8 of the coarse grid.
    x, y = np.meshgrid(np.arange(width) / _CELL, np.arange(height) / _CELL)
    return as_float(x), as_float(y)


_CODING = {".jpg": [cv2.IMWRITE_JPEG_QUALITY, 92], ".png": [cv2.IMWRITE_PNG_COMPRESSION, 6]}


def focus(rgb: FloatImage, rng: np.random.Generator) -> FloatImage:
    """Blur as a lens does: Gaussian, deviation 0 to 0.7 pixels. It is the scene's, so before any forgery."""
    sigma = float(rng.uniform(0, 0.7))
    return rgb if sigma < 0.25 else blur(rgb, sigma)


def digitize(rgb: FloatImage, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Add a sensor's noise and quantize to bytes.

    Args:
        rgb: Float["height width 3"] in [0, 1].
        rng: Draws the noise, of deviation 0.6 to 1.6 gray levels.

    Returns:
        UInt8["height width 3"], RGB.
    """
    sigma = np.float32(rng.uniform(0.6, 1.6) / 255)
    noise = normal(rng, rgb.shape) * sigma
    return np.asarray(np.round(np.clip(rgb + noise, 0, 1) * 255), dtype=np.uint8)


def write_still(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write `.png` or `.jpg` (quality 92, 4:2:0), by the path's suffix.

    Raises:
        OSError: If the picture cannot be encoded or written.
    """
    done, encoded = cv2.imencode(path.suffix, np.ascontiguousarray(pixels[..., ::-1]), _CODING[path.suffix])
    if not done:
        raise OSError(f"cannot encode {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded.tobytes())
