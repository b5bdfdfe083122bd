"""Crops are the same with and without the instructions that older processors lack.

`qemu-x86_64 -cpu SandyBridge` runs a whole old processor, and the same script under it.
"""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.processors import old_processor

from .conftest import portrait, write_video

ROOT = Path(__file__).parents[3]
# With --plain-codecs, also FFmpeg and dav1d do without vector instructions; they read no variable.
SCRIPT = """
import ctypes, hashlib, sys
from pathlib import Path
import av
from fakeforensics.faces.extract import FaceExtractor, WorkItem
from fakeforensics.faces.results import MemoryStore, stored_pixels
from fakeforensics.params import FacesParams

if sys.argv[1] == "--plain-codecs":
    libraries = Path(av.__file__).parent.parent / "av.libs"
    for name, function in (("avutil", "av_force_cpu_flags"), ("dav1d", "dav1d_set_cpu_flags_mask")):
        (library,) = libraries.glob(f"lib{name}*")
        getattr(ctypes.CDLL(str(library)), function)(0)
    del sys.argv[1]
extractor = FaceExtractor(FacesParams(size=64, frames_per_video=2, workers=1))
for path in map(Path, sys.argv[1:]):
    for crop in ("faces", "whole"):
        store = MemoryStore()
        kind = "image" if path.suffix in (".jpg", ".webp") else "video"
        (found,) = extractor.extract([WorkItem(path, kind, crop)], [store])
        assert found.crops, found.rejections
        digest = hashlib.sha256()
        for one in found.crops:
            digest.update(stored_pixels(store[one.stored.name]).tobytes())
            digest.update(repr((one.frame, one.box, one.landmarks, one.score)).encode())
        print(path.name, crop, digest.hexdigest())
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A still of each usual kind, and clips whose codecs, pixel formats and shapes differ."""
    folder = tmp_path_factory.mktemp("files")
    rgb = portrait(256)
    frames = [np.roll(rgb, 3 * number, axis=1) for number in range(3)]
    cv2.imwrite(str(folder / "a.jpg"), rgb[..., ::-1])
    cv2.imwrite(str(folder / "a.webp"), rgb[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, 90])
    write_video(folder / "h264.mp4", frames, bf="1")
    write_video(folder / "wide.mp4", [frame[:, ::2] for frame in frames], aspect=2)
    write_video(folder / "deep.mkv", frames, "ffv1", pix_fmt="yuv422p10le")
    write_video(folder / "full.avi", frames, "mjpeg", pix_fmt="yuvj420p")
    write_video(folder / "mpeg4.mp4", frames, "mpeg4")
    write_video(folder / "av1.mkv", frames, "libsvtav1", preset="12")
    return sorted(folder.iterdir())


def hashes(files, environment, *options):
    done = subprocess.run(
        (sys.executable, "-c", SCRIPT, *options, *map(str, files)),
        env=os.environ | environment | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_crops_boxes_landmarks_and_scores_are_the_same_on_every_processor(files):
    new = hashes(files, {})
    assert len(new) == 2 * len(files)
    assert hashes(files, old_processor(), "--plain-codecs") == new
