"""How every command ends: an error for the user, a full disk and Ctrl-C give a message, and no traceback."""

from __future__ import annotations

import atexit
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import typer

from fakeforensics.errors import UserError
from fakeforensics.files import explain_full_disk


def run_app(app: Callable[[], None], explain: Callable[[UserError], str] = str) -> None:
    """Run a typer application.

    Args:
        app: The application.
        explain: Makes the message of an error for the user.

    Raises:
        SystemExit: When it has ended; the status is 1 after an error, a full disk or Ctrl-C.
    """
    try:
        with explain_full_disk(Path()):
            app()
    except UserError as error:
        typer.secho(f"error: {explain(error)}", err=True, fg=typer.colors.RED)
        sys.exit(1)
    except KeyboardInterrupt:  # typer handles it only after its own start
        typer.echo("Aborted.", err=True)
        sys.exit(1)
    finally:
        # Libraries that clean up at the end of the process would print tracebacks. The functions of `atexit`
        # run in reverse order, so this one is registered last.
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)
