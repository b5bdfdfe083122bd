#!/usr/bin/env bash
# Pillow 12.3.0 opens two kinds of 16-bit TIFF and returns wrong pixels, without an error or a warning:
# - RGB with one plane for each color (PlanarConfiguration 2): the values are bytes of the samples, low and high ones,
#   in an order that is none of the picture's. The same picture with interleaved samples is read as its upper 8 bits.
# - gray with white as zero (PhotometricInterpretation 0): the picture is not inverted. With 8 bits it is.
# tifffile reads all of them as they were written.
#
# Seen on x86-64 Linux with Python 3.11. Exits with 0 while both hold, with 1 when either has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==12.3.0 tifffile==2026.3.3 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys

import numpy as np
import PIL
import tifffile
from PIL import Image


def write(pixels, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file


print("Pillow", PIL.__version__, "tifffile", tifffile.__version__)
color = np.full((4, 4, 3), (60000, 30000, 10000), np.uint16)  # 234, 117, 39 in the upper 8 bits
upper = (color >> 8).tolist()
interleaved = write(color, photometric="rgb")
planes = write(np.moveaxis(color, 2, 0), photometric="rgb", planarconfig="separate")
read = {name: np.asarray(Image.open(file)) for name, file in (("interleaved", interleaved), ("planes", planes))}
for name, pixels in read.items():
    print(f"16-bit RGB, {name}: first pixels {pixels[0, :2].tolist()}")
holds = read["interleaved"].tolist() == upper and read["planes"].tolist() != upper
planes.seek(0)
holds &= bool((np.moveaxis(tifffile.imread(planes), 0, 2) == color).all())

for kind in (np.uint8, np.uint16):
    most = int(np.iinfo(kind).max)
    stored = np.array([[0, most]], kind)
    shown = np.asarray(Image.open(write(stored, photometric="miniswhite"))).tolist()
    print(f"{np.dtype(kind).name}, white is zero, stored {stored.tolist()}: read as {shown}")
    holds &= shown == ([[most, 0]] if kind is np.uint8 else [[0, most]])
sys.exit(0 if holds else 1)
PYTHON
