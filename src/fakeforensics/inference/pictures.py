"""Draws annotated copies of files, heat maps over crops, and the contact sheet of a source."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from jaxtyping import Float

from fakeforensics.errors import UserError
from fakeforensics.files import atomic_path, printable_path
from fakeforensics.images.codec import decode, encode_png
from fakeforensics.images.index import REJECTED_FILE, read_index
from fakeforensics.images.reader import ImageReader
from fakeforensics.inference.assessment import Assessment
from fakeforensics.inference.inputs import Rgb, pick_frames, read_frames, shrink
from fakeforensics.inference.package import Package
from fakeforensics.inference.predict import Prediction, ScoredFace
from fakeforensics.palette import COLORS, rgb
from fakeforensics.reading import check_file
from fakeforensics.wording import likely

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from fakeforensics.inference.explain import Explainer
    from fakeforensics.inference.predict import Predictor

Heat = Float[np.ndarray, "height width"]
VERDICT_COLORS: dict[str | None, str] = {
    None: COLORS["muted"],
    **{name: COLORS[name] for name in ("fake", "real", "inconclusive")},
}
_EXPLAINED_FRAMES = 4
_TILES, _TILE_WIDTH = 9, 640
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_MARGIN = 8
_LONGEST = 100  # maximum bytes of a picture's name, without hash and suffix
_SMALLEST_TEXT = 0.45
_SHEET_COLUMNS, _SHEET_REASONS = 10, 8


class PictureFolders:
    """The folders of pictures that `predict` writes, one PNG per file.

    Args:
        package: The model.
        predictor: Its predictor.
        paths: All files, so that each picture gets a unique name.
        boxes: Folder for annotated copies; None writes none.
        explain: Folder for crops and their heat maps; None writes none.
    """

    def __init__(
        self,
        package: Package,
        predictor: Predictor,
        paths: Sequence[Path],
        boxes: Path | None,
        explain: Path | None,
    ) -> None:
        self._package, self._predictor = package, predictor
        self._names = picture_names(paths)
        self._boxes, self._explain = boxes, explain
        self._explainer: Explainer | None = None

    def written(self, predictions: Iterable[Prediction]) -> Iterator[Prediction]:
        """Yield the predictions, after writing the pictures of each file that was scored."""
        for prediction in predictions:
            if prediction.reason is None:
                self._write(prediction, f"{self._names[prediction.path]}.png")
            yield prediction

    def _write(self, prediction: Prediction, name: str) -> None:
        if self._boxes is not None:
            _write_png(self._boxes / name, annotated(prediction))
        if self._explain is not None:
            _write_png(self._explain / name, grid(self._heat_maps(prediction), columns=4))

    def _heat_maps(self, prediction: Prediction) -> list[Rgb]:
        model = self._predictor.model
        if self._explainer is None:
            from fakeforensics.inference.explain import Explainer

            self._explainer = Explainer(self._package)
        crops = [model.read(face.crop) for face in most_suspicious_frames(prediction)]
        heats = self._explainer.heat(crops)
        return [tile for crop, heat in zip(crops, heats, strict=True) for tile in (crop, overlay(crop, heat))]


def most_suspicious_frames(prediction: Prediction, count: int = _EXPLAINED_FRAMES) -> list[ScoredFace]:
    """All faces of a still, or `count` frames of each person in a video, the highest score first."""
    if prediction.kind == "image":
        return list(prediction.faces)
    ordered = sorted(prediction.faces, key=lambda face: -face.assessment.score)
    return [
        face
        for person in prediction.people
        for face in [one for one in ordered if one.crop.face == person][:count]
    ]


def picture_names(paths: Sequence[Path]) -> dict[Path, str]:
    """A file name for the picture of each input: its own name, with part of a hash if it is not unique."""
    stems = Counter(path.name for path in paths)
    names = {}
    for path in paths:
        safe = "".join(char if char.isalnum() or char in "._-" else "_" for char in path.name)
        # File systems limit the bytes of a name, and a hash and a suffix are added.
        safe = safe.encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore")
        digest = hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()[:8]
        names[path] = safe if stems[path.name] == 1 and safe == path.name else f"{safe}-{digest}"
    return names


def annotated(prediction: Prediction) -> Rgb:
    """The picture with a box and a caption at each face; for a video a grid of up to nine frames."""
    frames = pick_frames((face.frame for face in prediction.faces), _TILES)
    tiles = [
        draw_faces(image, [face for face in prediction.faces if face.frame == frame])
        for frame, image in read_frames(prediction.path, prediction.kind, frames)
    ]
    return tiles[0] if prediction.kind == "image" else grid([shrink(tile, _TILE_WIDTH) for tile in tiles])


def draw_faces(image: Rgb, faces: Sequence[ScoredFace]) -> Rgb:
    """A copy of `image` with each face's box and caption."""
    canvas = np.ascontiguousarray(image).copy()
    height, width = canvas.shape[:2]
    stroke = max(2, round(min(height, width) / 200))
    for face in faces:
        box = face.crop.box or (0, 0, width - 1, height - 1)
        left, top, right, bottom = (round(side) for side in box)
        color = rgb(VERDICT_COLORS[face.assessment.verdict])
        cv2.rectangle(canvas, (left, top), (right, bottom), color, stroke)
        text = f"{face.crop.face}  {caption(face.assessment)}"
        _draw_text(canvas, text, (left, top, right), color, stroke)
    return canvas


def caption(one: Assessment) -> str:
    """Verdict and probability, or the score, in a few ASCII characters."""
    value = f"{one.score:.2f}" if one.probability is None else f"p {likely(one.probability)}"
    return f"{one.verdict} {value}" if one.verdict else value


