"""Faces for tests: NASA's public-domain portrait in scikit-image's wheel, 512x512, one frontal face."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from skimage.data import astronaut

from fakeforensics.params import FacesParams

# dlib finds the portrait's face here: about 100 pixels wide, around column 225, row 118.
FACE = (225, 118)


def portrait(side=512, angle=0.0, flip=False):
    """The portrait, smaller, turned about its face, or mirrored."""
    rgb = astronaut()
    if angle:
        turn = cv2.getRotationMatrix2D(FACE, angle, 1)
        rgb = cv2.warpAffine(rgb, turn, (512, 512))
    if flip:
        rgb = rgb[:, ::-1]
    return np.ascontiguousarray(cv2.resize(rgb, (side, side), interpolation=cv2.INTER_AREA))


def write_video(
    path,
    frames,
    codec="libx264",
    rotation=None,
    pix_fmt="yuv420p",
    aspect=None,
    color_trc=None,
    color_primaries=None,
    skip=(),
    **options,
):
    """Write frames at 25 a second; the numbers in `skip` are left out, so that the frame before stays."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.options = (
            {"preset": "veryfast", **({} if "qp" in options else {"crf": "12"}), **options}
            if codec == "libx264"
            else options
        )
        if rotation is not None:
            stream.set_display_rotation(rotation)
        context = stream.codec_context
        if aspect is not None:
            context.sample_aspect_ratio = aspect
        if color_trc is not None:
            context.color_trc, context.color_primaries = color_trc, color_primaries
        for number, frame in enumerate(frames):
            if number in skip:
                continue
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, 25)
            for packet in stream.encode(picture):
                out.mux(packet)
        for packet in stream.encode():
            out.mux(packet)
    return path


def numbered(count, size=64):
    """Frames whose brightness tells their number: 2 levels per frame."""
    return [np.full((size, size, 3), 2 * number, np.uint8) for number in range(count)]


@pytest.fixture(scope="session")
def rgb():
    return portrait()


@pytest.fixture(scope="session")
def params():
    return FacesParams(size=64, frames_per_video=4, workers=1)
