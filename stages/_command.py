"""Turns a typed function into a stage's command line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from fakeforensics.commands import run_app
from fakeforensics.errors import UserError
from fakeforensics.reading import read_json
from fakeforensics.yaml12 import read_yaml

if TYPE_CHECKING:
    from fakeforensics.params import SourceParams

# torch passes on an exception of a worker process as text, with this line and the traceback before it.
_OF_A_WORKER = re.compile(
    r"^Caught UserError in DataLoader worker process.*^fakeforensics\.errors\.UserError: ",
    re.DOTALL | re.MULTILINE,
)


PARAMS = Path("params.yaml")


def run_command(function: Callable[..., Any], *settings: str) -> None:
    """Run `function` as a typer command, as `run_app` does.

    Args:
        function: The command.
        settings: Keys of params.yaml on which the stage depends, as dvc.yaml lists them. DVC records their
            values when the stage ends, so the stage fails if they changed while it ran.
    """

    @wraps(function)
    def command(**options: Any) -> None:
        before = _values(settings)
        function(**options)
        _need_same(before, _values(settings))

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    run_app(app, lambda error: _OF_A_WORKER.sub("", str(error)))


def need_recorded(path: Path, source: SourceParams) -> None:
    """Check that a source's settings are those that the stage `code` recorded, on which DVC's stage depends.

    Args:
        path: The record, such as data/code/images/<source>.json. Outside a pipeline there may be none.
        source: The settings that the stage begins with.

    Raises:
        UserError: If they changed after the stage `code` ran.
    """
    if not path.exists():
        return
    recorded, found = read_json(path, "run `dvc repro code`").get("source"), source.deciding()
    if recorded != found:
        raise UserError(
            f"{PARAMS}: the settings of {path.stem!r} changed since the stage `code` recorded them",
            expected=json.dumps(recorded),
            found=json.dumps(found),
            fix="run `dvc repro`, or first `dvc repro code`",
        )


def _values(settings: Sequence[str]) -> dict[str, Any]:
    """The values of some keys of params.yaml; empty if the file is faulty, which the stage itself reports."""
    try:
        found = read_yaml(PARAMS) if settings else {}
    except UserError:
        return {}

    def value(group: Any, key: str) -> Any:
        first, _, rest = key.partition(".")
        inner = group.get(first) if isinstance(group, dict) else None
        return value(inner, rest) if rest else inner

    return {key: value(found, key) for key in settings}


def _need_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    if changed := [key for key, value in before.items() if after.get(key) != value]:
        raise UserError(
            f"{PARAMS} was changed while the stage ran: {', '.join(changed)}",
            expected="the values that the stage started with, because DVC records the values at its end",
            fix="run the same command again; to try other values during a run, use `dvc exp run --temp`",
        )
