"""Serving the page with gradio: limits, uploads deleted, nothing fetched from or sent to elsewhere."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

from fakeforensics.errors import UserError
from fakeforensics.inference.app.desk import Desk
from fakeforensics.inference.app.page import header_html
from fakeforensics.inference.app.style import page_css
from fakeforensics.inference.app.uploads import FORGET, judged
from fakeforensics.inference.limits import Limits
from fakeforensics.inference.modelcard import model_card
from fakeforensics.inference.trained import Trained

_PRIVATE = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_SHARE": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


class Served:
    """A running page.

    Args:
        blocks: gradio's application.
        uploads: The private folder of uploads, removed on `close`.
        url: Where it listens.
    """

    def __init__(self, blocks: Any, uploads: Path, url: str) -> None:
        self._blocks = blocks
        self.uploads = uploads
        self.url = url

    def wait(self) -> None:
        """Serve until interrupted."""
        self._blocks.block_thread()

    def close(self) -> None:
        """Stop, and remove what is left of the uploads."""
        self._blocks.close(verbose=False)
        shutil.rmtree(self.uploads, ignore_errors=True)


def serve(trained: Trained, host: str, port: int, limits: Limits) -> None:
    """Serve the page until interrupted.

    Raises:
        UserError: If a package is missing, the model is damaged, or the port is taken.
    """
    served = start(trained, host, port, limits)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that a service manager's stop cleans up, too
    try:
        print(f"Judging with {trained.name} at {served.url} (Ctrl-C ends it)", flush=True)  # noqa: T201
        served.wait()
    finally:
        served.close()


def start(trained: Trained, host: str, port: int, limits: Limits) -> Served:
    """Start serving in the background.

    Args:
        trained: The model.
        host: Address to listen at; 127.0.0.1 is this machine alone.
        port: Port to listen at.
        limits: What a file may cost.

    Raises:
        UserError: If a package is missing, the model is damaged, or the port is taken.
    """
    with ExitStack() as undo:
        uploads = Path(tempfile.mkdtemp(prefix="fakeforensics-"))
        undo.callback(shutil.rmtree, uploads, ignore_errors=True)
        os.environ.update(_PRIVATE, GRADIO_TEMP_DIR=str(uploads))
        gradio = _gradio()
        blocks = _blocks(gradio, Desk(trained, limits), trained, limits, uploads)
        theme = gradio.themes.Base(
            font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"], radius_size="lg"
        )
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
                css=page_css(limits),
                theme=theme,
            )
        except OSError as error:
            raise UserError(
                f"cannot listen at {host}:{port}", found=str(error), fix="choose another --port"
            ) from None
        undo.pop_all()
    return Served(blocks, uploads, url)


def _gradio() -> ModuleType:
    try:
        import gradio
    except ModuleNotFoundError:
        raise UserError(
            "the web page needs the package gradio, which is not installed",
            fix="pip install 'fake-forensics[app]'",
        ) from None
    return gradio


def _blocks(gradio: Any, desk: Desk, trained: Trained, limits: Limits, uploads: Path) -> Any:
    with gradio.Blocks(
        title="Real or fake?", analytics_enabled=False, delete_cache=(FORGET, FORGET)
    ) as blocks:
        gradio.HTML(header_html(trained, limits))
        upload = gradio.File(label="Image or video", type="filepath", elem_id="upload", height=150)
        answer = gradio.HTML(elem_id="answer")
        with gradio.Accordion(
            "About this model: what it was trained on and never saw, how good it is",
            open=False,
            elem_classes="ff-card",
        ):
            gradio.Markdown(model_card(trained, {}))
        upload.upload(
            lambda name: judged(desk, trained, uploads, name),
            inputs=upload,
            outputs=answer,
            api_name="judge",
            concurrency_limit=limits.at_once,
        )
        upload.clear(lambda: "", outputs=answer, api_name=False)
    blocks.queue(max_size=limits.waiting, api_open=False)
    return blocks
