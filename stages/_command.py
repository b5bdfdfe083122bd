"""Turns a typed function into a stage's command line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import typer

from fakeforensics.errors import UserError


def run_command(function: Callable[..., Any]) -> None:
    """Run `function` as a typer command; a `UserError` is printed and ends it with status 1."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(function)
    try:
        app()
    except UserError as error:
        typer.secho(f"error: {error}", err=True, fg=typer.colors.RED)
        sys.exit(1)
