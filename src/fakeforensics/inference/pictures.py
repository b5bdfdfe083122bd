"""Pictures of answers: copies with the faces marked, and heat maps over the crops."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float

from fakeforensics.files import atomic_path
from fakeforensics.images.images import encode_png
from fakeforensics.inference.frames import Rgb, frames_of, spread_frames
from fakeforensics.inference.judgement import Answer, Face, Judgement

Heat = Float[np.ndarray, "height width"]

COLORS: dict[str | None, tuple[int, int, int]] = {
    "fake": (196, 48, 43),
    "real": (30, 120, 84),
    None: (70, 80, 95),
}
_TILES, _TILE_WIDTH = 9, 640
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_MARGIN = 8
_SMALLEST_TEXT = 0.45


def picture_names(paths: Sequence[Path]) -> dict[Path, str]:
    """A file name for each input's picture: its own, and part of a hash where two are called alike."""
    stems = Counter(path.name for path in paths)
    names = {}
    for path in paths:
        safe = "".join(char if char.isalnum() or char in "._-" else "_" for char in path.name)[:100]
        digest = hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()[:8]
        names[path] = safe if stems[path.name] == 1 and safe == path.name else f"{safe}-{digest}"
    return names


def write_picture(path: Path, image: Rgb) -> None:
    """Write a PNG atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(encode_png(image))


def marked(judgement: Judgement) -> Rgb:
    """The file with a box and an answer at each face; of a video a sheet of up to nine of its frames.

    Raises:
        UnreadableError: If the file changed since it was judged.
    """
    frames = spread_frames(judgement.faces, _TILES)
    tiles = [
        draw_faces(rgb, [face for face in judgement.faces if face.cut.frame == frame])
        for frame, rgb in frames_of(judgement.path, judgement.kind, frames)
    ]
    return tiles[0] if judgement.kind == "image" else grid([fit(tile, _TILE_WIDTH) for tile in tiles])


def draw_faces(image: Rgb, faces: Sequence[Face]) -> Rgb:
    """A copy of `image` with each face's box and answer."""
    canvas = np.ascontiguousarray(image).copy()
    height, width = canvas.shape[:2]
    stroke = max(2, round(min(height, width) / 200))
    for face in faces:
        box = face.cut.box or (0, 0, width - 1, height - 1)
        left, top, right, bottom = (round(side) for side in box)
        color = COLORS[face.answer.verdict]
        cv2.rectangle(canvas, (left, top), (right, bottom), color, stroke)
        _label(canvas, f"{face.cut.face}  {caption(face.answer)}", (left, top, right), color, stroke)
    return canvas


def caption(answer: Answer) -> str:
    """An answer in a few characters that every font has."""
    value = f"{answer.score:.2f}" if answer.probability is None else f"p {answer.probability:.2f}"
    return f"{answer.verdict} {value}" if answer.verdict else value


def overlay(crop: Rgb, heat: Heat) -> Rgb:
    """The crop beside itself under a heat map.

    Args:
        crop: What the network saw.
        heat: 0 … 1 of the same size: how much each place speaks for fake.
    """
    colored = cv2.applyColorMap((255 * np.clip(heat, 0, 1)).astype(np.uint8), cv2.COLORMAP_INFERNO)
    share = 0.65 * heat[..., None]
    mixed = crop * (1 - share) + cv2.cvtColor(colored, cv2.COLOR_BGR2RGB) * share
    return np.concatenate([crop, mixed.round().astype(np.uint8)], axis=1)


def fit(image: Rgb, width: int) -> Rgb:
    """Shrink an image to at most `width` columns."""
    if image.shape[1] <= width:
        return image
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def grid(tiles: Sequence[Rgb], columns: int = 3) -> Rgb:
    """Tiles of any size in rows on white."""
    columns = min(columns, len(tiles))
    height = max(tile.shape[0] for tile in tiles) + _MARGIN
    width = max(tile.shape[1] for tile in tiles) + _MARGIN
    rows = -(-len(tiles) // columns)
    canvas = np.full((rows * height + _MARGIN, columns * width + _MARGIN, 3), 255, np.uint8)
    for number, tile in enumerate(tiles):
        top, left = (number // columns) * height + _MARGIN, (number % columns) * width + _MARGIN
        canvas[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return canvas


def _label(
    canvas: Rgb, text: str, edge: tuple[int, int, int], color: tuple[int, int, int], stroke: int
) -> None:
    """Text on the upper edge (left, top, right) of a box; in a crowd not much wider than the box."""
    left, top, right = edge
    largest = max(_SMALLEST_TEXT, min(canvas.shape[:2]) / 900)
    unit_width = cv2.getTextSize(text, _FONT, 1.0, 1)[0][0]
    scale = max(_SMALLEST_TEXT, min(largest, 1.2 * (right - left) / unit_width))
    thick = max(1, round(stroke / 2 * scale / largest))
    (width, height), base = cv2.getTextSize(text, _FONT, scale, thick)
    x = max(0, min(left, canvas.shape[1] - width - 6))
    y = top if top >= height + base + 4 else top + height + base + 4
    cv2.rectangle(canvas, (x, y - height - base - 4), (x + width + 6, y), color, cv2.FILLED)
    cv2.putText(canvas, text, (x + 3, y - base - 1), _FONT, scale, (255, 255, 255), thick, cv2.LINE_AA)
