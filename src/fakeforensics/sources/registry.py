"""Finds the adapter of a source. `layout` in params.yaml is the name of an adapter's module."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from inspect import isabstract
from pathlib import Path

from fakeforensics import sources
from fakeforensics.errors import UserError
from fakeforensics.files import expand
from fakeforensics.params import SourceParams
from fakeforensics.sources.base import DatasetAdapter

DEMO = "data/raw/demo/"  # where the stage `demo` puts its data sets


class MissingSourceError(UserError):
    """The folder of a configured source does not exist."""


def adapter_names() -> list[str]:
    """The modules of this package that hold an adapter, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(sources.__path__) if _adapters(module.name))


def adapter_class(name: str, context: str = "") -> type[DatasetAdapter]:
    """The adapter in the module with a given name.

    Args:
        name: The module's name.
        context: Where the name was given, as the beginning of an error message.

    Raises:
        UserError: If there is no such module, or it does not define exactly one adapter.
    """
    is_module = any(module.name == name for module in pkgutil.iter_modules(sources.__path__))
    found = _adapters(name) if is_module else []
    if len(found) != 1:
        raise UserError(
            f"{context}unknown layout {name!r}",
            expected="one of " + ", ".join(adapter_names()),
            found=f"{len(found)} subclasses of DatasetAdapter in its module" if is_module else None,
            fix=f"correct the name, or add the module src/fakeforensics/sources/{name}.py (docs/data.md)",
        )
    return found[0]


def open_source(name: str, source: SourceParams) -> DatasetAdapter:
    """The adapter of a source in params.yaml; `$VARIABLES` and `~` in its root are expanded.

    Args:
        name: The source's name.
        source: Its settings.

    Raises:
        MissingSourceError: If the root does not exist, or a variable in it is not set.
        UserError: If the layout is unknown or an option is wrong.
    """
    adapter = adapter_class(source.layout, f"params.yaml: sources.{name}.layout: ")
    root = _expanded(name, source.root)
    if not root.is_dir():
        fix = f"docs/data.md says how to get it; set sources.{name}.root in params.yaml, or remove the source"
        raise MissingSourceError(
            f"source {name!r}: the folder {root} does not exist",
            expected=f"a data set of layout {source.layout}:\n{adapter.instructions.tree}",
            fix="run `dvc repro demo`, which makes it" if source.root.startswith(DEMO) else fix,
        )
    return adapter(name, root, source.options)


def _adapters(name: str) -> list[type[DatasetAdapter]]:
    module = import_module(f"{sources.__name__}.{name}")
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, DatasetAdapter)
        and value.__module__ == module.__name__
        and not isabstract(value)
    ]


def _expanded(name: str, root: str) -> Path:
    expanded, unset = expand(root)
    if unset:
        raise MissingSourceError(
            f"source {name!r}: the environment variable {unset} in its root {root} is not set",
            fix=f"export {unset}=…, or write the folder itself into sources.{name}.root",
        )
    return expanded
