"""Faces found and landmarks placed, ours and the usual script's, on photographs annotated with imglab.

    python -m benchmarks.annotated_faces training_with_face_landmarks.xml testing_with_face_landmarks.xml

The images lie next to the XML files. Every face counts, so the stage runs with `tracks: all`; both sides
place 68 landmarks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer

from fakeforensics.faces.detect import Box, eye_centers

SAME = 0.5  # intersection over union from which a face counts as found
SIDES = ("left", "top", "width", "height")


class Face(NamedTuple):
    """A face and its 68 landmarks."""

    box: Box
    points: np.ndarray


def main(
    annotations: Annotated[list[Path], typer.Argument(help="imglab's XML files, with 68 parts per box.")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
) -> None:
    """Print how many annotated faces each side finds, and how far its landmarks are off."""
    from fakeforensics.files import write_json

    annotated = {image: faces for path in annotations for image, faces in read_imglab(path)}
    figures: dict[str, Any] = {"images": len(annotated), "faces": sum(map(len, annotated.values()))}
    errors = {}
    for name, found in {"ours": ours(list(annotated)), "reference": reference(list(annotated))}.items():
        errors[name] = np.array(
            [off for image, faces in annotated.items() for off in match(faces, found[image])]
        )
        figures[f"found_{name}"] = int(np.isfinite(errors[name]).sum())
        figures[f"landmark_error_{name}"] = float(np.nanmean(errors[name]))
        figures[f"others_{name}"] = sum(map(len, found.values())) - figures[f"found_{name}"]
    both = (errors["ours"] - errors["reference"])[np.isfinite(errors["ours"] + errors["reference"])]
    figures["landmark_error_difference"] = float(both.mean())
    figures["its_standard_error"] = float(both.std(ddof=1) / len(both) ** 0.5)
    for key, value in figures.items():
        typer.echo(f"{key:28} {value:.4g}")
    if json_file is not None:
        write_json(json_file, figures)


def read_imglab(path: Path) -> Iterator[tuple[Path, list[Face]]]:
    """The annotated faces of each image."""
    from xml.etree import ElementTree as ET

    for image in ET.parse(path).iter("image"):
        faces = []
        for box in image.iter("box"):
            left, top, width, height = (float(box.attrib[side]) for side in SIDES)
            parts = sorted(box.iter("part"), key=lambda part: int(part.attrib["name"]))
            points = np.array([(part.attrib["x"], part.attrib["y"]) for part in parts], np.float32)
            faces.append(Face(Box(left, top, left + width, top + height), points))
        yield path.parent / image.attrib["file"], faces


def match(annotated: Sequence[Face], found: Sequence[Face]) -> list[float]:
    """Each annotated face's mean landmark error over its inter-ocular distance; NaN if it was not found."""
    errors = []
    for face in annotated:
        nearest = max(found, key=lambda other: face.box.iou(other.box), default=None)
        if nearest is None or face.box.iou(nearest.box) < SAME:
            errors.append(float("nan"))
            continue
        left, right = eye_centers(face.points)
        off = np.linalg.norm(nearest.points - face.points, axis=1).mean()
        errors.append(float(off / np.linalg.norm(left - right)))
    return errors


def ours(images: Sequence[Path]) -> dict[Path, list[Face]]:
    """What the faces stage finds."""
    from fakeforensics.faces.extract import FaceExtractor, WorkItem
    from fakeforensics.faces.results import MemoryStore
    from fakeforensics.params import FacesParams

    extractor = FaceExtractor(FacesParams.model_validate({"landmarks": 68, "tracks": "all"}))
    found = {}
    for image in images:
        (extraction,) = extractor.extract([WorkItem(image, "image", "faces")], [MemoryStore()])
        found[image] = [
            Face(Box(*crop.box), np.array(crop.landmarks, np.float32).reshape(-1, 2))
            for crop in extraction.crops
        ]
    return found


def reference(images: Sequence[Path]) -> dict[Path, list[Face]]:
    """What dlib's detector at double size and its 68-point model find."""
    import cv2
    import dlib

    from fakeforensics.faces.detect import model_path

    detector = dlib.get_frontal_face_detector()
    predictor = dlib.shape_predictor(str(model_path("shape_predictor_68_face_landmarks.dat")))
    found = {}
    for image in images:
        bgr: Any = cv2.imread(str(image))
        rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        found[image] = [
            Face(
                Box(place.left(), place.top(), place.right(), place.bottom()),
                np.array([(part.x, part.y) for part in predictor(rgb, place).parts()], np.float32),
            )
            for place in detector(rgb, 1)
        ]
    return found


if __name__ == "__main__":
    typer.run(main)
