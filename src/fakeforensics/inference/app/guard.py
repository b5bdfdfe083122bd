"""Refuses requests with foreign host names, requests from pages of other sites, and too large requests.

A page of another site can make a visitor's browser send requests to this server, but it cannot choose the
header `Origin`. If the site's own name resolves to this machine, the header `Host` holds that name.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fakeforensics.errors import UserError
from fakeforensics.inference.app.uploads import sweep
from fakeforensics.inference.inputs import UploadLimits

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_LOCAL = ("localhost", "127.0.0.1", "::1")
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 (compared with, not listened at)
_NAME = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]*:[0-9a-f:.]*")
_ADDRESS = re.compile(r"(?P<plain>[a-z0-9._-]+|\[(?P<bracketed>[0-9a-f:.]+)\])(?::[0-9]{1,5})?")
_FORM = 2**20  # bytes allowed for the form around an upload, and for a request without a file
_ENTRIES = 10_000


class Names(NamedTuple):
    """Host names that the server answers to, and host names whose pages may send requests to it."""

    hosts: frozenset[str]
    pages: frozenset[str]


class Refusal(NamedTuple):
    """The refusal of a request: its HTTP status and one line of text."""

    status: int
    text: str


_FULL = Refusal(503, "Too many files are waiting to be scored. Try again in a few minutes.")


def allowed_names(host: str, allowed: Iterable[str]) -> Names:
    """The names of a server.

    Args:
        host: The address that the server listens on.
        allowed: More host names that browsers may use for it, such as a proxy's name.

    Raises:
        UserError: If one of `allowed` is not a host name or address.
    """
    pages = frozenset(name.lower() for name in allowed)
    for name in pages:
        if not _NAME.fullmatch(name):
            raise UserError(
                "--allow-host needs the name or address of a host",
                found=repr(name),
                expected="such as faces.example.org, without https:// and without a port",
            )
    own = {host.lower().strip("[]")} - set(_EVERYWHERE)
    return Names(pages | own | set(_LOCAL), pages)


class Guard:
    """An ASGI application that passes allowed requests to another application and refuses all others.

    Args:
        application: The page.
        names: The server's names.
        uploads: The folder of uploads and pictures.
        limits: Limits of an upload and of the folder.
    """

    def __init__(self, application: Application, names: Names, uploads: Path, limits: UploadLimits) -> None:
        self._application = application
        self._names = names
        self._uploads = uploads
        self._limits = limits
        self._arriving = 0  # bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI defines it."""
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"the page has no {scope['type']} connections")
        is_upload = scope["path"].rstrip("/").endswith("/upload")
        refusal = self._stranger(scope) or self._too_large(scope, is_upload)
        if refusal or not is_upload:
            await (_answer(send, refusal) if refusal else self._application(scope, receive, send))
            return
        size = _length(scope)
        self._arriving += size
        arriving = self._arriving  # without uploads that begin later
        try:
            held = await asyncio.to_thread(sweep, self._uploads)
            if held.size + arriving > self._limits.total_mb * 2**20 or held.entries >= _ENTRIES:
                await _answer(send, _FULL)
            else:
                await self._application(scope, receive, send)
        finally:
            self._arriving -= size

    def _stranger(self, scope: Scope) -> Refusal | None:
        hosts = _values(scope, "host")
        # A proxy's name for the server: gradio builds the page's addresses from it.
        given = hosts + [
            one.strip() for value in _values(scope, "x-forwarded-host") for one in value.split(",")
        ]
        if len(hosts) != 1 or not all(_name(value) in self._names.hosts for value in given):
            return Refusal(
                403,
                "This server does not accept the host name in the address. "
                "Its operator can allow the name: fakeforensics serve --allow-host NAME",
            )
        for origin in _values(scope, "origin"):
            page = origin.partition("://")[2]
            if page not in given and _name(page) not in self._names.pages:
                return Refusal(403, "This server does not accept requests from pages of other sites.")
        return None

    def _too_large(self, scope: Scope, is_upload: bool) -> Refusal | None:
        if _values(scope, "transfer-encoding"):
            return Refusal(411, "The request must state its length.")
        if _length(scope) > self._limits.max_mb * 2**20 * is_upload + _FORM:
            return Refusal(
                413, f"The request is too large: a file may have at most {self._limits.max_mb} MB."
            )
        return None


def _name(address: str) -> str | None:
    """The host name in an address with or without a port; None if the text is not an address."""
    found = _ADDRESS.fullmatch(address.lower())
    return found and (found["bracketed"] or found["plain"])


def _values(scope: Scope, header: str) -> list[str]:
    pairs: Sequence[tuple[bytes, bytes]] = scope["headers"]
    return [value.decode("latin-1") for name, value in pairs if name.lower() == header.encode()]


def _length(scope: Scope) -> int:
    """The length of a request's body in bytes, as uvicorn enforces it."""
    return max((int(value) for value in _values(scope, "content-length")), default=0)


async def _answer(send: Send, refusal: Refusal) -> None:
    body = refusal.text.encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    # The body of the request is not read, so nothing else can follow on this connection.
    headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
