"""The demo's Celeb-DF: clips of synthetic celebrities and face swaps, in the layout of the real set.

The steps of a swap are those of an improved DeepFake (Li et al., Celeb-DF, CVPR 2020): the donor's face is
synthesized small, in the target's pose and expression, then enlarged, aligned by landmarks, matched in color
and blended with a feathered mask.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray

from examples.demo import Recipe
from examples.demo.arithmetic import settled
from examples.demo.person import View, draw_identity, draw_view
from examples.demo.pixels import (
    FloatImage,
    as_float,
    backward_map,
    blend,
    digitize,
    focus,
    generator,
    hull,
    resized,
    sampled,
)
from examples.demo.render import Person, Rendering, draw_backdrop

FOLDER = "Celeb-DF-v2"
WIDTH, HEIGHT, EYE_DISTANCE = 320, 288, 64.0


@dataclass(frozen=True)
class Clip:
    """One clip to make.

    Attributes:
        folder: `Celeb-real`, `YouTube-real` or `Celeb-synthesis`.
        name: File name without suffix, as in the real set.
        scene: Name that seeds motion, light and backdrop. A swap has the scene of its target.
        person: The person in the clip.
        donor: The person whose face replaces the original face; None in a real clip.
        is_test: Whether the clip is listed in `List_of_testing_videos.txt`.
    """

    folder: str
    name: str
    scene: str
    person: str
    donor: str | None
    is_test: bool

    @property
    def path(self) -> str:
        """The path relative to the set's root."""
        return f"{self.folder}/{self.name}.mp4"


def plan(recipe: Recipe) -> list[Clip]:
    """All clips. People swap faces in pairs (0 with 1, 2 with 3 …); the first pairs are test people."""
    clips = []
    for person in range(recipe.celebrities):
        is_test = person < recipe.test_celebrities
        donor = person ^ 1
        for take in range(recipe.takes):
            real, fake = f"id{person}_{take:04}", f"id{person}_id{donor}_{take:04}"
            clips.append(Clip("Celeb-real", real, real, f"id{person}", None, is_test))
            clips.append(Clip("Celeb-synthesis", fake, real, f"id{person}", f"id{donor}", is_test))
    for number in range(recipe.youtube_clips):
        name = f"{number:05}"
        clips.append(
            Clip("YouTube-real", name, f"youtube{number}", f"youtube{number}", None, number % 2 == 0)
        )
    return clips


def make_clip(clip: Clip, recipe: Recipe, seed: int, root: Path) -> None:
    """Render one clip, swap the face if it is a fake, and encode it."""
    scene = generator(seed, FOLDER, "scene", clip.scene)
    base = draw_view(scene, EYE_DISTANCE)
    views = draw_motion(scene, base, recipe.frames)
    backdrop = draw_backdrop(scene, WIDTH, HEIGHT)
    person = Person(draw_identity(generator(seed, FOLDER, clip.person)))
    donor = clip.donor and Person(draw_identity(generator(seed, FOLDER, clip.donor)))
    camera = generator(seed, FOLDER, "camera", clip.name)
    blur = generator(seed, FOLDER, "focus", clip.scene).integers(2**31)
    frames = []
    for view in views:
        picture = person.render(view, backdrop)
        # The blur of the lens belongs to the scene: every frame and its swap have the same focus.
        rgb = focus(picture.rgb, np.random.default_rng(blur))
        if donor:
            rgb = swap_face(Rendering(rgb, picture.landmarks), donor, view)
        frames.append(digitize(rgb, camera))
    write_clip(root / clip.path, frames)


def write_testing_list(recipe: Recipe, root: Path) -> None:
    """Write the list of test videos. As in the real set, its digit is 1 for real."""
    lines = [f"{int(clip.donor is None)} {clip.path}\n" for clip in plan(recipe) if clip.is_test]
    root.mkdir(parents=True, exist_ok=True)
    (root / "List_of_testing_videos.txt").write_text("".join(lines), encoding="utf-8")


RATE = 25
"""Frames a second."""


def draw_motion(rng: np.random.Generator, base: View, frames: int) -> list[View]:
    """The view of each frame: slow sinusoids of pose, place, expression and light around `base`."""
    time = np.arange(frames) / RATE

    def wave(amplitude: float, slowest: float = 0.3, fastest: float = 1.0) -> NDArray[np.float64]:
        rate, phase = rng.uniform(slowest, fastest), rng.uniform(0, 2 * np.pi)
        return np.asarray(rng.uniform(0.5, 1) * amplitude * settled(np.sin(2 * np.pi * rate * time + phase)))

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
    """The encoder: H.264 if this build of FFmpeg has it, otherwise MPEG-4."""
    return "libx264" if "libx264" in av.codecs_available else "mpeg4"


