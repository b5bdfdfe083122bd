"""Image arithmetic: array types, seeded randomness, filters, warps, and the camera.

Every operation gives the same bits on every processor (`examples.demo.arithmetic`).

Images are float32, RGB, height x width x 3, with values in [0, 1]. They become bytes only in `digitize`, the
last step for real and fake pictures, so that noise and coding never depend on the label.
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
    """Convert to float32; this also gives the type checker one type for results of NumPy and OpenCV."""
    return np.asarray(values, dtype=np.float32)


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """The random generator of one object, so that the order of work and the worker change nothing.

    Args:
        seed: The demo's seed, at least 0.
        *names: The name of the object, such as `("celeba", 42)`.
    """
    key = zlib.crc32("/".join(map(str, names)).encode())
    return np.random.default_rng([seed, key])


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Normal noise with mean 0 and standard deviation 1, clipped at ±3.65.

    Beyond 3.654 NumPy's method computes a logarithm; below it needs only one multiplication.
    """
    return as_float(rng.standard_normal(shape, dtype=np.float32).clip(-3.65, 3.65))


_FILTERS = {"area": cv2.INTER_AREA, "cubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4}
Filter = Literal["area", "cubic", "lanczos"]


def blend(base: FloatImage, over: NDArray[np.floating[Any]], mask: Mask) -> FloatImage:
    """Blend two images, Float["height width 3"]: `over` where the mask is 1, and `base` where it is 0."""
    return as_float(base + mask[..., None] * (over - base))


_WEIGHTS = 2048
"""Filters' weights are multiples of 1 / 2048."""


@cache
def _gaussian(sigma: float) -> NDArray[np.float64]:
    """Weights of a Gaussian filter, which sum to 1 and extend to four standard deviations on either side."""
    radius = max(1, round(4 * sigma))
    bell = [math.exp(-0.5 * (place / sigma) ** 2) for place in range(-radius, radius + 1)]
    weights = [round(_WEIGHTS * value / math.fsum(bell)) for value in bell]
    weights[radius] += _WEIGHTS - sum(weights)
    return np.array(weights) / _WEIGHTS


_ONE = np.ones(1)


def filtered(image: NDArray[Real], weights: NDArray[np.float64]) -> NDArray[Real]:
    """Apply a filter vertically and horizontally; none of its sums rounds.

    Args:
        image: Float["height width"] or Float["height width channels"]. float32 must be within ±2 and is
            rounded to 12 bits after the point; float64 must be within ±8 and is rounded to 24 bits.
        weights: Float["odd"]: either multiples of 1 / 2048 whose magnitudes sum to 1, or multiples of 1/8
            whose magnitudes sum to less than 2.
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
    """Resize an image to `width` x `height` pixels with a filter."""
    # OpenCV's resize has vector code for bytes and float32, and uses Intel's library for some filters. For
    # float64 and these filters it has a single loop of C++.
    wide = np.asarray(image, dtype=np.float64)
    return stepped(cv2.resize(wide, (width, height), interpolation=_FILTERS[how]))


def sampled(image: NDArray[np.float32], places: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sample an image at places, linearly between pixels. Outside of the image its border is repeated.

    Args:
        image: Float["height width"] or Float["height width channels"].
        places: Float["height width 2"], x and y in pixels, multiples of 1/32.
    """
    # Values have 12 bits and each coordinate 5 bits after the point, so no sum rounds.
    x, y = places[..., 0], places[..., 1]
    return as_float(cv2.remap(stepped(image), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def polygon(corners: Points, height: int, width: int, feather: float) -> Mask:
    """A filled polygon with a soft rim.

    Args:
        corners: Float["points 2"], pixels.
        height: Height of the mask, pixels.
        width: Width of the mask, pixels.
        feather: Standard deviation of the blur at its edge, pixels.

    Returns:
        Float["height width"] in [0, 1].
    """
    canvas = np.zeros((height, width), np.uint8)
    cv2.fillPoly(canvas, [np.round(corners * 16).astype(np.int32)], (255,), cv2.LINE_AA, 4)
    return blur(as_float(canvas / 255), feather)


def hull(points: Points, height: int, width: int, feather: float) -> Mask:
    """The convex hull of points as a soft mask; the other arguments are those of `polygon`."""
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
    """Evaluate the thin-plate spline that maps `source` to `target`.

    Args:
        source: Float["points 2"], at least three points that are not on a line.
        target: Float["points 2"].
        at: Float["queries 2"], the points to map.
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
    """The place in the source image to read for each output pixel, so that `source` moves to `target`.

    Returns:
        Float["height width 2"], x and y rounded to 1/32 pixel, for `sampled`.
    """
    columns, rows = -(-width // _CELL) + 1, -(-height // _CELL) + 1
    across, down = np.arange(columns, dtype=np.float64), np.arange(rows, dtype=np.float64)
    grid = np.stack(np.meshgrid(across, down), axis=-1) * _CELL
    coarse = thin_plate(target, source, grid.reshape(-1, 2), _SMOOTHING).reshape(rows, columns, 2)
    x, y = _fine(width, height)
    # Weights are eighths and values multiples of 2^-10 pixels, so no sum rounds.
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
    """Blur like a lens: Gaussian, standard deviation 0 to 0.7 pixels. It is applied before any forgery."""
    sigma = float(rng.uniform(0, 0.7))
    return rgb if sigma < 0.25 else blur(rgb, sigma)


def digitize(rgb: FloatImage, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Add a sensor's noise and quantize to bytes.

    Args:
        rgb: Float["height width 3"] in [0, 1].
        rng: The source of the noise, whose standard deviation is 0.6 to 1.6 gray levels.

    Returns:
        UInt8["height width 3"], RGB.
    """
    sigma = np.float32(rng.uniform(0.6, 1.6) / 255)
    noise = normal(rng, rgb.shape) * sigma
    return np.asarray(np.round(np.clip(rgb + noise, 0, 1) * 255), dtype=np.uint8)


def write_still(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write a PNG or JPEG file (quality 92, 4:2:0), depending on the path's suffix.

    Raises:
        OSError: If the picture cannot be encoded or written.
    """
    done, encoded = cv2.imencode(path.suffix, np.ascontiguousarray(pixels[..., ::-1]), _CODING[path.suffix])
    if not done:
        raise OSError(f"cannot encode {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded.tobytes())