def overlay(crop: Rgb, heat: Heat) -> Rgb:
    """Blend a crop with a heat map of the same size."""
    colored = cv2.applyColorMap((255 * np.clip(heat, 0, 1)).astype(np.uint8), cv2.COLORMAP_INFERNO)
    share = 0.65 * heat[..., None]
    mixed = crop * (1 - share) + cv2.cvtColor(colored, cv2.COLOR_BGR2RGB) * share
    return np.asarray(mixed.round().astype(np.uint8))


def grid(tiles: Sequence[Rgb], columns: int = 3) -> Rgb:
    """Arrange tiles of any size in rows on a white background."""
    columns = min(columns, len(tiles))
    height = max(tile.shape[0] for tile in tiles) + _MARGIN
    width = max(tile.shape[1] for tile in tiles) + _MARGIN
    rows = -(-len(tiles) // columns)
    canvas = np.full((rows * height + _MARGIN, columns * width + _MARGIN, 3), 255, np.uint8)
    for number, tile in enumerate(tiles):
        top, left = (number // columns) * height + _MARGIN, (number % columns) * width + _MARGIN
        canvas[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return canvas


def _draw_text(
    canvas: Rgb, text: str, edge: tuple[int, int, int], color: tuple[int, int, int], stroke: int
) -> None:
    """Draw text on the upper edge (left, top, right) of a box, not much wider than the box."""
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


def _write_png(path: Path, image: Rgb) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(encode_png(image))


def draw_contact_sheet(images_root: Path, source: str, out: Path, number: int) -> str:
    """Draw a contact sheet of a source's crops, with the most frequent reasons for rejected files below them.

    Args:
        images_root: The folder of all sources' images.
        source: The source's name.
        out: The picture to write; the suffix is its format, without one PNG.
        number: The maximum number of crops, divided evenly among the methods.

    Returns:
        A text for the user: the number of crops and of rejected files.

    Raises:
        UserError: If the source has no index yet or no crop, or the format is unknown.
    """
    index = read_index(images_root, source)
    if index.empty:
        raise UserError(f"{images_root / source}: the source has no crops", fix="look at its rejected.csv")
    chosen = spread_over_methods(index, number)
    rejected = rejected_reasons(images_root / source / REJECTED_FILE)
    counts = index["method"].value_counts().sort_index()
    title = f"{source}: " + ", ".join(f"{count:,} {method}" for method, count in counts.items())
    common = rejected.most_common(_SHEET_REASONS)
    lines = [f"{count:>6}  {printable_path(reason)}" for reason, count in common]
    if len(rejected) > _SHEET_REASONS:
        lines.append(f"        … and {len(rejected) - _SHEET_REASONS} other reasons")
    foot = "\n".join(["rejected:", *lines]) if lines else "nothing was rejected"
    with closing(ImageReader(images_root)) as reader:
        tiles = [(row, decode(reader.read_row(row))) for row in chosen.to_dict("records")]
    figure = _draw_tiles(tiles, title, foot)
    kind, known = out.suffix[1:].lower() or "png", figure.canvas.get_supported_filetypes()
    if kind not in known:
        raise UserError(
            f"{out}: not an image format that can be written", expected=", ".join(known), found=kind
        )
    with atomic_path(out) as temporary:
        figure.savefig(temporary, format=kind)
    return f"{out}: {len(chosen)} of {len(index)} crops; {rejected.total()} files or frames were rejected"


def spread_over_methods(index: pd.DataFrame, number: int) -> pd.DataFrame:
    """Choose rows of an index: the same number for each method, evenly spread over its crops."""
    import pandas as pd

    methods = sorted(index["method"].unique(), key=lambda name: (name != "real", name))
    share = max(1, number // len(methods))
    parts = []
    for method in methods[:number]:
        rows = index[index["method"] == method]
        places = np.linspace(0, len(rows) - 1, min(share, len(rows))).round().astype(int)
        parts.append(rows.iloc[places])
    chosen: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return chosen


def rejected_reasons(path: Path) -> Counter[str]:
    """Count the reasons in `rejected.csv`.

    Raises:
        UserError: If the file is missing or not such a table.
    """
    check_file(path, "run the faces stage again")
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return Counter(row["reason"] for row in csv.DictReader(file))
    except (KeyError, ValueError) as error:
        raise UserError(f"{path}: not a table of rejected files", found=str(error)) from None


def _draw_tiles(tiles: Sequence[tuple[Mapping[Any, Any], Rgb]], title: str, foot: str) -> Figure:
    from matplotlib.figure import Figure

    rows = -(-len(tiles) // _SHEET_COLUMNS)
    height = 1.5 * rows + 0.2 * foot.count("\n") + 1
    figure = Figure(figsize=(1.3 * _SHEET_COLUMNS, height), dpi=110, layout="constrained")
    cells = figure.subplots(rows, _SHEET_COLUMNS, squeeze=False, subplot_kw={"xticks": [], "yticks": []}).flat
    for axes, (row, pixels) in zip(cells, tiles, strict=False):
        axes.imshow(pixels)
        for side in axes.spines.values():
            side.set(color=COLORS["fake" if row["label"] else "real"], linewidth=2)
        note = f"{row['method']}, frame {row['frame']}" if row["frame"] >= 0 else row["method"]
        axes.set_title(note, fontsize=7, pad=3)
    for axes in cells:
        axes.set_axis_off()
    figure.suptitle(title, fontsize=11, weight="bold")
    figure.supxlabel(foot, x=0.01, ha="left", fontsize=8, family="monospace")
    return figure
