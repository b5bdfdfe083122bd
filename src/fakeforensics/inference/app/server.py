"""Serving the page with gradio: limits, deleted uploads, no connection to other machines."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from fakeforensics.errors import UserError
from fakeforensics.inference.app.page import KEEP_SECONDS, build_page
from fakeforensics.inference.app.predictor import UploadPredictor, UploadResult
from fakeforensics.inference.inputs import UploadLimits
from fakeforensics.inference.package import Package
from fakeforensics.inference.predict import Prediction

_PRIVATE = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_SHARE": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
_LAUNCH: dict[str, Any] = {
    "share": False,
    "allowed_paths": [],
    "pwa": False,
    "mcp_server": False,
    "enable_monitoring": False,
    "ssr_mode": False,
    "footer_links": [],
    "show_error": True,
    "quiet": True,
    "prevent_thread_lock": True,
}


class Page(NamedTuple):
    """A running page: gradio's application, its private folder of uploads, and its address."""

    blocks: Any
    uploads: Path
    url: str


def serve(package: Package, host: str, port: int, limits: UploadLimits) -> None:
    """Serve the page until interrupted; see `running_page`."""
    with running_page(package, host, port, limits) as page:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # a service manager's stop cleans up as well
        print(f"Serving {package.name} at {page.url} (Ctrl-C ends it)", flush=True)  # noqa: T201
        page.blocks.block_thread()


@contextmanager
def running_page(package: Package, host: str, port: int, limits: UploadLimits) -> Iterator[Page]:
    """Serve in the background; at the end stop, and remove what is left of the uploads.

    Raises:
        UserError: If a Python package is missing, the model is damaged, or the port is taken.
    """
    with ExitStack() as stack:
        uploads = Path(tempfile.mkdtemp(prefix="fakeforensics-"))
        stack.callback(shutil.rmtree, uploads, ignore_errors=True)
        os.environ.update(_PRIVATE, GRADIO_TEMP_DIR=str(uploads))
        try:
            import gradio
        except ModuleNotFoundError:
            raise UserError(
                "the web page needs the package gradio, which is not installed",
                fix="pip install 'fake-forensics[app]'",
            ) from None
        predictor = UploadPredictor(package, limits)
        stack.callback(predictor.close)
        predict = partial(predict_and_delete, predictor, uploads)
        blocks = build_page(gradio, package, limits, predict, has_heat=predictor.has_heat)
        stack.callback(blocks.close, verbose=False)
        try:
            _, url, _ = blocks.launch(
                server_name=host,
                server_port=port,
                max_file_size=f"{limits.max_mb}mb",
                theme=gradio.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace"]),
                **_LAUNCH,
            )
        except OSError as error:
            raise UserError(
                f"cannot listen at {host}:{port}", found=str(error), fix="choose another --port"
            ) from None
        yield Page(blocks, uploads, url)


def predict_and_delete(predictor: UploadPredictor, uploads: Path, name: str) -> UploadResult:
    """Score the upload at the path `name` and delete it; refuse a path outside of the folder `uploads`."""
    path = Path(name).resolve()
    if not path.is_relative_to(uploads.resolve()) or not path.is_file():
        return UploadResult(Prediction(path, "image", (), {}, "that is not an uploaded file"))
    try:
        return predictor.predict(path)
    finally:
        path.unlink(missing_ok=True)
        _sweep(uploads)


def _sweep(uploads: Path) -> None:
    """Remove old files: pictures of results, uploads of closed pages, and gradio's empty files."""
    before = time.time() - KEEP_SECONDS
    for path in uploads.rglob("*"):
        with suppress(FileNotFoundError):  # two requests may sweep at once
            if path.is_file() and path.stat().st_mtime < before:
                path.unlink()
