import sys
from pathlib import Path

import pytest

from fakeforensics import sources
from fakeforensics.code import import_closure
from fakeforensics.errors import UserError
from fakeforensics.params import SourceParams
from fakeforensics.sources.base import read_records
from fakeforensics.sources.registry import MissingSourceError, adapter_class, adapter_names, open_source
from tests.unit.sources.conftest import Tree

PAGE = (Path(__file__).parents[3] / "docs/data.md").read_text(encoding="utf-8")
ADAPTER = PAGE.partition("```python\n")[2].partition("```")[0]


def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    """Add a module to the package, without writing into its folder."""
    (tmp_path / "added").mkdir()
    (tmp_path / "added" / f"{name}.py").write_text(text)
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path / "added")])
    monkeypatch.delitem(sys.modules, f"fakeforensics.sources.{name}", raising=False)


def test_the_adapters_are_the_modules_that_hold_one() -> None:
    thesis = {"celeb_df", "cnn_synth", "dffd", "gan_instances"}
    others = {"celeb_df_pp", "df40", "dfdc", "faceforensics", "folder", "genimage"}
    assert adapter_names() == sorted(thesis | others)


def test_the_one_file_that_the_page_shows_is_a_new_layout(
    tmp_path: Path, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tree(["raw/edits/1.png", "raw/scans/1.png"]) / "raw"
    add(tmp_path, monkeypatch, "added_one", ADAPTER)
    adapter = open_source("mine", SourceParams(layout="added_one", root=str(root)))
    records = read_records(adapter)
    assert [(record.label, record.group) for record in records] == [(1, "mine/1"), (0, "mine/1")]
    assert [(count.found, count.is_met) for count in adapter.expected_counts(records)] == [(1, False)]
    assert "added_one" in adapter_names()


@pytest.mark.parametrize(
    ("text", "found"),
    [("", "0 subclasses"), (ADAPTER + ADAPTER.replace("Passports", "Others"), "2 subclasses")],
)
def test_a_module_must_hold_exactly_one_adapter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, found: str
) -> None:
    name = f"added_{found[0]}"
    add(tmp_path, monkeypatch, name, text)
    with pytest.raises(UserError, match="unknown layout") as caught:
        adapter_class(name)
    assert found in str(caught.value)


def test_an_unknown_layout_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"sources\.mine\.layout: unknown layout 'celebdf'") as caught:
        open_source("mine", SourceParams(layout="celebdf", root=str(tmp_path)))
    assert all(name in str(caught.value) for name in adapter_names())


@pytest.mark.parametrize("name", adapter_names())
def test_every_adapter_says_what_it_is_and_needs_no_other(name: str) -> None:
    adapter = adapter_class(name)
    assert adapter.instructions.tree
    assert name == "folder" or "Cite:" in (adapter.__doc__ or "")
    # A change of the downloads, the checks or another data set must not make its faces anew.
    used = {module for module in import_closure(adapter.__module__) if ".sources." in module}
    shared = {f"fakeforensics.sources.{module}" for module in ("base", "split_folders")}
    assert used == {adapter.__module__} | shared


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
