#!/usr/bin/env bash
# OpenCV 5.0.0 (opencv-python-headless 5.0.0.93): imdecode with IMREAD_COLOR_RGB returns an AVIF file with an
# alpha channel as blue, green, red; the same picture without alpha, and a WebP file with alpha, come as red,
# green, blue. Nothing is raised: pictures of skin turn blue, or a detector sees other colors in one format.
#
# Exits with 0 while that holds, with 1 when it has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check opencv-python-headless==5.0.0.93 pillow==12.3.0
cat >"$folder/program.py" <<'PYTHON'
import io
import sys

import cv2
import numpy as np
from PIL import Image

red = np.full((32, 32, 3), (200, 30, 20), np.uint8)
alpha = np.full((32, 32, 1), 255, np.uint8)
alpha[:8] = 128  # an encoder leaves out an alpha channel that hides nothing


def seen(pixels, form, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    data = np.frombuffer(file.getvalue(), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)[24, 16].tolist()


found = {
    "AVIF": seen(red, "AVIF", quality=100, subsampling="4:4:4"),
    "AVIF with alpha": seen(np.dstack([red, alpha]), "AVIF", quality=100, subsampling="4:4:4"),
    "WebP with alpha": seen(np.dstack([red, alpha]), "WEBP", lossless=True),
}
for name, value in found.items():
    print(f"{name}: {value}")
is_red = {name: value[0] > 150 and value[2] < 80 for name, value in found.items()}
sys.exit(is_red != {"AVIF": True, "AVIF with alpha": False, "WebP with alpha": True})
PYTHON
"$folder/venv/bin/python" "$folder/program.py"
