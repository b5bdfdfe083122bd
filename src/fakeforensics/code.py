"""Which of the project's files a module is made of, and their hashes."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from fakeforensics.files import sha256_file

_PACKAGE = Path(__file__).parent
# A change of these does not change what is computed: docs/decisions/001-dependencies.md.
PLUMBING = frozenset(f"fakeforensics{name}" for name in ("", ".params", ".files", ".errors", ".code"))


def code_hashes(*modules: str, below: str = "fakeforensics") -> dict[str, str]:
    """SHA-256 of each file that some modules import, directly or through others, themselves included.

    Args:
        modules: Their full names.
        below: Only files of this package are listed.

    Returns:
        By module name, sorted. Shared plumbing, whose changes do not change a result, is left out.
    """
    names = set().union(*(import_closure(name) for name in modules)) - PLUMBING
    listed = sorted(name for name in names if name == below or name.startswith(f"{below}."))
    return {name: sha256_file(path) for name in listed if (path := module_file(name))}


@cache
def import_closure(module: str) -> frozenset[str]:
    """The project's modules that a module imports, directly or through others, and itself."""
    seen: set[str] = set()
    todo = {module}
    while todo:
        name = todo.pop()
        path = module_file(name)
        if name not in seen and path is not None:
            seen.add(name)
            todo |= direct_imports(path, name) - seen
    return frozenset(seen)


def direct_imports(path: Path, module: str = "") -> set[str]:
    """The project's modules that a file imports, at its top or inside a function, but not for types alone.

    Args:
        path: The file.
        module: Its full name, from which relative imports go.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
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
            if path.name != "__init__.py":
                package = package[:-1]
            parts = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return {name for name in found if module_file(name)}


def module_file(name: str) -> Path | None:
    """The file of one of the project's modules; None if it is not one."""
    first, *rest = name.split(".")
    if first != _PACKAGE.name:
        return None
    base = _PACKAGE.joinpath(*rest)
    return next((one for one in (base.with_suffix(".py"), base / "__init__.py") if one.is_file()), None)
