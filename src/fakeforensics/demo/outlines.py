"""Where things are on the portrait: dlib's 68 landmarks on it, and outlines traced by hand.

All in pixels of scikit-image's 512 x 512 photograph.
"""

from __future__ import annotations

import numpy as np

from fakeforensics.demo.arrays import Points


def _points(text: str) -> Points:
    return np.array([pair.split(",") for pair in text.split()], dtype=np.float64)


LANDMARKS = _points(
    # jaw
    "179,104 179,116 180,127 181,139 185,151 191,160 200,169 209,176 221,178 "
    "232,177 243,171 253,164 260,154 265,144 268,132 270,120 272,108 "
    # brows
    "186,94 192,88 200,87 208,89 216,92 236,93 244,91 252,91 260,92 265,98 "
    # nose
    "225,103 225,111 225,119 225,127 214,131 219,132 224,134 229,133 234,132 "
    # eyes
    "195,101 200,98 207,98 212,104 206,104 199,104 238,105 244,101 250,101 255,104 250,107 244,106 "
    # outer lips, inner lips
    "201,140 209,139 218,139 223,141 229,140 237,140 245,141 237,151 229,155 222,156 216,155 208,150 "
    "204,141 217,143 223,144 229,143 243,142 229,150 223,150 217,150"
)
"""dlib's 68 points, in its order."""

HEAD = _points(
    "181,131 176,130 172,122 170,117 163,112 157,103 155,90 153,75 155,62 160,53 170,45 180,38 189,33 195,26 "
    "203,22 215,19 228,16 242,17 255,21 267,27 280,34 288,42 293,52 297,63 299,75 301,85 300,97 298,107 "
    "293,117 286,124 281,129 277,134 270,137 267,134 265,146 259,156 255,163 254,175 253,196 186,196 "
    "186,155 183,145"
)
"""Hair, face, ears and neck."""

HAIR = HEAD[3:37:2]
"""Points around the hair, which steer its volume in a warp."""

FACE = np.vstack(
    [
        LANDMARKS[:17],
        _points(
            "270,127 269,110 267,95 263,89 255,84 245,80 230,80 215,81 205,80 195,78 187,76 184,84 181,96 "
            "180,110 181,127"
        ),
    ]
)
"""The jaw, and the line where the hair begins."""

EARS = (_points("170,117 181,117 181,133 175,131"), _points("270,122 278,128 277,136 266,138"))
NECK = _points("185,150 222,176 259,152 255,165 254,196 186,196")
CLOTHES = _points(
    "117,216 128,206 160,192 184,172 196,182 222,187 246,183 259,172 284,190 318,202 333,216 117,216"
)
MIDDLE = np.array([225.0, 122.0])
"""The middle of the face: what views turn and place."""

EYE_DISTANCE = 46.0
"""Between the pupils."""

MIRRORED = np.concatenate(
    [
        np.arange(16, -1, -1),
        np.arange(26, 16, -1),
        np.arange(27, 31),
        np.arange(35, 30, -1),
        [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40],
        np.arange(54, 47, -1),
        np.arange(59, 54, -1),
        np.arange(64, 59, -1),
        np.arange(67, 64, -1),
    ]
)
"""Which of the 68 points takes each one's place in a mirror."""
