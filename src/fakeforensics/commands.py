"""How every command ends: an error for the user, a full disk and Ctrl-C give a message, and no traceback."""

from __future__ import annotations

import atexit
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import typer

from fakeforensics.errors import UserError
from fakeforensics.files import explain_full_disk

_LATER = 0.01  # seconds


def run_app(app: Callable[[], None], explain: Callable[[UserError], str] = str) -> None:
    """Run a typer application.

    Args:
        app: The application.
        explain: Makes the message of an error for the user.

    Raises:
        SystemExit: When it has ended; the status is 1 after an error, a full disk or Ctrl-C.
    """
    before = sys.unraisablehook
    sys.unraisablehook = partial(_interrupt_again, before)
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
        sys.unraisablehook = before
        # Libraries that clean up at the end of the process would print tracebacks. The functions of `atexit`
        # run in reverse order, so this one is registered last.
        atexit.register(_ignore_interrupts)


def _interrupt_again(
    otherwise: Callable[[sys.UnraisableHookArgs], object], raised: sys.UnraisableHookArgs
) -> None:
    """Interrupt the main thread a little later, if Python drops a KeyboardInterrupt.

    Python drops exceptions of finalizers and of callbacks, such as those of its import system. The command
    would go on after Ctrl-C.
    """
    if not issubclass(raised.exc_type, KeyboardInterrupt):
        otherwise(raised)
        return
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, _LATER)


def _ignore_interrupts() -> None:
    for number in (signal.SIGINT, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
