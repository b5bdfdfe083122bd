"""Arithmetic that gives the same bits on every processor. The demo's pictures use only this arithmetic.

These operations differ between processors, and the demo uses these replacements:

- `+ - * /` and `sqrt` are exactly rounded on every processor, so NumPy's element-wise operations are used
  freely. PyTorch's `sqrt` comes from Intel's library and is not exactly rounded.
- Sums depend on the order of additions and on fused multiply-adds, unless no addition rounds. Convolutions,
  warps and filters therefore get numbers with so few bits that the sums of their products are exact.
- Matrix products and factorizations of a BLAS library depend on the processor, so `solve` and the sums of a
  spline are written as loops. NumPy's `sum` always adds in the same order.
- `sin`, `exp` and `pow` differ in the last bit, so `settled` rounds their results. `log` is called too often
  for that (a rounding boundary would be hit), so this module implements it.

`tests/pipeline/test_portable.py` makes the demo twice, with and without the instructions that processors may
lack.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

STEPS = 4096
"""Steps from black to white in an image on its way through filters: 1/16 of a gray level."""

Array = NDArray[np.float64]


def stepped(values: Any) -> NDArray[np.float32]:
    """Round to multiples of 1 / `STEPS`: sums of products with 12-bit weights are then exact in float32."""
    return np.asarray(np.rint(np.asarray(values) * STEPS) / STEPS, dtype=np.float32)


def settled(values: Any) -> Array:
    """Round a transcendental function's value to 20 bits after the point.

    Implementations agree to about 52 bits, so two of them are on different sides of a rounding boundary for
    one value in four billion.
    """
    return np.asarray(np.rint(np.asarray(values, dtype=np.float64) * 2**20) / 2**20)


def log(values: Array) -> Array:
    """The natural logarithm of positive numbers, to 13 digits.

    It is 2 artanh((m - 1) / (m + 1)) of the mantissa m, plus the exponent times ln 2.
    """
    mantissa, exponent = np.frexp(values)
    # Mantissas near 1 need the fewest terms of the series.
    low = mantissa < 0.70710678
    mantissa = mantissa + mantissa * low
    ratio = (mantissa - 1) / (mantissa + 1)
    square = ratio * ratio
    series = np.full_like(square, 1 / 17)
    for odd in (15, 13, 11, 9, 7, 5, 3, 1):
        series *= square
        series += 1 / odd
    ratio *= 2
    return np.asarray(series * ratio + (exponent - low) * 0.6931471805599453)


def solve(system: Array, right: Array) -> Array:
    """Solve linear equations by elimination with partial pivoting.

    Args:
        system: Float["n n"].
        right: Float["n k"].

    Returns:
        Float["n k"].
    """
    count = len(system)
    rows = np.hstack([system, right])
    for column in range(count):
        pivot = column + int(np.argmax(np.abs(rows[column:, column])))
        if pivot != column:
            rows[[column, pivot]] = rows[[pivot, column]]
        factors = rows[column + 1 :, column] / rows[column, column]
        rows[column + 1 :, column:] -= factors[:, None] * rows[column, column:]
    solution = np.zeros_like(right)
    for row in range(count - 1, -1, -1):
        known = (rows[row, row + 1 : count, None] * solution[row + 1 :]).sum(axis=0)
        solution[row] = (rows[row, count:] - known) / rows[row, row]
    return solution
