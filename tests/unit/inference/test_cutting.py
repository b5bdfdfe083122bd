import io

import numpy as np

from fakeforensics.faces.extract import Extractor, Job
from fakeforensics.faces.part import PartWriter
from fakeforensics.images.images import decode, encode_png
from fakeforensics.inference.cutting import Cutter, Recipe
from fakeforensics.inference.inputs import Item
from tests.unit.inference.conftest import RECIPE

FACES = RECIPE.faces


def stored_by_the_crop_stage(path, kind, crop="faces"):
    """The bytes of the crops, as the crop stage gives them to its shards."""
    buffer = io.BytesIO()
    (contents,) = Extractor(FACES).extract([Job(path, kind, crop)], [PartWriter(buffer)])
    return [buffer.getvalue()[c.blob.offset : c.blob.offset + c.blob.size] for c in contents.crops]


def test_a_still_is_cut_as_the_crop_stage_cuts_it(cutter, photo):
    (cut,) = cutter.cut(Item(photo, "image")).cuts
    assert [cut.data] == stored_by_the_crop_stage(photo, "image")
    assert (cut.frame, cut.face, len(cut.box)) == (-1, 0, 4)


def test_other_faces_of_a_still_come_after_the_one_that_training_took(cutter, group_photo):
    main, other = cutter.cut(Item(group_photo, "image")).cuts
    assert [main.data] == stored_by_the_crop_stage(group_photo, "image")
    assert [main.face, other.face] == [0, 1]
    assert main.box[2] < 512 < other.box[0]  # the small one stands to the right


def test_main_takes_whom_training_took_alone(group_photo):
    cuts = Cutter(Recipe("faces", FACES, "main")).cut(Item(group_photo, "image")).cuts
    assert [cut.data for cut in cuts] == stored_by_the_crop_stage(group_photo, "image")


def test_a_video_is_cut_as_the_crop_stage_cuts_it(cutter, clip):
    file = cutter.cut(Item(clip, "video"))
    assert [cut.data for cut in file.cuts] == stored_by_the_crop_stage(clip, "video")
    assert [cut.frame for cut in file.cuts] == list(range(9))
    assert file.lost_frames == 3  # the black ones


def test_whole_images_keep_their_bytes(photo):
    (cut,) = Cutter(Recipe("whole", FACES)).cut(Item(photo, "image")).cuts
    assert cut.data == photo.read_bytes()
    assert cut.box == ()


def test_what_is_wrong_with_a_file_is_its_reason(cutter, tmp_path):
    black = tmp_path / "black.png"
    black.write_bytes(encode_png(np.zeros((80, 80, 3), np.uint8)))
    text = tmp_path / "text.jpg"
    text.write_text("no image")
    cases = {black: "no face found", text: "not an image", tmp_path / "no.png": "cannot be opened"}
    for path, reason in cases.items():
        file = cutter.cut(Item(path, "image"))
        assert not file.cuts
        assert reason in file.reason
    assert cutter.cut(Item(text, "image", "gone")).reason == "gone"


def test_crops_are_lossless(cutter, photo):
    (cut,) = cutter.cut(Item(photo, "image")).cuts
    assert decode(cut.data).shape == (96, 96, 3)
