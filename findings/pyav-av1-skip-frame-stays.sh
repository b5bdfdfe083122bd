#!/usr/bin/env bash
# PyAV 18.1.0 (FFmpeg's libavcodec 62, libdav1d): CodecContext.skip_frame can be set between two packets, and for H.264
# it holds from the next packet on. For AV1 it does not: libdav1d takes the value once, when the decoder opens, which it
# does with the first packet. A program that sets NONREF for the packets it does not need, and DEFAULT for those it
# needs, gets all frames of an H.264 clip and about half of an AV1 clip. Nothing is raised.
#
# Seen on x86-64 Linux with Python 3.11. Exits with 0 while this holds, with 1 when it has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check av==18.1.0 numpy==2.4.6
SVT_LOG=1 "$folder/venv/bin/python" - <<'PYTHON'
import io
import sys

import av
import numpy as np

FRAMES = 48


def write(codec):
    """A noise picture that moves to the left by one pixel per frame."""
    noise = np.random.default_rng(0).integers(0, 256, (128, 128 + FRAMES, 3), dtype=np.uint8)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream = output.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 128, "yuv420p"
        for shift in range(FRAMES):
            pixels = np.ascontiguousarray(noise[:, shift : shift + 128])
            output.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        output.mux(stream.encode())
    return file


def decoded(file, first):
    """Frames decoded if skip_frame is `first` for the first packet and DEFAULT for all others."""
    file.seek(0)
    with av.open(file) as source:
        stream = source.streams.video[0]
        stream.codec_context.skip_frame = first
        frames = 0
        for packet in source.demux(stream):
            frames += len(packet.decode())
            stream.codec_context.skip_frame = "DEFAULT"
        return frames


print("PyAV", av.__version__, "libavcodec", ".".join(map(str, av.library_versions["libavcodec"])))
found = {}
for codec in ("libx264", "libsvtav1"):
    file = write(codec)
    found[codec] = [decoded(file, first) for first in ("DEFAULT", "NONREF")]
    print(f"{codec}: {found[codec][0]} frames; with NONREF for the first packet alone {found[codec][1]}")
holds = found["libx264"] == [FRAMES, FRAMES] and found["libsvtav1"][0] == FRAMES and found["libsvtav1"][1] < FRAMES - 1
sys.exit(0 if holds else 1)
PYTHON
