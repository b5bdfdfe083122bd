"""Which modules code is made of and what it means, on a package of a few lines and on the project's own."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakeforensics import code

FILES = {
    "__init__": "",
    "params": "import fakeforensics.deep.leaf",
    "top": """
        from typing import TYPE_CHECKING
        import numpy
        from fakeforensics.deep import leaf
        from fakeforensics.params import load
        if TYPE_CHECKING:
            from fakeforensics import typed

        def late():
            import fakeforensics.late
    """,
    "late": "from .deep.other import name",
    "typed": "",
    "apart": "",
    "deep/__init__": "",
    "deep/leaf": "",
    "deep/other": "from .. import top",
}
Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a module of a package that stands for the project's."""
    package = tmp_path / "fakeforensics"
    monkeypatch.setattr(code, "_package_folder", {"fakeforensics": package}.get)

    def write_module(name: str, text: str) -> Path:
        path = package / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(line.removeprefix("        ") for line in text.splitlines()) + "\n")
        code.import_closure.cache_clear()
        return path

    for name, text in FILES.items():
        write_module(name, text)
    yield write_module
    code.import_closure.cache_clear()


@pytest.mark.usefixtures("write")
def test_imports_are_followed_also_from_functions_relative_and_in_circles() -> None:
    expected = {"top", "late", "params", "deep", "deep.leaf", "deep.other"}
    found = code.import_closure("fakeforensics.top")
    assert found == {"fakeforensics"} | {f"fakeforensics.{name}" for name in expected}
    # What is imported through `deep` alone goes with it.
    assert code.import_closure("fakeforensics.top", "fakeforensics.deep") <= found - {"fakeforensics.deep"}
    assert code.import_closure("fakeforensics.apart") == {"fakeforensics.apart"}
    assert code.import_closure("numpy") == frozenset()


def test_all_modules_are_hashed_but_the_plumbing(write: Write) -> None:
    apart = write("apart", "x = 1")
    found = code.code_hashes("fakeforensics.top", "fakeforensics.apart")
    assert list(found) == [
        f"fakeforensics.{name}" for name in ("apart", "deep", "deep.leaf", "deep.other", "late", "top")
    ]
    assert found["fakeforensics.apart"] == code.meaning(apart.read_text())
    below = code.code_hashes("fakeforensics.top", below="fakeforensics.deep")
    assert list(below) == [f"fakeforensics.{name}" for name in ("deep", "deep.leaf", "deep.other")]


@pytest.mark.parametrize(
    ("changed", "concerned"),
    [("deep/leaf", {"top", "late"}), ("apart", {"apart"}), ("params", set()), ("typed", set())],
)
def test_a_change_concerns_those_that_import_it(write: Write, changed: str, concerned: set[str]) -> None:
    names = ("top", "late", "apart")
    before = {name: code.code_hashes(f"fakeforensics.{name}") for name in names}
    write(changed, FILES[changed] + "\nx = 1")
    after = {name: code.code_hashes(f"fakeforensics.{name}") for name in names}
    assert {name for name in names if before[name] != after[name]} == concerned


@pytest.mark.parametrize(
    ("detector", "modules"), [("joint", ["bce", "joint", "sad"]), ("sad", ["sad"]), ("oc_svm", ["oc_svm"])]
)
def test_a_detectors_own_code_is_its_module_and_the_detectors_it_imports(
    detector: str, modules: list[str]
) -> None:
    found = code.code_hashes(f"fakeforensics.detectors.{detector}", below="fakeforensics.detectors")
    assert list(found) == [f"fakeforensics.detectors.{name}" for name in modules]


MODULE = """
'''What it is.'''
import typer
RATE = 1
'''The highest rate.'''
def train(rate: float = 0.1, name: str = typer.Option("x", help="A name.")) -> float:
    '''Train.'''
    if rate > 1:
        raise ValueError(f"{rate} is too high")
    typer.echo("trained")
    return {"rate": rate}  # a comment
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("What it is.", "What it was."),
        ("Train.", "Train a model."),
        ("The highest rate.", "The limit of the rate."),
        ("  # a comment", ""),
        ("    if rate > 1", "\n    if (rate > 1)"),
        ("is too high", "exceeds 1"),
        ("{rate} is", "{rate:.0f} is"),  # how a message shows a number is part of the message
        ('echo("trained")', 'echo("Training is done.")'),
        ("A name.", "The name."),
    ],
)
def test_texts_for_people_mean_nothing(before: str, after: str) -> None:
    assert before in MODULE
    assert code.meaning(MODULE.replace(before, after)) == code.meaning(MODULE)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("0.1", "0.2"),
        ("rate > 1", "rate >= 1"),
        ('"rate"', '"lr"'),  # a key of a result
        ('"x"', '"y"'),  # a default
        ("rate: float", "rate: int"),
        ("ValueError", "KeyError"),
        ("import typer", "import typer, numpy"),
        ("'''Train.'''", "'''Train.'''\n    rate *= 2"),
    ],
)
def test_everything_else_means_something(before: str, after: str) -> None:
    assert before in MODULE
    assert code.meaning(MODULE.replace(before, after)) != code.meaning(MODULE)


def test_a_stages_code_includes_its_own_file_and_what_it_imports() -> None:
    found = code.code_hashes("stages.train")
    assert {"stages.train", "fakeforensics.training.loop"} <= set(found)
    assert not {"stages", "stages._command", "fakeforensics.params"} & set(found)


def test_an_empty_text_in_a_format_specification_means_nothing() -> None:
    # Python 3.12.1 parses f"{name:{width}}" so; the other versions leave it out.
    tree = ast.parse('f"{name:{width}}"')
    before = list(code._tokens(tree, is_message=False))
    specification = next(node for node in ast.walk(tree) if isinstance(node, ast.FormattedValue)).format_spec
    assert isinstance(specification, ast.JoinedStr)
    specification.values.append(ast.Constant(""))
    assert list(code._tokens(tree, is_message=False)) == before
