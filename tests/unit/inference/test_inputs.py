import os

import pytest

from fakeforensics.inference.inputs import find_inputs, kind_of


@pytest.fixture
def tree(tmp_path):
    for name in ("b.png", "a.JPG", "notes.txt", "deep/c.mp4", ".hidden/d.png", "deep/.e.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def names(inputs):
    return [item.path.name for item in inputs.items]


def test_folders_are_searched_to_the_bottom_in_order_and_hidden_files_left_out(tree):
    inputs = find_inputs([str(tree)])
    assert names(inputs) == ["a.JPG", "b.png", "c.mp4"]
    assert [item.kind for item in inputs.items] == ["image", "image", "video"]
    assert inputs.ignored == 1  # notes.txt


def test_globs_that_the_shell_did_not_expand(tree):
    assert names(find_inputs([f"{tree}/**/*.mp4"])) == ["c.mp4"]


def test_a_file_named_like_a_glob_is_that_file(tree):
    (tree / "x[1].png").touch()
    assert names(find_inputs([f"{tree}/x[1].png"])) == ["x[1].png"]


def test_a_list_keeps_spaces_and_skips_blank_lines(tree):
    (tree / " two words .png").touch()
    inputs = find_inputs([], [f"{tree}/b.png\n", "\n", f"{tree}/ two words .png\r\n"])
    assert names(inputs) == ["b.png", " two words .png"]


def test_a_file_named_twice_is_judged_once(tree):
    assert names(find_inputs([f"{tree}/b.png", str(tree), f"{tree}/b.png"])) == ["b.png", "a.JPG", "c.mp4"]


def test_what_is_not_there_becomes_an_item_with_a_reason(tree):
    missing, empty_glob, device = find_inputs([f"{tree}/no.png", f"{tree}/*.gif", "/dev/null"]).items
    assert missing.missing == empty_glob.missing == "no such file"
    assert device.missing == "not a regular file"


def test_an_explicit_file_of_an_unknown_suffix_is_tried_as_an_image(tree):
    (item,) = find_inputs([f"{tree}/notes.txt"]).items
    assert (item.kind, item.missing) == ("image", None)
    assert kind_of(item.path) is None


def test_what_is_no_regular_file_in_a_folder_is_told_and_not_opened(tree):
    os.mkfifo(tree / "pipe.png")  # opening it would wait for a writer
    (item,) = [one for one in find_inputs([str(tree)]).items if one.path.name == "pipe.png"]
    assert item.missing == "not a regular file"
