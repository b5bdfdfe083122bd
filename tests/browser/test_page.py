"""The web page in a real Chromium: uploads, bad and hostile files, two users at once."""

import gc
import json
import os
import shutil
import socket
import urllib.error
import urllib.request
from importlib.util import find_spec

import numpy as np
import pytest

from fakeforensics.images.codec import encode_png
from tests.unit.inference import conftest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: apt-get install chromium"),
    pytest.mark.skipif(find_spec("gradio") is None, reason="needs gradio: pip install 'fake-forensics[app]'"),
    pytest.mark.skipif(find_spec("playwright") is None, reason="needs playwright, of the extra dev"),
    # gradio and its server use deprecated functions
    pytest.mark.filterwarnings("default"),
]
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage",),
)
PATIENCE = 120_000  # milliseconds
photo, portrait, package, clip = conftest.photo, conftest.portrait, conftest.package, conftest.clip


@pytest.fixture(scope="module")
def served(package):
    from fakeforensics.inference.app.server import Address, running_page
    from fakeforensics.inference.inputs import UploadLimits

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with running_page(package, Address(port=port), UploadLimits(max_mb=5, max_seconds=100)) as page:
        yield page
    assert not page.uploads.exists()
    gc.collect()  # sockets that gradio leaves open are reported here, not in another file's tests


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


def visit(browser, served, width=1200):
    """A user of their own, who notes every address that the page asks for."""
    page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE)
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(served.url)
    page.wait_for_selector("#upload button", timeout=PATIENCE)
    return page


@pytest.fixture
def page(browser, served):
    page = visit(browser, served)
    yield page
    page.context.close()


def upload(page, path):
    page.set_input_files("#upload input[type=file]", str(path))


def headline(page):
    return page.wait_for_selector("#answer h2", timeout=PATIENCE).inner_text()


def assert_scored(page):
    assert headline(page) in ("Fake", "No forgery found")


def screenshot(page, name):
    """Keep a screenshot if the variable names a folder for them."""
    if folder := os.environ.get("FAKEFORENSICS_SCREENSHOTS"):
        page.wait_for_timeout(1500)
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def assert_deleted(served, data):
    # gradio leaves an empty file per upload; what counts is that the user's bytes are gone.
    assert not [
        path for path in served.uploads.rglob("*") if path.is_file() and path.read_bytes() == data != b""
    ]


@pytest.mark.parametrize("width", [1200, 390])  # a desk and a phone
def test_a_photo_is_scored_and_deleted(browser, served, photo, width):
    page = visit(browser, served, width)
    upload(page, photo)
    assert_scored(page)
    page.wait_for_selector("text=heat map", timeout=PATIENCE)
    text = page.inner_text("body")
    assert "Fake from 0.25" in text
    assert "not calibrated" in text
    assert "What a verdict does not mean" in text
    assert page.get_by_text("face 0: ", exact=False).count() >= 2  # below the box, and below the crop
    assert page.evaluate("document.body.scrollWidth <= window.innerWidth")
    assert [url for url in page.asked if not url.startswith((served.url, "data:", "blob:"))] == []
    assert_deleted(served, photo.read_bytes())
    screenshot(page, f"photo-{width}")
    page.context.close()


def test_a_clip_gets_a_timeline(page, clip):
    upload(page, clip)
    assert_scored(page)
    assert "mean over 9 frames (3 more without a face)" in page.inner_text("#answer")
    page.wait_for_selector("text=Score by frame", timeout=PATIENCE)
    page.wait_for_selector("svg >> text=threshold", timeout=PATIENCE)
    screenshot(page, "clip")


def test_the_page_works_with_the_keyboard(page, photo):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#upload') !== null")
    choosers = []
    page.on("filechooser", lambda chooser: choosers.append(chooser))  # playwright takes no method of list
    for _ in range(60):  # on a busy machine the page takes a while before it listens
        page.keyboard.press("Enter")
        page.wait_for_timeout(2_000)
        if choosers:
            break
    choosers[0].set_files(str(photo))
    assert_scored(page)


def test_the_model_card_names_what_training_did_not_see(page):
    page.click("text=About this model")
    page.wait_for_selector("text=not seen in training: strange", timeout=PATIENCE)
    assert "98.00 – 99.50" in page.inner_text("body")


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("archive.zip", b"PK\x03\x04" + bytes(100), "Not an image in a format we read"),
        ("clip.mp4", b"\0" * 1000, "Not a video that FFmpeg reads"),
        ("empty.jpg", b"", "Empty file"),
        ("nobody.png", encode_png(np.full((200, 200, 3), 90, np.uint8)), "No face found"),
    ],
)
def test_a_bad_file_gets_its_reason(page, served, tmp_path, name, data, reason):
    (tmp_path / name).write_bytes(data)
    upload(page, tmp_path / name)
    assert headline(page) == "Not scored"
    assert reason in page.inner_text("#answer")
    assert_deleted(served, data)


def test_a_large_file_is_refused(page, served, tmp_path):
    large = tmp_path / "large.mp4"
    with large.open("wb") as file:
        file.truncate(200 * 2**20)
    upload(page, large)
    page.wait_for_selector("text=exceed the maximum allowed size of 5", timeout=PATIENCE)
    assert page.query_selector("#answer h2") is None
    # The server refuses whatever the page allows.
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    body += bytes(20 * 2**20) + b"\r\n--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    request = urllib.request.Request(f"{served.url}gradio_api/upload", body, headers)
    with pytest.raises(urllib.error.URLError) as refused:
        urllib.request.urlopen(request)
    assert getattr(refused.value, "code", 413) in (400, 413)
    assert max(path.stat().st_size for path in served.uploads.rglob("*")) < 6 * 2**20


def test_a_path_in_the_file_name_leads_nowhere(page, served, photo):
    # A browser sends the name that the page's script gives it: here one that climbs out of the folder.
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
    headline(page)
    assert_deleted(served, photo.read_bytes())
    assert page.query_selector("img[src='x']") is None


@pytest.mark.parametrize("path", ["/etc/passwd", "pyproject.toml", "/proc/self/environ"])
def test_files_of_the_machine_are_out_of_reach(served, path):
    for address in (f"gradio_api/file={path}", f"file={path}", f"gradio_api/file/{path}"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{served.url}{address}")
        assert refused.value.code in (403, 404, 405)


def test_naming_a_file_of_the_machine_in_a_call_scores_nothing(served, photo):
    given = {"path": str(photo), "meta": {"_type": "gradio.FileData"}}
    body = json.dumps({"data": [given], "fn_index": 0, "session_hash": "x"}).encode()
    answers = []
    for address in ("gradio_api/call/predict", "gradio_api/run/predict", "gradio_api/queue/join"):
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
    assert not any("This image" in one for one in answers)
    assert photo.exists()


def test_two_users_at_once_get_their_own_answers(browser, served, photo, clip):
    pages = [visit(browser, served) for _ in range(2)]
    for one, path in zip(pages, (photo, clip), strict=True):
        upload(one, path)
    for one, kind in zip(pages, ("This image", "This video"), strict=True):
        assert_scored(one)
        assert kind in one.inner_text("#answer")
        one.context.close()
