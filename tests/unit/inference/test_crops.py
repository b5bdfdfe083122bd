import numpy as np

from fakeforensics.faces.extract import FaceExtractor, WorkItem
from fakeforensics.faces.results import MemoryStore, stored_bytes
from fakeforensics.images.codec import decode, encode_png
from fakeforensics.inference.crops import ExtractionSettings, extract_crops
from fakeforensics.inference.inputs import Item
from tests.unit.inference.conftest import FACES


def stored_by_the_faces_stage(path, kind, crop="faces"):
    """The bytes of the crops, as the faces stage gives them to its shards."""
    store = MemoryStore()
    (extraction,) = FaceExtractor(FACES.faces).extract([WorkItem(path, kind, crop)], [store])
    return [stored_bytes(store[crop.stored.name]) for crop in extraction.crops]


def test_a_still_gives_the_crops_of_the_faces_stage(photo):
    (crop,) = extract_crops(FACES, Item(photo, "image")).crops
    assert [crop.data] == stored_by_the_faces_stage(photo, "image")
    assert (crop.frame, crop.face, len(crop.box)) == (-1, 0, 4)


def test_other_faces_of_a_still_follow_the_one_that_training_takes(group_photo):
    main, other = extract_crops(FACES, Item(group_photo, "image")).crops
    assert [main.data] == stored_by_the_faces_stage(group_photo, "image")
    assert [main.face, other.face] == [0, 1]
    assert main.box[2] < 512 < other.box[0]  # the small one stands to the right


def test_main_takes_only_the_face_that_training_takes(group_photo):
    settings = ExtractionSettings("faces", FACES.faces, "main")
    crops = extract_crops(settings, Item(group_photo, "image")).crops
    assert [crop.data for crop in crops] == stored_by_the_faces_stage(group_photo, "image")


def test_a_video_gives_the_crops_of_the_faces_stage(clip):
    file = extract_crops(FACES, Item(clip, "video"))
    assert [crop.data for crop in file.crops] == stored_by_the_faces_stage(clip, "video")
    assert [crop.frame for crop in file.crops] == list(range(9))
    assert file.lost_frames == 3  # the black ones


def test_whole_images_keep_their_bytes(photo):
    (crop,) = extract_crops(ExtractionSettings("whole", FACES.faces), Item(photo, "image")).crops
    assert crop.data == photo.read_bytes()
    assert crop.box == ()


def test_what_is_wrong_with_a_file_is_its_reason(tmp_path):
    black = tmp_path / "black.png"
    black.write_bytes(encode_png(np.zeros((80, 80, 3), np.uint8)))
    text = tmp_path / "text.jpg"
    text.write_text("no image")
    cases = {black: "no face found", text: "not an image", tmp_path / "no.png": "cannot be opened"}
    for path, reason in cases.items():
        file = extract_crops(FACES, Item(path, "image"))
        assert not file.crops
        assert reason in file.reason
    assert extract_crops(FACES, Item(text, "image", "gone")).reason == "gone"


def test_crops_are_lossless(photo):
    (crop,) = extract_crops(FACES, Item(photo, "image")).crops
    assert decode(crop.data).shape == (96, 96, 3)


def test_frames_for_display_are_those_with_a_crop(clip, tmp_path):
    found = extract_crops(FACES, Item(clip, "video"), views=2)
    without = extract_crops(FACES, Item(clip, "video"))
    assert found == without
    assert [crop.data for crop in found.crops] == [crop.data for crop in without.crops]
    assert [view.frame for view in found.views] == [0, 8]  # the first and the last with a face
    assert {view.pixels.shape for view in found.views} == {(256, 320, 3)}
    (tmp_path / "bad.png").write_text("no image")
    assert not extract_crops(FACES, Item(tmp_path / "bad.png", "image"), views=2).views
