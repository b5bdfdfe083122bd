"""Image arithmetic: array types, seeded randomness, OpenCV with exact types, warps, and the camera.

Images are float32, RGB, height x width x 3, with values in [0, 1]. They become bytes only in `digitize`,
which every picture goes through last, real and fake alike: noise and coding never depend on the label.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]
"""Float["height width 3"] in [0, 1], RGB."""

Mask = NDArray[np.float32]
"""Float["height width"] in [0, 1]."""

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


_FILTERS = {
    "area": cv2.INTER_AREA,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}
Filter = Literal["area", "linear", "cubic", "lanczos"]


def blend(base: FloatImage, over: NDArray[np.floating[Any]], mask: Mask) -> FloatImage:
    """`over` where the mask is 1, `base` where it is 0: Float["height width 3"] and Float["height width"]."""
    return as_float(base + mask[..., None] * (over - base))


def blur(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Gaussian blur; `sigma` in pixels."""
    return as_float(cv2.GaussianBlur(image, (0, 0), sigma))


def resized(image: NDArray[np.float32], width: int, height: int, how: Filter) -> NDArray[np.float32]:
    """The image at another size."""
    return as_float(cv2.resize(image, (width, height), interpolation=_FILTERS[how]))


def sampled(image: NDArray[np.float32], places: NDArray[np.float32], how: Filter) -> NDArray[np.float32]:
    """Read the image at `places`, Float["height width 2"] (x, y in pixels). Outside, its rim is repeated."""
    x, y = places[..., 0], places[..., 1]
    return as_float(cv2.remap(image, x, y, _FILTERS[how], borderMode=cv2.BORDER_REPLICATE))


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
    squared = ((first[:, None, :] - second[None, :, :]) ** 2).sum(axis=2)
    return np.asarray(squared * np.log(squared + 1e-9))


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
    weights = np.linalg.solve(system, np.vstack([target, np.zeros((3, 2))]))
    basis = np.hstack([_kernel(at, source), np.ones((len(at), 1)), at])
    return np.asarray(basis @ weights)


def backward_map(source: Points, target: Points, width: int, height: int) -> NDArray[np.float32]:
    """For every output pixel the place in the source to read, so that `source` lands on `target`.

    Returns:
        Float["height width 2"], x and y, for `pixels.sampled`.
    """
    columns, rows = -(-width // _CELL) + 1, -(-height // _CELL) + 1
    across, down = np.arange(columns, dtype=np.float64), np.arange(rows, dtype=np.float64)
    grid = np.stack(np.meshgrid(across, down), axis=-1) * _CELL
    coarse = thin_plate(target, source, grid.reshape(-1, 2), _SMOOTHING).reshape(rows, columns, 2)
    # Grid point i stands at pixel 8 i, so pixel p reads position p / 8 of the coarse grid.
    places = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1) / _CELL
    return sampled(as_float(coarse), as_float(places), "linear")


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
    noise = rng.standard_normal(rgb.shape, dtype=np.float32) * sigma
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
