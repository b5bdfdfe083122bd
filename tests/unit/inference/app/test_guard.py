"""Which requests reach the page."""

import asyncio

import pytest

from fakeforensics.errors import UserError
from fakeforensics.inference.app.guard import Guard, allowed_names
from fakeforensics.inference.inputs import UploadLimits

HOME = "localhost:7860"
MB = 2**20


def ask(folder, *pairs, path="/", names=None, limits=None, page=None):
    """The status of an answer to a request with these headers; the page answers 200."""

    async def answer(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    guard = Guard(page or answer, names or allowed_names("127.0.0.1", ()), folder, limits or UploadLimits())
    return asyncio.run(request(guard, *pairs, path=path))


async def request(guard, *pairs, path="/"):
    sent = []

    async def send(message):
        sent.append(message)

    headers = [(name.encode(), value.encode()) for name, value in pairs]
    await guard({"type": "http", "path": path, "headers": headers}, None, send)
    return sent[0]["status"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *((one, 200) for one in ("localhost", "localhost:9", "127.0.0.1:7860", "[::1]:7860", "LocalHost")),
        *((one, 403) for one in ("faces.example.org", "localhost.example.org", "192.168.0.2:7860", "")),
        *((one, 403) for one in ("someone@localhost", "localhost:7860:1", "localhost/", "::1")),
    ],
)
def test_only_names_of_this_machine_are_answered(tmp_path, host, status):
    assert ask(tmp_path, ("host", host)) == status


def test_a_request_has_one_host(tmp_path):
    assert ask(tmp_path) == 403
    assert ask(tmp_path, ("host", HOME), ("host", "faces.example.org")) == 403


def test_the_address_that_it_listens_at_is_a_name_but_everywhere_is_none(tmp_path):
    one = allowed_names("192.168.0.2", ())
    assert ask(tmp_path, ("host", "192.168.0.2:7860"), names=one) == 200
    for everywhere in ("0.0.0.0", "::"):
        names = allowed_names(everywhere, ())
        assert ask(tmp_path, ("host", "192.168.0.2:7860"), names=names) == 403
        assert ask(tmp_path, ("host", "0.0.0.0:7860"), names=names) == 403
        assert ask(tmp_path, ("host", HOME), names=names) == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:7860", 200),
        ("https://localhost:7860", 200),  # through a proxy that encrypts
        ("http://localhost:3000", 403),  # another program on this machine
        ("http://127.0.0.1:7860", 403),
        ("https://elsewhere.example.org", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_only_its_own_pages_send_requests(tmp_path, origin, status):
    assert ask(tmp_path, ("host", HOME), ("origin", origin)) == status


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "faces.example.org", "origin": "https://faces.example.org"},
        {"host": HOME, "origin": "https://faces.example.org"},  # the proxy puts its own address in
        {"host": HOME, "x-forwarded-host": "faces.example.org", "origin": "https://faces.example.org"},
    ],
)
def test_a_proxy_s_name_is_answered_if_it_is_allowed(tmp_path, headers):
    assert ask(tmp_path, *headers.items()) == 403
    allowed = allowed_names("127.0.0.1", ["Faces.example.org"])
    assert ask(tmp_path, *headers.items(), names=allowed) == 200
    assert ask(tmp_path, ("host", HOME), ("x-forwarded-host", "a.example.org"), names=allowed) == 403


@pytest.mark.parametrize("name", ["https://faces.example.org", "faces.example.org:443", "*", "", "a b"])
def test_what_is_no_name_is_an_error(name):
    with pytest.raises(UserError, match="--allow-host"):
        allowed_names("127.0.0.1", [name])


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [
        ("/gradio_api/upload", 4 * MB, 200),  # 3 MB and the form around them
        ("/gradio_api/upload", 4 * MB + 1, 413),
        ("/gradio_api/upload/", 4 * MB, 200),
        ("/gradio_api/queue/join", MB, 200),
        ("/gradio_api/queue/join", MB + 1, 413),
    ],
)
def test_a_request_is_no_larger_than_one_file(tmp_path, path, size, status):
    pairs = (("host", HOME), ("content-length", str(size)))
    assert ask(tmp_path, *pairs, path=path, limits=UploadLimits(max_mb=3)) == status


def test_a_request_of_unknown_length_is_refused(tmp_path):
    assert ask(tmp_path, ("host", HOME), ("transfer-encoding", "chunked"), path="/gradio_api/upload") == 411


def test_an_upload_needs_room_in_the_folder(tmp_path):
    (tmp_path / "waiting.png").write_bytes(bytes(MB))
    upload = (("host", HOME), ("content-length", str(MB)))
    assert ask(tmp_path, *upload, path="/gradio_api/upload", limits=UploadLimits(total_mb=2)) == 200
    (tmp_path / "another.png").write_bytes(b"1")
    assert ask(tmp_path, *upload, path="/gradio_api/upload", limits=UploadLimits(total_mb=2)) == 503
    assert ask(tmp_path, ("host", HOME), limits=UploadLimits(total_mb=2)) == 200


def test_uploads_that_arrive_count_until_they_have(tmp_path):
    async def check():
        arrived = asyncio.Event()

        async def page(scope, receive, send):
            await arrived.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})

        guard = Guard(page, allowed_names("127.0.0.1", ()), tmp_path, UploadLimits(total_mb=3))
        upload = (("host", HOME), ("content-length", str(2 * MB)))
        first = asyncio.create_task(request(guard, *upload, path="/gradio_api/upload"))
        await asyncio.sleep(0)
        statuses = [await request(guard, *upload, path="/gradio_api/upload")]
        arrived.set()
        statuses += [await first, await request(guard, *upload, path="/gradio_api/upload")]
        return statuses

    assert asyncio.run(check()) == [503, 200, 200]
