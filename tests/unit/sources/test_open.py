from pathlib import Path

import pytest

from fakeforensics.errors import UserError
from fakeforensics.params import SourceParams
from fakeforensics.sources.layouts import LAYOUTS
from fakeforensics.sources.open import MissingSourceError, crop_mode, open_source, read_records


def test_a_missing_folder_names_the_source_the_tree_and_the_page(tmp_path: Path) -> None:
    with pytest.raises(MissingSourceError) as caught:
        open_source("mine", SourceParams(layout="celeb_df", root=str(tmp_path / "nowhere")))
    text = str(caught.value)
    for part in ("'mine'", "nowhere", "Celeb-real/id0_0000.mp4", "docs/data.md", "sources.mine.root"):
        assert part in text


def test_variables_in_the_root_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_DATA", str(tmp_path))
    assert open_source("mine", SourceParams(layout="folder", root="$MY_DATA")).root == tmp_path
    monkeypatch.delenv("MY_DATA")
    with pytest.raises(MissingSourceError, match=r"variable MY_DATA .* is not set"):
        open_source("mine", SourceParams(layout="folder", root="$MY_DATA"))


def test_an_unknown_layout_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown layout 'celebdf'") as caught:
        open_source("mine", SourceParams(layout="celebdf", root=str(tmp_path)))
    assert all(name in str(caught.value) for name in LAYOUTS)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    layout = open_source("mine", SourceParams(layout="folder", root=str(tmp_path)))
    with pytest.raises(UserError, match="no image or video"):
        read_records(layout)


def test_the_layout_decides_about_cropping_unless_params_do(tmp_path: Path) -> None:
    source = SourceParams(layout="cnn_synth", root=str(tmp_path))
    layout = open_source("mine", source)
    assert crop_mode(layout, source) == "whole"
    assert crop_mode(layout, source.model_copy(update={"crop": "faces"})) == "faces"


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_every_layout_says_what_it_is(name: str) -> None:
    layout = LAYOUTS[name]
    assert layout.tree
    assert layout.__doc__
    assert name == "folder" or "Cite:" in layout.__doc__
