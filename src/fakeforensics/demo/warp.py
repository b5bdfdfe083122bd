"""Landmark-driven warps: thin-plate splines evaluated on a coarse grid.

Source: F. L. Bookstein, "Principal warps", IEEE PAMI 11(6), 1989.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fakeforensics.demo.arrays import Points, as_float
from fakeforensics.demo.pixels import sampled

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
