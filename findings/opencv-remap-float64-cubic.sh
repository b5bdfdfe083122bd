#!/usr/bin/env bash
# opencv-python-headless 5.0.0.93: cv2.remap of float64 images with INTER_CUBIC computes in float32. Every value it
# returns is a float32 number, the error is about 1e-7, and it depends on the processor: with AVX2 the sums are fused,
# without it (OPENCV_CPU_DISABLE=AVX2,AVX512-SKX) they are not. INTER_LINEAR keeps float64 and is the same everywhere.
#
# Seen on x86-64 Linux with Python 3.11. Exits with 0 while this holds, with 1 when it has changed.
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check opencv-python-headless==5.0.0.93
cat >"$folder/remap.py" <<'PYTHON'
import hashlib
import sys

import cv2
import numpy as np

image = np.add.outer(np.arange(64) ** 2 % 97, np.arange(64) ** 3 % 89) / 1000  # float64
x, y = np.meshgrid(np.arange(4, 60, dtype=np.float32) + 0.25, np.arange(4, 60, dtype=np.float32) + 0.75)
for name in ("INTER_LINEAR", "INTER_CUBIC"):
    read = cv2.remap(image, x, y, getattr(cv2, name))
    single = np.mean(read == read.astype(np.float32))
    print(name, read.dtype, f"{single:.2f} of the values are float32 numbers", hashlib.sha256(read.tobytes()).hexdigest()[:12])
print("AVX2" if "*AVX2" in cv2.getCPUFeaturesLine() else "no AVX2", file=sys.stderr)
PYTHON
"$folder/venv/bin/python" "$folder/remap.py" 2>"$folder/features" | tee "$folder/with"
OPENCV_CPU_DISABLE=AVX2,AVX512-SKX "$folder/venv/bin/python" "$folder/remap.py" 2>/dev/null | tee "$folder/without"

changed=0
grep -q '^INTER_CUBIC float64 1.00' "$folder/with" || { echo 'changed: cubic keeps float64'; changed=1; }
grep -q '^INTER_LINEAR float64 1.00' "$folder/with" && { echo 'changed: linear computes in float32'; changed=1; }
[ "$(grep LINEAR "$folder/with")" = "$(grep LINEAR "$folder/without")" ] || { echo 'changed: linear depends on AVX2'; changed=1; }
if grep -qx AVX2 "$folder/features"; then
    [ "$(grep CUBIC "$folder/with")" != "$(grep CUBIC "$folder/without")" ] || { echo 'changed: cubic no longer depends on AVX2'; changed=1; }
fi
exit "$changed"
