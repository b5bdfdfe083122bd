import hashlib
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fakeforensics.errors import UserError
from fakeforensics.sources.download import Patience, download

CONTENT = random.Random(0).randbytes(3_000_000)
QUICK = Patience(attempts=3, pause=0.0)


class Server(ThreadingHTTPServer):
    """Serves CONTENT with Range support; can cut connections short, change the file or refuse."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag = CONTENT, '"one"'
        self.cut_after: int | None = None  # bytes of each answer
        self.status = 200
        self.has_ranges = True
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file.zip"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.server.asked.append(wanted)
        if self.server.status != 200:
            self.send_error(self.server.status)
            return
        start = 0
        if wanted and self.server.has_ranges and self.headers.get("If-Range") == self.server.etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        total = len(self.server.content)
        if start >= total > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{total}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_header("ETag", self.server.etag)
        self.send_header("Content-Length", str(total - start))
        self.end_headers()
        body = self.server.content[start:]
        self.wfile.write(body[: self.server.cut_after])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    served = Server()
    thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    served.shutdown()
    thread.join()
    served.server_close()


def test_a_file_arrives_whole(server: Server, tmp_path: Path) -> None:
    download(server.url, tmp_path / "file.zip", lambda text: None, QUICK)
    assert (tmp_path / "file.zip").read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["file.zip"]
    download(server.url, tmp_path / "file.zip", lambda text: None, QUICK)
    assert len(server.asked) == 1  # nothing is asked for a file that is there


def test_a_cut_connection_is_taken_up_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.cut_after = 1_000_000
    told: list[str] = []
    download(server.url, tmp_path / "file.zip", told.append, QUICK)
    assert hashlib.sha256((tmp_path / "file.zip").read_bytes()).digest() == hashlib.sha256(CONTENT).digest()
    assert server.asked == ["", "bytes=1000000-", "bytes=2000000-"]
    assert "going on at 0.00 GB" in told[0]


def test_a_later_call_goes_on_from_what_is_kept(server: Server, tmp_path: Path) -> None:
    server.cut_after = 0
    (tmp_path / "file.zip.part").write_bytes(CONTENT[:500])
    (tmp_path / "file.zip.etag").write_text(server.etag)
    with pytest.raises(UserError, match="keeps breaking off") as caught:
        download(server.url, tmp_path / "file.zip", lambda text: None, QUICK)
    assert "500 bytes are kept" in str(caught.value)
    server.cut_after = None
    download(server.url, tmp_path / "file.zip", lambda text: None, QUICK)
    assert (tmp_path / "file.zip").read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=500-"


def test_a_file_that_changed_on_the_server_is_fetched_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.zip.part").write_bytes(b"old" * 100)
    (tmp_path / "file.zip.etag").write_text('"zero"')
    download(server.url, tmp_path / "file.zip", lambda text: None, QUICK)
    assert (tmp_path / "file.zip").read_bytes() == CONTENT


def test_a_server_without_ranges_sends_everything_again(server: Server, tmp_path: Path) -> None:
    server.has_ranges = False
    (tmp_path / "file.zip.part").write_bytes(CONTENT[:500])
    (tmp_path / "file.zip.etag").write_text(server.etag)
    download(server.url, tmp_path / "file.zip", lambda text: None, QUICK)
    assert (tmp_path / "file.zip").read_bytes() == CONTENT


def test_a_part_that_is_complete_is_accepted(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file.zip.part").write_bytes(CONTENT)
    (tmp_path / "file.zip.etag").write_text(server.etag)
    download(server.url, tmp_path / "file.zip", lambda text: None, QUICK)
    assert (tmp_path / "file.zip").read_bytes() == CONTENT


def test_a_refusal_is_not_repeated(server: Server, tmp_path: Path) -> None:
    server.status = 404
    with pytest.raises(UserError, match="server refuses"):
        download(server.url, tmp_path / "file.zip", lambda text: None, QUICK)
    assert len(server.asked) == 1


def test_an_overloaded_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.status = 503
    with pytest.raises(UserError, match="keeps breaking off"):
        download(server.url, tmp_path / "file.zip", lambda text: None, QUICK)
    assert len(server.asked) == QUICK.attempts
