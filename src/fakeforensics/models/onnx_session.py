"""Runs an ONNX network on any number of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Num


def run_session(
    session: Any, outputs: Sequence[str], images: Num[np.ndarray, "batch ..."]
) -> list[Num[np.ndarray, "batch ..."]]:
    """Run a network with one input; one that takes a fixed number of images gets so many at a time.

    Args:
        session: The `onnxruntime.InferenceSession`.
        outputs: Names of the outputs.
        images: What its input takes. To fill up the last call, the last image is repeated.

    Returns:
        Each output, with a row for each image.
    """
    (taken,) = session.get_inputs()
    size = taken.shape[0] if taken.shape else None
    if not isinstance(size, int) or size < 1:
        return list(session.run(outputs, {taken.name: images}))
    found = []
    for begin in range(0, len(images), size):
        some = images[begin : begin + size]
        filled = np.concatenate([some, np.repeat(some[-1:], size - len(some), axis=0)])
        found.append([np.atleast_1d(one) for one in session.run(outputs, {taken.name: filled})])
    return [np.concatenate(of_output)[: len(images)] for of_output in zip(*found, strict=True)]
