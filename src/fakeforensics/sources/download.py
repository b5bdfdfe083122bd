"""Downloading large files over a connection that may break."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fakeforensics.errors import UserError

CHUNK = 2**20
TIMEOUT = 60  # seconds without a byte


@dataclass(frozen=True)
class Patience:
    """How a download deals with a broken connection.

    Args:
        attempts: How often in a row it may break without a new byte before giving up.
        pause: Seconds before the first new attempt; doubled with each failure in a row.
    """

    attempts: int = 6
    pause: float = 2.0


def download(url: str, target: Path, report: Callable[[str], None], patience: Patience = Patience()) -> None:
    """Download a file, going on where an earlier attempt, or an earlier call, stopped.

    Bytes gather in `<target>.part`, beside which `<target>.etag` keeps the server's mark of the file's
    version: if the file has changed on the server in the meantime, the download starts anew. The finished
    length is compared with the server's.

    Args:
        url: An http or https address.
        target: Where the whole file will be; nothing is done if it is there.
        report: Is told of progress, in words.
        patience: When to give up.

    Raises:
        UserError: If the server refuses, or the connection keeps breaking.
    """
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    failures = 0
    while True:
        before = _size(part)
        try:
            _go_on(url, part, target.with_name(f"{target.name}.etag"), report)
        except urllib.error.HTTPError as error:
            # 5xx and "too many requests" pass; other refusals do not mend themselves.
            if error.code < 500 and error.code != 429:
                raise UserError(
                    f"{url}: the server refuses the download",
                    found=f"{error.code} {error.reason}",
                    fix="open the address in a browser: the file may have moved, or need a login",
                ) from None
            reason = str(error)
        except (OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
        else:
            break
        failures = 0 if _size(part) > before else failures + 1
        if failures >= patience.attempts:
            raise UserError(
                f"{url}: the download keeps breaking off",
                found=f"{reason}; {_size(part):,} bytes are kept in {part}",
                fix="run the command again to go on from there",
            )
        report(f"{target.name}: {reason}; going on at {_size(part) / 1e9:.2f} GB")
        time.sleep(patience.pause * 2 ** max(0, failures - 1))
    part.replace(target)
    target.with_name(f"{target.name}.etag").unlink(missing_ok=True)


def _go_on(url: str, part: Path, etag: Path, report: Callable[[str], None]) -> None:
    """Fetch what is missing of `part`.

    Raises:
        OSError: If the connection breaks or the length is wrong at the end.
    """
    start = _size(part)
    request = urllib.request.Request(url)  # noqa: S310 - the address is the project's or the user's own
    if start and etag.exists():
        request.add_header("Range", f"bytes={start}-")
        request.add_header("If-Range", etag.read_text(encoding="utf-8"))
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            if error.headers.get("Content-Range") == f"bytes */{start}":
                return  # everything was there already
            part.unlink()
            raise ConnectionError("the file has changed on the server") from None
        raise
    with response:
        is_rest = response.status == http.HTTPStatus.PARTIAL_CONTENT
        start = start if is_rest else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length is not None else None
        if response.headers.get("ETag"):
            etag.write_text(response.headers["ETag"], encoding="utf-8")
        with part.open("r+b" if is_rest else "wb") as file:
            file.seek(start)
            _copy(response, file, part.stem, start, total, report)
    if total is not None and _size(part) != total:
        raise ConnectionError(f"{_size(part):,} of {total:,} bytes came")


def _copy(
    response: http.client.HTTPResponse,
    file: BinaryIO,
    name: str,
    start: int,
    total: int | None,
    report: Callable[[str], None],
) -> None:
    done, shown = start, time.monotonic()
    while chunk := response.read(CHUNK):
        file.write(chunk)
        done += len(chunk)
        if time.monotonic() - shown > 10:
            share = f" of {total / 1e9:.2f} GB, {100 * done / total:.0f} %" if total else " GB"
            report(f"{name}: {done / 1e9:.2f}{share}")
            shown = time.monotonic()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
