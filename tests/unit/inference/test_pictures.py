from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from fakeforensics.errors import UserError
from fakeforensics.faces.run import make_images
from fakeforensics.images.codec import encode_png
from fakeforensics.inference.assessment import Assessment
from fakeforensics.inference.crops import FoundCrop
from fakeforensics.inference.inputs import Item, pick_frames, read_frames, read_views
from fakeforensics.inference.pictures import (
    VERDICT_COLORS,
    annotated,
    caption,
    draw_contact_sheet,
    draw_faces,
    grid,
    most_suspicious_frames,
    overlay,
    picture_names,
    rejected_reasons,
    spread_over_methods,
)
from fakeforensics.inference.predict import Prediction, ScoredFace
from fakeforensics.palette import rgb
from fakeforensics.params import FacesParams
from fakeforensics.sources.base import RawFile


def face(frame=-1, number=0, box=(10.0, 30.0, 50.0, 70.0), score=1.0, verdict="fake"):
    return ScoredFace(
        FoundCrop(b"", frame, number, box), {"logit": score}, Assessment(score, 0.75, None, verdict)
    )


def test_a_box_is_drawn_where_the_face_is():
    image = np.zeros((100, 100, 3), np.uint8)
    drawn = draw_faces(image, [face()])
    assert tuple(drawn[70, 30]) == rgb(VERDICT_COLORS["fake"])
    assert tuple(drawn[50, 10]) == rgb(VERDICT_COLORS["fake"])
    assert not drawn[50, 30].any()  # inside
    assert not image.any()  # the original is left alone


def test_a_whole_image_is_framed():
    drawn = draw_faces(np.zeros((60, 80, 3), np.uint8), [face(box=(), verdict="real")])
    assert tuple(drawn[59, 40]) == tuple(drawn[40, 79]) == rgb(VERDICT_COLORS["real"])


def test_captions():
    assert caption(Assessment(1.0, 0.756, 2.0, "fake")) == "fake p 75.6%"
    assert caption(Assessment(3.14159, None, None, None)) == "3.14"


def test_an_overlay_colors_only_what_raises_the_score():
    crop = np.full((8, 8, 3), 100, np.uint8)
    heat = np.zeros((8, 8), np.float32)
    heat[0, 0] = 1
    mixed = overlay(crop, heat)
    assert (mixed[1:] == 100).all()
    assert (mixed[0, 0] != 100).any()


def test_a_grid_keeps_every_tile():
    tiles = [np.full((4, 6, 3), value, np.uint8) for value in (10, 20, 30)]
    sheet = grid(tiles, columns=2)
    for value in (10, 20, 30):
        assert (sheet == value).all(axis=2).sum() == 24  # 4 · 6 pixels each


def test_frames_are_spread_over_those_with_a_face():
    assert pick_frames((3, 3, 5, 8, 10, 11), 3) == [3, 8, 11]
    assert pick_frames((3, 3, 5, 8, 10, 11), 9) == [3, 5, 8, 10, 11]
    assert pick_frames([], 3) == []


def test_frames_of_a_clip_are_the_ones_asked_for(clip):
    (first, _), (second, pixels) = read_frames(clip, "video", [0, 11])
    assert (first, second) == (0, 11)
    assert pixels.max() < 30  # the last frames are black


def test_views_are_shrunk_with_their_scale(photo, tmp_path):
    wide = tmp_path / "wide.png"
    wide.write_bytes(encode_png(np.zeros((40, 3840, 3), np.uint8)))
    (view,) = read_views(Item(wide, "image"), [-1])
    assert (view.pixels.shape, view.scale) == ((10, 960, 3), 0.25)  # 960 of 3840 columns
    (view,) = read_views(Item(photo, "image"), [-1])
    assert (view.pixels.shape, view.scale) == ((512, 512, 3), 1.0)


def test_a_video_is_annotated_on_a_grid(clip):
    faces = [face(frame=frame) for frame in range(9)]
    sheet = annotated(Prediction(clip, "video", faces, {0: faces[0].assessment}))
    assert sheet.shape == (3 * (256 + 8) + 8, 3 * (320 + 8) + 8, 3)  # 3 x 3 frames and margins of 8


def test_the_most_suspicious_frames_of_each_person_are_explained():
    faces = [face(frame=frame, score=score) for frame, score in enumerate((1.0, 5.0, 3.0))]
    faces.append(face(frame=0, number=1, score=-2.0))
    prediction = Prediction(Path("v.mp4"), "video", faces, {0: faces[0].assessment, 1: faces[3].assessment})
    assert [(one.crop.face, one.assessment.score) for one in most_suspicious_frames(prediction, 2)] == [
        (0, 5.0),
        (0, 3.0),
        (1, -2.0),
    ]


def test_pictures_of_files_called_alike_get_names_of_their_own():
    names = picture_names([Path("a/x.png"), Path("b/x.png"), Path("y.png"), Path("../ü\n.png")])
    assert names[Path("y.png")] == "y.png"
    assert len(set(names.values())) == 4
    assert all("/" not in name and name.isprintable() for name in names.values())


@pytest.fixture(scope="module")
def images(photo, tmp_path_factory):
    root = tmp_path_factory.mktemp("source")
    (root / "raw").mkdir()
    (root / "raw/a.png").write_bytes(photo.read_bytes())
    (root / "raw/b.png").write_bytes(encode_png(np.zeros((90, 90, 3), np.uint8)))
    records = [
        RawFile("a.png", "image", "stargan", "d", 1, "s/a", ""),
        RawFile("b.png", "image", "real", "d", 0, "s/b", ""),
    ]
    faces = FacesParams(size=64, workers=1, max_rejected=0.5)
    make_images("s", root / "raw", records, "faces", faces, root / "images/s", root / "scratch")
    return root / "images"


def test_a_contact_sheet_counts_what_was_rejected(images, tmp_path):
    report = draw_contact_sheet(images, "s", tmp_path / "sheet.png", 60)
    assert report.endswith("1 of 1 crops; 1 files or frames were rejected")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape[1] == 1430  # ten columns of 1.3 inches at 110 dots an inch
    assert sheet.std() > 20


def test_a_contact_sheet_is_a_png_unless_its_suffix_says_otherwise(images, tmp_path):
    draw_contact_sheet(images, "s", tmp_path / "sheet", 60)
    assert (tmp_path / "sheet").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UserError, match=r"sheet\.txt: not an image format"):
        draw_contact_sheet(images, "s", tmp_path / "sheet.txt", 60)


def test_reasons_are_counted(images):
    assert rejected_reasons(images / "s/rejected.csv") == {"no face found": 1}


def test_every_method_gets_its_share():
    index = pd.DataFrame({"method": ["a"] * 100 + ["real"] * 50 + ["b"] * 2, "number": range(152)})
    chosen = spread_over_methods(index, 9)
    assert list(chosen["method"]) == ["real"] * 3 + ["a"] * 3 + ["b"] * 2
    assert list(chosen["number"])[:3] == [100, 124, 149]  # first, middle, last


def test_a_source_without_crops_is_an_error(tmp_path):
    with pytest.raises(UserError, match="the images of source 'x' are missing"):
        draw_contact_sheet(tmp_path, "x", tmp_path / "sheet.png", 10)
