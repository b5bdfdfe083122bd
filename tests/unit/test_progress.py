import io
import sys

import pytest

from fakeforensics import progress
from fakeforensics.progress import Progress, track


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def at_once(monkeypatch):
    """Every step is shown, however fast."""
    monkeypatch.setattr(progress, "SHORT", 0)
    monkeypatch.setattr(progress, "EVERY", 0)


def test_a_terminal_gets_a_bar_that_goes_away(at_once, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Progress("scoring", "images", 8) as bar:
        bar.advance(2, rejected=1)
        bar._bar.refresh()
        assert "scoring:  25%" in sys.stderr.getvalue()  # 2 of 8
        assert "rejected=1" in sys.stderr.getvalue()
    assert sys.stderr.getvalue().endswith("\r")
    assert "\n" not in sys.stderr.getvalue()


def test_elsewhere_there_are_lines_without_control_characters(at_once, capsys):
    assert [*track("abcd", "scoring", "images", 4)] == ["a", "b", "c", "d"]
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert lines[1].startswith("scoring: 1 of 4 images, ")
    assert lines[4].startswith("scoring: 4 of 4 images, ")
    assert lines[4].endswith(" left for these images")
    assert not {"\r", "\x1b"} & {*said.err}


@pytest.mark.parametrize("terminal", [True, False])
def test_short_work_shows_nothing(monkeypatch, terminal):
    stderr = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    assert sum(track(range(100), "adding", "numbers", 100)) == 4950
    assert stderr.getvalue().strip() == ""


def test_work_that_fails_ends_its_bar(at_once, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(ZeroDivisionError):
        for item in track([1, 0], "dividing", "numbers", 2):
            1 / item
    assert sys.stderr.getvalue().endswith("\r")
