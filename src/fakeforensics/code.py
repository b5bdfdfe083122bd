"""Hashes of the modules that a stage imports. Docstrings, comments and messages do not count."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

# The packages of this project. Other packages are identified by their versions, not by hashes.
PACKAGES = ("fakeforensics", "stages", "examples")
# A change of these does not change what is computed: docs/decisions/001-dependencies.md.
_NO_RESULT = ("params", "yaml12", "files", "errors", "code", "progress", "devices", "lookahead", "commands")
PLUMBING = frozenset(
    [
        "fakeforensics",
        *(f"fakeforensics.{name}" for name in _NO_RESULT),
        "stages",
        "stages._command",
        "examples",
    ]
)
# Calls whose strings are texts for people, and arguments that are such texts in any call.
_SPEAKS = ("echo", "secho", "warn", "warning", "info", "debug", "error", "exception")
_TEXTS = {"help", "description", "tree", "obtain"}


def code_hashes(*modules: str, below: str = "", without: str = "") -> dict[str, str]:
    """Hash each module of the project that the given modules import, directly or through others.

    Args:
        modules: Full names of modules; they are hashed too.
        below: List only modules of this package; by default all modules of the project.
        without: A module to leave out, together with the modules that only it imports.

    Returns:
        The `meaning` of each module by its name, sorted. `PLUMBING` is left out, because its changes do not
        change a result.
    """
    names = set().union(*(import_closure(name, without) for name in modules)) - PLUMBING
    listed = sorted(name for name in names if not below or name == below or name.startswith(f"{below}."))
    return {name: meaning(path.read_text(encoding="utf-8")) for name in listed if (path := module_file(name))}


@cache
def meaning(source: str) -> str:
    """Hash a module's syntax tree without the parts that only people read.

    The hash ignores comments, layout, docstrings, and the strings of messages: those of raised exceptions, of
    log and terminal output, and of arguments called `help`, `description`, `tree` and `obtain`. An edit of
    these does not change a result, so it must not train a model again.

    Args:
        source: Python code.

    Returns:
        32 hexadecimal digits, the same for all versions of Python that parse the code.
    """
    digest = hashlib.sha256()
    for token in _tokens(ast.parse(source), is_message=False):
        digest.update(token.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()[:32]


@cache
def import_closure(module: str, without: str = "") -> frozenset[str]:
    """A module, and the modules of the project that it imports directly or through others.

    Args:
        module: Its full name.
        without: A module to leave out, together with the modules that only it imports.
    """
    seen = {without}
    todo = {module}
    while todo:
        name = todo.pop()
        path = module_file(name)
        if name not in seen and path is not None:
            seen.add(name)
            todo |= direct_imports(path, name) - seen
    return frozenset(seen - {without})


def direct_imports(path: Path, module: str = "") -> set[str]:
    """The modules of the project that a file imports, at its top or inside a function.

    Imports below `if TYPE_CHECKING` do not count.

    Args:
        path: The file.
        module: Its full name, which relative imports start from.
    """
    imported = _imported(path.read_text(encoding="utf-8"), module, path.name == "__init__.py")
    return {name for name in imported if module_file(name)}


@cache
def _imported(source: str, module: str, is_package: bool) -> frozenset[str]:
    """The modules that code may import; a name that is taken from a module may be a module itself.

    Args:
        source: The code.
        module: Its full name.
        is_package: Whether it is that of a package, which its relative imports start from.
    """
    tree = ast.parse(source)
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".")
            if not is_package:
                package = package[:-1]
            parts = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return frozenset(name for name in found if name.partition(".")[0] in PACKAGES)


def module_file(name: str) -> Path | None:
    """The file of a module; None if the module does not belong to the project."""
    first, *rest = name.split(".")
    folder = _package_folder(first) if first in PACKAGES else None
    if folder is None:
        return None
    base = folder.joinpath(*rest)
    candidates = (base.with_suffix(".py"), base / "__init__.py") if rest else (base / "__init__.py",)
    return next((one for one in candidates if one.is_file()), None)


def _package_folder(package: str) -> Path | None:
    if package == "fakeforensics":
        return Path(__file__).parent
    found = importlib.util.find_spec(package)
    places = found.submodule_search_locations if found else None
    return Path(next(iter(places))) if places else None


def _tokens(node: Any, *, is_message: bool) -> Iterator[str]:
    """A syntax tree as a sequence of texts. Python's own dump of a tree differs between its versions."""
    if isinstance(node, list):
        yield "["
        for item in node:
            yield from _tokens(item, is_message=is_message)
        yield "]"
        return
    if not isinstance(node, ast.AST):
        yield repr(node)
        return
    if is_message and (
        isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
    ):
        yield "text"
        return
    is_message = is_message or _is_message(node)
    yield type(node).__name__
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(value, list):
            value = _without_docstrings(value)
        if isinstance(node, ast.JoinedStr) and isinstance(value, list):
            # Python 3.12.0 and 3.12.1 put an empty text into nested format specifications.
            value = [part for part in value if not (isinstance(part, ast.Constant) and part.value == "")]
        # Fields that some versions of Python lack are empty in the others.
        if name in {"ctx", "kind", "type_comment"} or value is None or value == []:
            continue
        yield name
        yield from _tokens(value, is_message=is_message)


def _without_docstrings(body: list[ast.stmt]) -> list[ast.stmt]:
    return [
        statement
        for statement in body
        if not (
            isinstance(statement, ast.Expr)
            and isinstance(statement.value, ast.Constant)
            and isinstance(statement.value.value, str)
        )
    ]


def _is_message(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise):
        return True
    if isinstance(node, ast.keyword):
        return node.arg in _TEXTS
    if not isinstance(node, ast.Call):
        return False
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name.endswith(("Error", "Warning")) or name in _SPEAKS
