"""What becomes of an upload: it is judged, and deleted."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from fakeforensics.inference.app.desk import Desk
from fakeforensics.inference.app.page import problem_html, reply_html
from fakeforensics.inference.judgement import Policy
from fakeforensics.inference.trained import Trained

# An upload whose judging never began (the page was closed) is deleted after this many seconds.
FORGET = 600


def judged(desk: Desk, trained: Trained, uploads: Path, name: str | None) -> str:
    """The page's answer about an upload, which is deleted.

    Args:
        desk: Judges.
        trained: The model.
        uploads: The folder of uploads; a path outside of it is refused.
        name: The upload's path, as gradio gives it; None if there is none.
    """
    if name is None:
        return ""
    path = Path(name).resolve()
    if not path.is_relative_to(uploads.resolve()) or not path.is_file():
        return problem_html("that is not an uploaded file")
    try:
        return reply_html(desk.reply(path), Policy(trained.decision, trained.scores))
    finally:
        path.unlink(missing_ok=True)
        _sweep(uploads)


def _sweep(uploads: Path) -> None:
    """Remove what is older than `FORGET`: gradio leaves an empty file behind each upload."""
    before = time.time() - FORGET
    for path in uploads.rglob("*"):
        with suppress(FileNotFoundError):  # two requests may sweep at once
            if path.is_file() and path.stat().st_mtime < before:
                path.unlink()