def write_clip(path: Path, frames: list[NDArray[np.uint8]]) -> None:
    """Encode RGB frames as an MP4 file; sizes must fit `to_yuv420`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frames[0].shape[:2]
    name = encoder_name()
    with av.open(str(path), mode="w") as container:
        stream = cast("av.VideoStream", container.add_stream(name, rate=RATE))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        # One thread, because the distribution of frames over threads changes the coded bytes.
        stream.codec_context.thread_count = 1
        if name == "libx264":
            # x264's macroblock-tree rate control gives different bytes in each run, even with one thread. By
            # default x264 also chooses algorithms by processor.
            x264 = "mbtree=0:cpu-independent=1"
            stream.options = {"crf": "19", "preset": "veryfast", "x264-params": x264}
        else:
            stream.bit_rate = 2_000_000
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(to_yuv420(pixels), format="yuv420p")))
        container.mux(stream.encode())


# Coefficients of BT.601 in the video range times 2^16: rows Y, U, V.
_YUV = ((16829, 33039, 6416), (-9714, -19070, 28784), (28784, -24103, -4681))


def to_yuv420(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert RGB to YUV 4:2:0 in integers.

    FFmpeg's own conversion differs between processors with and without SSSE3.

    Args:
        rgb: UInt8["height width 3"], the height divisible by 4 and the width by 2.

    Returns:
        UInt8["height*3/2 width"]: the planes Y, U and V one below the other. U and V are means of 2 x 2
        pixels.
    """
    height, width = rgb.shape[:2]
    wide = rgb.astype(np.int32)
    red, green, blue = wide[..., 0], wide[..., 1], wide[..., 2]
    luma = (_YUV[0][0] * red + _YUV[0][1] * green + _YUV[0][2] * blue + (16 << 16) + (1 << 15)) >> 16
    four = wide.reshape(height // 2, 2, width // 2, 2, 3)
    four = four[:, 0, :, 0] + four[:, 0, :, 1] + four[:, 1, :, 0] + four[:, 1, :, 1]
    chroma = [
        (u * four[..., 0] + v * four[..., 1] + w * four[..., 2] + (128 << 18) + (1 << 17)) >> 18
        for u, v, w in _YUV[1:]
    ]
    planes = [luma, *(plane.reshape(-1, width) for plane in chroma)]
    return np.concatenate(planes).astype(np.uint8)


SHRUNK_BY = 1.7
"""How much smaller than in the picture the donor's face is synthesized."""

_TOWARDS_TARGET = 0.65
"""How far the donor's geometry is fitted to the target's; the rest keeps the donor recognisable."""


def swap_face(target: Rendering, donor: Person, view: View) -> FloatImage:
    """Put the donor's face onto a picture.

    Args:
        target: The picture, rendered in `view`.
        donor: The person whose face it gets.
        view: Pose, expression and light of the picture.

    Returns:
        Float["height width 3"] in [0, 1].
    """
    height, width = target.rgb.shape[:2]
    source = donor.render(view, np.zeros_like(target.rgb))
    small = resized(source.rgb, round(width / SHRUNK_BY), round(height / SHRUNK_BY), "area")
    fitted = source.landmarks + _TOWARDS_TARGET * (target.landmarks - source.landmarks)
    places = backward_map(source.landmarks, fitted, width, height)
    face = sampled(resized(small, width, height, "cubic"), places)

    middle = target.landmarks[17:].mean(axis=0)
    oval = middle + 0.94 * (target.landmarks - middle)
    apart = target.landmarks[45] - target.landmarks[36]
    eyes = float(np.sqrt((apart * apart).sum()))
    face = match_color(face, target.rgb, hull(oval, height, width, 1.0) > 0.5)
    return as_float(np.clip(blend(target.rgb, face, hull(oval, height, width, 0.06 * eyes)), 0, 1))


def match_color(face: FloatImage, like: FloatImage, where: NDArray[np.bool_]) -> FloatImage:
    """Give `face` the mean and, within limits, the contrast of `like`, measured in a region per channel.

    Source: Reinhard et al., "Color transfer between images", IEEE CG&A 2001 (here in RGB instead of Lab).
    """
    have, want = face[where].astype(np.float64), like[where].astype(np.float64)
    ratio = np.clip(want.std(axis=0) / np.maximum(have.std(axis=0), 1e-4), 0.7, 1.4)
    return as_float((face - have.mean(axis=0)) * ratio + want.mean(axis=0))
