"""Estimates earlier changes of a picture: its blur, an earlier JPEG compression, and resampling.

Each function looks for a trace. If there is no trace, the picture may still have been changed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from fakeforensics.inference.training_data import TrainingData

Gray = UInt8[np.ndarray, "_ _"]  # any size
_PART = 1024  # side of the examined part, in pixels
_REBLUR = 1.0  # standard deviation of the known blur, in pixels
_EDGES = 0.02  # share of the pixels that count as steepest edges
_QUALITIES = range(30, 100)
_DIP = 0.8  # a quality left a trace if its loss is below this share of the loss at nearby qualities
_NEAR = 3  # distance of these nearby qualities
# Least height of a peak as a multiple of the spectrum around it. 34 photographs and faces that were not
# resampled after their last compression had at most 3.3; enlarged by cubic interpolation most had more than
# 6.
_PEAK = 6.0
_AROUND = 61  # number of frequencies around a peak
_LEAST_SIDE = 64
SHARP = 0.7  # median blur of 256-pixel photographs of faces (FFHQ), in pixels


def edge_blur(gray: Gray) -> float | None:
    """Estimate the standard deviation of the blur at the steepest edges.

    A step edge that has a blur of standard deviation s is blurred again with a known standard deviation r.
    Its slope falls by the factor R = sqrt(s² + r²) / s, so that s = r / sqrt(R² − 1).

    Returns:
        The estimate from the median R, in pixels; None if the picture has no edge.

    Source:
        Zhuo and Sim, Defocus map estimation from a single image, Pattern Recognition 44, 2011, section 3.
    """
    sharp = gray.astype(np.float32)
    slope = _slope(sharp)
    steep = slope >= max(float(np.quantile(slope, 1 - _EDGES)), 1.0)
    if not steep.any():
        return None
    again = _slope(cv2.GaussianBlur(sharp, (0, 0), _REBLUR))
    ratio = float(np.median(slope[steep] / np.maximum(again[steep], 1e-3)))
    return round(_REBLUR / math.sqrt(max(ratio**2 - 1, 1e-2)), 2)


def earlier_compression(gray: Gray, own_quality: int | None) -> int | None:
    """Estimate the quality of an earlier JPEG compression on the same grid of blocks.

    The picture is compressed again at each quality. The loss falls as the quality rises, and is especially
    low at the quality of an earlier compression.

    Args:
        gray: Brightness as stored in the file, not turned upright.
        own_quality: Quality of the file if it is a JPEG; only lower qualities are then examined.

    Returns:
        The quality, 30 to 99; None if there is no trace.

    Source:
        Farid, Exposing digital forgeries from JPEG ghosts, IEEE Transactions on Information Forensics and
        Security 4, 2009.
    """
    part = _middle(gray)
    if min(part.shape) < _LEAST_SIDE:
        return None
    top = _QUALITIES[-1] if own_quality is None else min(own_quality, _QUALITIES[-1])
    losses = {quality: _loss(part, quality) for quality in range(_QUALITIES[0], top + 1)}
    found = []
    for quality in range(_QUALITIES[0] + _NEAR, top + 1 - 2 * _NEAR * (own_quality is not None) - _NEAR):
        around = min(losses[quality - _NEAR], losses[quality + _NEAR])
        if losses[quality] < _DIP * around:
            found.append((losses[quality] / around, quality))
    return min(found)[1] if found else None


def resampling(gray: Gray) -> tuple[float, ...]:
    """Find factors of a resampling that left a periodic trace.

    Interpolation makes some pixels smoother than others, in a periodic pattern. So the mean second difference
    has a peak at the frequency 1 / factor. A frequency f cannot be distinguished from 1 − f, nor from some
    factors below 1.

    Args:
        gray: Brightness.

    Returns:
        The two possible factors of an enlargement, the smaller first; empty if there is no trace.

    Source:
        Gallagher, Detection of linear and cubic interpolation in JPEG compressed images, CRV 2005.
    """
    part = _middle(gray)
    side = min(part.shape)
    if side < _LEAST_SIDE:
        return ()
    square = part[:side, :side].astype(np.float32)
    spectrum = np.minimum(_peaks(square), _peaks(square.T))  # only peaks in both directions count
    frequency = np.arange(spectrum.size) / (side - 2)
    usable = (frequency > 0.05) & (frequency < 0.49)
    for block in range(1, 4):  # the blocks of JPEG repeat every 8 pixels
        usable &= np.abs(frequency - block / 8) > 3 / side
    if not usable.any():
        return ()
    place = int(np.where(usable, spectrum, 0).argmax())
    if spectrum[place] < _PEAK:
        return ()
    found = float(frequency[place])
    return round(1 / (1 - found), 2), round(1 / found, 2)


def _peaks(part: Float[np.ndarray, "side side"]) -> Float[np.ndarray, " frequencies"]:
    """The spectrum of the mean second difference along rows, as multiples of its median nearby."""
    from scipy.ndimage import median_filter

    second = np.abs(2 * part[:, 1:-1] - part[:, :-2] - part[:, 2:]).mean(axis=0)
    second = second - cv2.blur(second[None], (9, 1))[0]
    spectrum = np.abs(np.fft.rfft(second * np.hanning(second.size)))
    return np.asarray(spectrum / np.maximum(median_filter(spectrum, _AROUND), 1e-9))


def nearest_corruptions(
    corruptions: Iterable[str],
    training: TrainingData | None,
    jpeg_quality: int | None,
    blur: float | None,
    face_width: float | None,
) -> dict[str, str]:
    """The measured corruptions that are nearest to a file's own quality.

    Args:
        corruptions: Names of the corruptions that the test images were scored under, such as `jpeg_50`.
        training: Properties of the training images, which stand for uncorrupted images; None if not known.
        jpeg_quality: Quality of the file, if it is a JPEG.
        blur: Blur of the face, from `edge_blur`, in pixels.
        face_width: Width of the face in pixels of the file.

    Returns:
        The name of a corruption for each of "JPEG quality", "blur" and "face width". A property is left out
        if the file is nearer to the uncorrupted images.
    """
    strengths: dict[str, dict[str, float]] = {}
    for name in corruptions:
        kind, _, strength = name.partition("_")
        if strength:
            strengths.setdefault(kind, {})[name] = float(strength)
    found = {}
    usual = 100.0 if training is None or training.jpeg_quality is None else training.jpeg_quality.median
    if jpeg_quality is not None:
        found["JPEG quality"] = _nearest(strengths.get("jpeg", {}), usual, float(jpeg_quality))
    if blur is not None:
        blurs = {name: math.hypot(SHARP, sigma) for name, sigma in strengths.get("blur", {}).items()}
        found["blur"] = _nearest(blurs, SHARP, blur)
    if face_width is not None and training is not None and training.face_width is not None:
        shrunk = {
            name: math.log(factor) for name, factor in strengths.get("resize", {}).items() if factor < 1
        }
        found["face width"] = _nearest(shrunk, 0.0, math.log(face_width / training.face_width.median))
    return {aspect: name for aspect, name in found.items() if name is not None}


def _nearest(values: dict[str, float], clean: float, value: float) -> str | None:
    distances = {None: abs(value - clean)} | {name: abs(value - one) for name, one in values.items()}
    return min(distances, key=lambda name: distances[name])


def _slope(values: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "height width"]:
    down, right = np.gradient(values)
    return np.asarray(np.hypot(down, right))


def _middle(gray: Gray) -> Gray:
    """The middle of a picture, cropped on the grid of JPEG's blocks."""
    top, left = (max(0, (side - _PART) // 2) // 8 * 8 for side in gray.shape)
    part = gray[top : top + _PART, left : left + _PART]
    height, width = (side // 8 * 8 for side in part.shape)
    return np.ascontiguousarray(part[:height, :width])


def _loss(part: Gray, quality: int) -> float:
    data = cv2.imencode(".jpg", part, (cv2.IMWRITE_JPEG_QUALITY, quality))[1]
    again = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.float32)
    return float(np.mean((again - part) ** 2))
