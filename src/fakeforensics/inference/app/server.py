"""Serving the page with gradio: limits, deleted uploads, no connection to other machines."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

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


class Server:
    """A running page.

    Args:
        blocks: gradio's application.
        predictor: Scores uploads.
        uploads: The private folder of uploads, removed by `close`.
        url: The page's address.
    """

    def __init__(self, blocks: Any, predictor: UploadPredictor, uploads: Path, url: str) -> None:
        self._blocks = blocks
        self._predictor = predictor
        self.uploads = uploads
        self.url = url

    def wait(self) -> None:
        """Serve until interrupted."""
        self._blocks.block_thread()

    def close(self) -> None:
        """Stop, and remove the uploads that are left."""
        self._blocks.close(verbose=False)
        self._predictor.close()
        shutil.rmtree(self.uploads, ignore_errors=True)


def serve(package: Package, host: str, port: int, limits: UploadLimits) -> None:
    """Serve the page until interrupted.

    Raises:
        UserError: If a Python package is missing, the model is damaged, or the port is taken.
    """
    server = start(package, host, port, limits)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that a service manager's stop also cleans up
    try:
        print(f"Serving {package.name} at {server.url} (Ctrl-C ends it)", flush=True)  # noqa: T201
        server.wait()
    finally:
        server.close()


def start(package: Package, host: str, port: int, limits: UploadLimits) -> Server:
    """Start serving in the background.

    Args:
        package: The model.
        host: Address to listen at; 127.0.0.1 is this machine alone.
        port: Port to listen at.
        limits: What a file may cost.

    Raises:
        UserError: If a Python package is missing, the model is damaged, or the port is taken.
    """
    with ExitStack() as undo:
        uploads = Path(tempfile.mkdtemp(prefix="fakeforensics-"))
        undo.callback(shutil.rmtree, uploads, ignore_errors=True)
        os.environ.update(_PRIVATE, GRADIO_TEMP_DIR=str(uploads))
        gradio = _gradio()
        predictor = UploadPredictor(package, limits)
        undo.callback(predictor.close)
        predict = partial(predict_and_delete, predictor, uploads)
        blocks = build_page(gradio, package, limits, predictor.rule, predict, has_heat=predictor.has_heat)
        try:
            _, url, _ = blocks.launch(
                server_name=host,
                server_port=port,
                share=False,
                prevent_thread_lock=True,
                quiet=True,
                show_error=True,
                max_file_size=f"{limits.max_mb}mb",
                allowed_paths=[],
                footer_links=[],
                ssr_mode=False,
                pwa=False,
                mcp_server=False,
                enable_monitoring=False,
                theme=gradio.themes.Base(
                    font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
                ),
            )
        except OSError as error:
            raise UserError(
                f"cannot listen at {host}:{port}", found=str(error), fix="choose another --port"
            ) from None
        undo.pop_all()
    return Server(blocks, predictor, uploads, url)


def predict_and_delete(predictor: UploadPredictor, uploads: Path, name: str) -> UploadResult:
    """Score an upload and delete it.

    Args:
        predictor: Scores it.
        uploads: The folder of uploads; a path outside of it is refused.
        name: The upload's path, as gradio gives it.
    """
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


def _gradio() -> ModuleType:
    try:
        import gradio
    except ModuleNotFoundError:
        raise UserError(
            "the web page needs the package gradio, which is not installed",
            fix="pip install 'fake-forensics[app]'",
        ) from None
    return gradio
