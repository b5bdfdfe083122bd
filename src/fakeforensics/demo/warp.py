"""Landmark-driven warps: thin-plate splines evaluated on a coarse grid.

Source: F. L. Bookstein, "Principal warps", IEEE PAMI 11(6), 1989.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fakeforensics.demo.arrays import Points

_CELL = 8
"""Output pixels between two points where the spline is evaluated; it is smooth enough to interpolate between."""


def _kernel(first: Points, second: Points) -> NDArray[np.float64]:
    squared = ((first[:, None, :] - second[None, :, :]) ** 2).sum(axis=2)
    return squared * np.log(squared + 1e-9)


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
    """For every output pixel the source pixel to read, so that `source` points land on `target` points.

    Returns:
        Float["height width 2"], x and y, for `cv2.remap`.
    """
    columns, rows = -(-width // _CELL) + 1, -(-height // _CELL) + 1
    grid_x, grid_y = np.meshgrid(np.arange(columns) * _CELL, np.arange(rows) * _CELL)
    queries = np.stack([grid_x.ravel(), grid_y.ravel()], axis=1).astype(np.float64)
    coarse = thin_plate(target, source, queries, smoothing=1e-4).reshape(rows, columns, 2).astype(np.float32)
    # Grid point i stands at pixel 8 i, so pixel p reads position p / 8 of the coarse grid.
    x, y = np.meshgrid(
        np.arange(width, dtype=np.float32) / _CELL, np.arange(height, dtype=np.float32) / _CELL
    )
    return cv2.remap(coarse, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
