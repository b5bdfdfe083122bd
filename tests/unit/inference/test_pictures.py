from pathlib import Path

import numpy as np
import pytest

from fakeforensics.inference.cutting import Cut
from fakeforensics.inference.frames import frames_of, spread_frames, views_of
from fakeforensics.inference.galleries import fakest_frames
from fakeforensics.inference.inputs import Item
from fakeforensics.inference.judgement import Answer, Face, Judgement
from fakeforensics.inference.pictures import COLORS, caption, draw_faces, grid, marked, overlay, picture_names


def face(frame=-1, number=0, box=(10.0, 30.0, 50.0, 70.0), score=1.0, verdict="fake"):
    return Face(Cut(b"", frame, number, box), {"logit": score}, Answer(score, 0.75, verdict))


def test_a_box_is_drawn_where_the_face_is():
    image = np.zeros((100, 100, 3), np.uint8)
    drawn = draw_faces(image, [face()])
    assert tuple(drawn[70, 30]) == COLORS["fake"]
    assert tuple(drawn[50, 10]) == COLORS["fake"]
    assert not drawn[50, 30].any()  # inside
    assert not image.any()  # the original is left alone


def test_a_whole_image_is_framed():
    drawn = draw_faces(np.zeros((60, 80, 3), np.uint8), [face(box=(), verdict="real")])
    assert tuple(drawn[59, 40]) == tuple(drawn[40, 79]) == COLORS["real"]


def test_captions():
    assert caption(Answer(1.0, 0.756, "fake")) == "fake p 0.76"
    assert caption(Answer(3.14159, None, None)) == "3.14"


def test_an_overlay_shows_the_crop_beside_its_heat():
    crop = np.full((8, 8, 3), 100, np.uint8)
    heat = np.zeros((8, 8), np.float32)
    heat[0, 0] = 1
    left, right = np.split(overlay(crop, heat), 2, axis=1)
    assert (left == 100).all()
    assert (right[1:] == 100).all()  # where nothing speaks for fake the picture is untouched
    assert (right[0, 0] != 100).any()


def test_a_grid_keeps_every_tile():
    tiles = [np.full((4, 6, 3), value, np.uint8) for value in (10, 20, 30)]
    sheet = grid(tiles, columns=2)
    for value in (10, 20, 30):
        assert (sheet == value).all(axis=2).sum() == 24  # 4 · 6 pixels each


def test_frames_are_spread_over_those_with_a_face():
    faces = [face(frame=frame) for frame in (3, 3, 5, 8, 10, 11)]
    assert spread_frames(faces, 3) == [3, 8, 11]
    assert spread_frames(faces, 9) == [3, 5, 8, 10, 11]
    assert spread_frames([], 3) == []


def test_frames_of_a_clip_are_the_ones_asked_for(clip):
    (first, _), (second, pixels) = frames_of(clip, "video", [0, 11])
    assert (first, second) == (0, 11)
    assert pixels.max() < 30  # the last frames are black


def test_views_are_shrunk_and_say_by_how_much(photo):
    (view,) = views_of(Item(photo, "image"), [-1], width=128)
    assert view.pixels.shape == (128, 128, 3)
    assert view.scale == pytest.approx(0.25)


def test_a_video_is_marked_on_a_sheet(clip):
    faces = [face(frame=frame) for frame in range(9)]
    sheet = marked(Judgement(clip, "video", faces, {0: faces[0].answer}))
    assert sheet.shape == (3 * (256 + 8) + 8, 3 * (320 + 8) + 8, 3)  # 3 x 3 frames and margins of 8


def test_the_fakest_frames_of_each_person_are_explained():
    faces = [face(frame=frame, score=score) for frame, score in enumerate((1.0, 5.0, 3.0))]
    faces.append(face(frame=0, number=1, score=-2.0))
    judgement = Judgement(Path("v.mp4"), "video", faces, {0: faces[0].answer, 1: faces[3].answer})
    assert [(one.cut.face, one.answer.score) for one in fakest_frames(judgement, 2)] == [
        (0, 5.0),
        (0, 3.0),
        (1, -2.0),
    ]


def test_pictures_of_files_called_alike_get_names_of_their_own():
    names = picture_names([Path("a/x.png"), Path("b/x.png"), Path("y.png"), Path("../ü\n.png")])
    assert names[Path("y.png")] == "y.png"
    assert len(set(names.values())) == 4
    assert all("/" not in name and name.isprintable() for name in names.values())
