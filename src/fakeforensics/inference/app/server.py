"""Serves the page with gradio, with limits, without keeping uploads, and without connections elsewhere."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from fakeforensics.errors import UserError
from fakeforensics.inference.app.guard import Guard, allowed_names
from fakeforensics.inference.app.page import build_page
from fakeforensics.inference.app.predictor import UploadPredictor, UploadResult
from fakeforensics.inference.app.uploads import sweep
from fakeforensics.inference.inputs import UploadLimits
from fakeforensics.inference.package import Package
from fakeforensics.inference.predict import Prediction

_PRIVATE = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
_PAGE: dict[str, Any] = {
    "allowed_paths": [],
    "pwa": False,
    "mcp_server": False,
    "enable_monitoring": False,
    "run_history": False,
    "ssr_mode": False,
    "footer_links": [],
    "show_error": True,
}
_STOP_SECONDS = 5  # time that running requests have to finish when the server stops


class Address(NamedTuple):
    """The address that the page listens on, and more host names that it answers to.

    It always answers to `host` and to this machine's own names.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    allowed: Sequence[str] = ()


class Page(NamedTuple):
    """A running page: its private folder of uploads, its address, and the thread that serves it."""

    uploads: Path
    url: str
    thread: threading.Thread


def serve(package: Package, address: Address, limits: UploadLimits) -> None:
    """Serve the page until interrupted; see `running_page`."""
    with running_page(package, address, limits) as page:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # also clean up if a service manager stops it
        print(f"Serving {package.name} at {page.url} (press Ctrl-C to stop it)", flush=True)  # noqa: T201
        with suppress(KeyboardInterrupt):
            page.thread.join()


@contextmanager
def running_page(package: Package, address: Address, limits: UploadLimits) -> Iterator[Page]:
    """Serve the page in the background; at the end stop the server and remove the remaining uploads.

    Raises:
        UserError: If a Python package is missing, the model is damaged, the port is in use, or a name in
            `address` is not a host name.
    """
    names = allowed_names(address.host, address.allowed)
    with ExitStack() as stack:
        listener = stack.enter_context(_listen(address))
        uploads = Path(tempfile.mkdtemp(prefix="fakeforensics-"))
        stack.callback(shutil.rmtree, uploads, ignore_errors=True)
        os.environ.update(_PRIVATE, GRADIO_TEMP_DIR=str(uploads))
        try:
            import fastapi
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
        # gradio's `launch` is not used: it requests its own address, through the environment's proxy and with
        # a short timeout.
        application = gradio.mount_gradio_app(
            fastapi.FastAPI(openapi_url=None),
            blocks,
            path="/",
            max_file_size=f"{limits.max_mb}mb",
            theme=gradio.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace"]),
            **_PAGE,
        )
        # `launch` sets this too. gradio then checks that a file named in a call was uploaded.
        blocks.has_launched = True
        guard = Guard(application, names, uploads, limits)
        thread = stack.enter_context(_serving(guard, listener))
        yield Page(uploads, _url(listener), thread)


def _listen(address: Address) -> socket.socket:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(found[4][:2], family=found[0])
    except OSError as error:
        raise UserError(
            f"cannot listen at {address.host}:{address.port}",
            found=str(error),
            fix="choose another --port"
            if error.errno == errno.EADDRINUSE
            else "choose another --host or --port",
        ) from None


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    name = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{name}:{port}/"


@contextmanager
def _serving(application: Any, listener: socket.socket) -> Iterator[threading.Thread]:
    """Serve in a thread while the block runs. The block begins after the server has started."""
    import uvicorn

    config = uvicorn.Config(
        application, log_level="warning", ws="none", timeout_graceful_shutdown=_STOP_SECONDS
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        while not server.started:  # without a limit, because a busy machine may take long
            thread.join(0.05)
            if not thread.is_alive():
                raise RuntimeError("the web server ended before it began to serve")
        yield thread
    finally:
        server.should_exit = True
        thread.join()


def predict_and_delete(predictor: UploadPredictor, uploads: Path, name: str) -> UploadResult:
    """Score the upload at the path `name` and delete it; refuse a path outside of the folder `uploads`."""
    path = Path(name).resolve()
    if not path.is_relative_to(uploads.resolve()) or not path.is_file():
        return UploadResult(Prediction(path, "image", (), {}, "that is not an uploaded file"))
    try:
        return predictor.predict(path)
    finally:
        path.unlink(missing_ok=True)
        sweep(uploads)
