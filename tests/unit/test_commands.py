"""How commands end."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from fakeforensics.commands import run_app
from fakeforensics.errors import UserError


@pytest.fixture(autouse=True)
def usual_ctrl_c() -> Iterator[None]:
    """Python's own handler; a shell that starts the tests in the background lets them ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_an_error_for_the_user_is_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    def app() -> None:
        raise UserError("no such file", fix="look elsewhere")

    with pytest.raises(SystemExit) as ended:
        run_app(app, lambda error: f"explained {error.what}")
    assert ended.value.code == 1
    assert capsys.readouterr().err == "error: explained no such file\n"


def test_ctrl_c_before_the_application_looks_for_it_prints_no_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        run_app(lambda: signal.raise_signal(signal.SIGINT))
    assert ended.value.code == 1
    assert "Traceback" not in capsys.readouterr().err


def test_ctrl_c_at_the_end_does_not_disturb_libraries_that_clean_up() -> None:
    # A library registers its function when it is imported, thus before the command ends.
    code = (
        "import atexit, signal\n"
        "from fakeforensics.commands import run_app\n"
        "atexit.register(lambda: (signal.raise_signal(signal.SIGINT), print('cleaned up')))\n"
        "run_app(lambda: None)\n"
    )
    ended = run(code)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "cleaned up\n", "")


def test_ctrl_c_that_python_drops_in_a_finalizer_still_ends_the_command() -> None:
    code = (
        "import signal, time\n"
        "from fakeforensics.commands import run_app\n"
        "class Dropped:\n"
        "    def __del__(self):\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "def app():\n"
        "    Dropped()\n"
        "    time.sleep(60)\n"
        "    print('went on')\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "run_app(app)\n"
    )
    ended = run(code)
    assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", "Aborted.\n")


def test_what_else_python_drops_is_told() -> None:
    code = (
        "from fakeforensics.commands import run_app\n"
        "class Broken:\n"
        "    def __del__(self):\n"
        "        raise ValueError('not closed')\n"
        "run_app(lambda: Broken() and None)\n"
    )
    ended = run(code)
    assert "not closed" in ended.stderr
