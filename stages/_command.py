"""Turns a typed function into a stage's command line."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from fakeforensics.errors import UserError
from fakeforensics.files import explain_full_disk

# How torch hands on what a decoding process raised: as text, with its traceback.
_OF_A_WORKER = re.compile(
    r"^Caught UserError in DataLoader worker process.*^fakeforensics\.errors\.UserError: ",
    re.DOTALL | re.MULTILINE,
)


def run_command(function: Callable[..., Any]) -> None:
    """Run `function` as a typer command; a `UserError` or a full disk ends it with a message and status 1."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(function)
    try:
        with explain_full_disk(Path()):
            app()
    except UserError as error:
        typer.secho(f"error: {_OF_A_WORKER.sub('', str(error))}", err=True, fg=typer.colors.RED)
        sys.exit(1)
