"""The web page in a real Chromium: uploads, bad and hostile files, two users at once."""

import gc
import json
import os
import shutil
import socket
import struct
import urllib.error
import urllib.request
import zlib
from importlib.util import find_spec

import numpy as np
import pytest

from fakeforensics.images.images import encode_png
from tests.unit.inference import conftest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: apt-get install chromium"),
    pytest.mark.skipif(find_spec("gradio") is None, reason="needs gradio: pip install 'fake-forensics[app]'"),
    pytest.mark.skipif(find_spec("playwright") is None, reason="needs playwright, of the extra dev"),
    # gradio's and its server's own use of what others deprecated
    pytest.mark.filterwarnings("default"),
]
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage",),
)
PATIENCE = 120_000  # milliseconds
photo, portrait, project, trained, clip = (
    *(conftest.photo, conftest.portrait, conftest.project, conftest.trained, conftest.clip),
)


@pytest.fixture(scope="module")
def served(trained):
    from fakeforensics.inference.app.server import start
    from fakeforensics.inference.limits import Limits

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    page = start(trained, "127.0.0.1", port, Limits(max_mb=5, max_seconds=100))
    yield page
    page.close()
    assert not page.uploads.exists()
    gc.collect()  # sockets that gradio leaves open are complained of here, not in another file's tests


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, served):
    """A user of their own, who notes every address that the page asks for."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(served.url)
    page.wait_for_selector("text=Real or fake?", timeout=PATIENCE)
    yield page
    context.close()


def upload(page, path):
    page.set_input_files("#upload input[type=file]", str(path))


def verdict(page):
    answer = page.wait_for_selector("#answer [data-verdict]", timeout=PATIENCE)
    return answer.get_attribute("data-verdict")


def picture(page, name):
    """Keep a screenshot where somebody wants to look at it."""
    if folder := os.environ.get("FAKEFORENSICS_SCREENSHOTS"):
        page.wait_for_timeout(500)
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def left_over(served):
    # gradio leaves an empty file behind each upload; what counts is that no byte of the user's stays.
    return [path for path in served.uploads.rglob("*") if path.is_file() and path.stat().st_size]


def test_a_photo_is_judged_and_forgotten(page, served, photo):
    picture(page, "empty")
    upload(page, photo)
    assert verdict(page) in ("real", "fake")
    text = page.inner_text("#answer")
    assert "threshold 0.25" in text
    assert "not calibrated" in text
    assert "What this answer does not mean" in text
    widths = page.eval_on_selector_all("#answer img", "images => images.map(image => image.naturalWidth)")
    assert widths == [512, 2 * conftest.CROP]  # the photo, and the face beside its heat map
    assert page.eval_on_selector("body", "body => body.scrollWidth <= window.innerWidth")
    assert left_over(served) == []
    picture(page, "photo")


def test_nothing_is_asked_of_elsewhere(page, served, photo):
    upload(page, photo)
    verdict(page)
    elsewhere = [url for url in page.asked if not url.startswith((served.url, "data:", "blob:"))]
    assert elsewhere == []


def test_a_clip_is_judged_frame_by_frame(page, clip):
    upload(page, clip)
    assert verdict(page) in ("real", "fake")
    assert "mean over 9 frames (3 more without a face)" in page.inner_text("#answer")
    picture(page, "clip")


def test_the_models_card_says_what_it_never_saw(page):
    page.click("text=About this model")
    page.wait_for_selector("text=Never seen in training, but tested: strange", timeout=PATIENCE)
    assert "98.00 – 99.50" in page.inner_text("body")
    picture(page, "card")


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("note.png", b"no image at all", "Not an image in a format we read"),
        ("archive.zip", b"PK\x03\x04" + bytes(100), "Not an image in a format we read"),
        ("clip.mp4", b"\0" * 1000, "Not a video that FFmpeg reads"),
        ("empty.jpg", b"", "Empty file"),
        ("nobody.png", encode_png(np.full((200, 200, 3), 90, np.uint8)), "No face found"),
        ("page.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", "Not an image"),
    ],
)
def test_a_bad_file_gets_its_reason(page, served, tmp_path, name, data, reason):
    (tmp_path / name).write_bytes(data)
    upload(page, tmp_path / name)
    assert verdict(page) == "failed"
    assert reason in page.inner_text("#answer")
    assert left_over(served) == []
    picture(page, f"bad-{name}")


def test_a_bomb_is_not_decoded(page, tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(50_000_000))
    bomb = tmp_path / "bomb.png"
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b"")]
    bomb.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    upload(page, bomb)
    assert verdict(page) == "failed"
    assert "megapixels" in page.inner_text("#answer")


def test_a_large_file_is_turned_away(page, served, tmp_path):
    large = tmp_path / "large.mp4"
    with large.open("wb") as file:
        file.truncate(200 * 2**20)
    upload(page, large)
    page.wait_for_selector("text=/exceed|large|too big/i", timeout=PATIENCE)
    assert page.query_selector("#answer [data-verdict]") is None
    told = "getComputedStyle(document.querySelector('#upload .error'), '::after').content"
    assert "A file may have 5 MB at most" in page.evaluate(told)
    assert sum(path.stat().st_size for path in left_over(served)) < 6 * 2**20
    picture(page, "large")


def test_the_server_turns_a_large_file_away_whatever_the_page_says(served):
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    body += bytes(20 * 2**20) + b"\r\n--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    request = urllib.request.Request(f"{served.url}gradio_api/upload", body, headers)
    with pytest.raises(urllib.error.URLError) as refused:
        urllib.request.urlopen(request)
    assert getattr(refused.value, "code", 413) in (400, 413)
    assert sum(path.stat().st_size for path in left_over(served)) < 6 * 2**20


def test_a_path_in_the_file_name_leads_nowhere(page, served, photo, tmp_path):
    # A browser sends what the page's script says: a name that climbs out of the folder.
    data = list(photo.read_bytes())
    page.evaluate(
        """([name, bytes]) => {
            const file = new File([new Uint8Array(bytes)], name, {type: 'image/png'});
            const transfer = new DataTransfer();
            transfer.items.add(file);
            const input = document.querySelector('#upload input[type=file]');
            input.files = transfer.files;
            input.dispatchEvent(new Event('change', {bubbles: true}));
        }""",
        ["../../../../tmp/<img src=x onerror=alert(1)>.png", data],
    )
    assert verdict(page) in ("real", "fake", "failed")
    assert left_over(served) == []
    assert page.query_selector("img[src='x']") is None


@pytest.mark.parametrize("path", ["/etc/passwd", "pyproject.toml", "/proc/self/environ"])
def test_files_of_the_machine_are_out_of_reach(served, path):
    for address in (f"gradio_api/file={path}", f"file={path}", f"gradio_api/file/{path}"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{served.url}{address}")
        assert refused.value.code in (403, 404, 405)


def test_naming_a_file_of_the_machine_in_a_call_judges_nothing(served, photo):
    given = {"path": str(photo), "meta": {"_type": "gradio.FileData"}}
    body = json.dumps({"data": [given], "fn_index": 0, "session_hash": "x"}).encode()
    answers = []
    for address in ("gradio_api/call/judge", "gradio_api/run/judge", "gradio_api/queue/join"):
        request = urllib.request.Request(f"{served.url}{address}", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request) as response:
                answers.append(response.read().decode())
        except urllib.error.HTTPError as error:
            answers.append(error.read().decode())
    with urllib.request.urlopen(f"{served.url}gradio_api/queue/data?session_hash=x", timeout=60) as response:
        for line in response:
            answers.append(line.decode())
            if b"process_completed" in line or b"close_stream" in line:
                break
    assert not any('data-verdict=\\"real' in one or 'data-verdict=\\"fake' in one for one in answers)
    assert photo.exists()


def test_two_users_at_once_get_their_own_answers(browser, served, photo, clip):
    pages = [browser.new_context().new_page() for _ in range(2)]
    for one in pages:
        one.goto(served.url)
        one.wait_for_selector("text=Real or fake?", timeout=PATIENCE)
    upload(pages[0], photo)
    upload(pages[1], clip)
    assert all(verdict(one) in ("real", "fake") for one in pages)
    texts = [one.inner_text("#answer") for one in pages]
    assert "This image" in texts[0]
    assert "This video" in texts[1]
    for one in pages:
        one.context.close()
