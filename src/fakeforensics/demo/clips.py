"""Short clips: a head that moves, speaks and changes its light, coded as H.264."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray

from fakeforensics.demo.pose import View

RATE = 25
"""Frames a second."""


def draw_motion(rng: np.random.Generator, base: View, frames: int) -> list[View]:
    """Views along a clip: slow sinusoids of pose, place, expression and light around `base`."""
    time = np.arange(frames) / RATE

    def wave(amplitude: float, slowest: float = 0.3, fastest: float = 1.0) -> NDArray[np.float64]:
        rate, phase = rng.uniform(slowest, fastest), rng.uniform(0, 2 * np.pi)
        return np.asarray(rng.uniform(0.5, 1) * amplitude * np.sin(2 * np.pi * rate * time + phase))

    yaw, pitch, roll = wave(9), wave(4), wave(4)
    x, y, zoom = wave(0.03), wave(0.02), 1 + wave(0.05)
    speech, brows = wave(0.5, 1.0, 3.0), wave(0.6)
    turn, exposure = wave(25), 1 + wave(0.06)
    return [
        replace(
            base,
            yaw=base.yaw + yaw[i],
            pitch=base.pitch + pitch[i],
            roll=base.roll + roll[i],
            x=base.x + x[i],
            y=base.y + y[i],
            eye_distance=base.eye_distance * zoom[i],
            smile=float(np.clip(base.smile + speech[i], -1, 1)),
            brows=base.brows + brows[i],
            light_from=base.light_from + turn[i],
            exposure=base.exposure * exposure[i],
        )
        for i in range(frames)
    ]


def encoder_name() -> str:
    """H.264 where this build of FFmpeg has an encoder for it, else MPEG-4."""
    return "libx264" if "libx264" in av.codecs_available else "mpeg4"


def write_clip(path: Path, frames: list[NDArray[np.uint8]]) -> None:
    """Encode frames, UInt8["height width 3"] RGB with even sides, as an MP4 file at a constant quality."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frames[0].shape[:2]
    name = encoder_name()
    with av.open(str(path), mode="w") as container:
        stream = cast("av.VideoStream", container.add_stream(name, rate=RATE))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        # One thread: how frames are shared out between threads changes the coded bytes.
        stream.codec_context.thread_count = 1
        if name == "libx264":
            # x264's macroblock-tree rate control gives other bytes each time, even with one thread.
            stream.options = {"crf": "19", "preset": "veryfast", "x264-params": "mbtree=0"}
        else:
            stream.bit_rate = 2_000_000
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
