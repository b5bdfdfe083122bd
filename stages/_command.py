"""Turns a typed function into a stage's command line."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

import typer

from fakeforensics.errors import UserError

# How torch hands on what a decoding process raised: as text, with its traceback.
_OF_A_WORKER = re.compile(
    r"^Caught UserError in DataLoader worker process.*^fakeforensics\.errors\.UserError: ",
    re.DOTALL | re.MULTILINE,
)


def run_command(function: Callable[..., Any]) -> None:
    """Run `function` as a typer command; a `UserError` is printed and ends it with status 1."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(function)
    try:
        app()
    except UserError as error:
        typer.secho(f"error: {_OF_A_WORKER.sub('', str(error))}", err=True, fg=typer.colors.RED)
        sys.exit(1)
