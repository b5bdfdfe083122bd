"""The report in a real browser, wherever a Chromium is installed."""

import shutil
import subprocess

import cv2
import numpy as np
import pytest

from fakeforensics.reporting.page import write_report

from .conftest import REFERENCE

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: apt-get install chromium"),
]


def browse(page, tmp_path, *options):
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--hide-scrollbars",
        "--enable-logging=stderr",
        f"--user-data-dir={tmp_path / 'profile'}",
        *options,
        page.as_uri(),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


@pytest.fixture
def page(full, tmp_path):
    return write_report(full.report("p", reference=REFERENCE), tmp_path / "report")


def shot(page, tmp_path, width, *options):
    path = tmp_path / "shot.png"
    browse(page, tmp_path, f"--screenshot={path}", f"--window-size={width},2400", *options)
    return cv2.imread(str(path))


def test_the_browser_shows_the_page_without_a_complaint(page, tmp_path):
    done = browse(page, tmp_path, "--dump-dom")
    assert "CONSOLE" not in done.stderr  # blocked resources and broken markup show up there
    assert "FaceApp (FFHQ)" in done.stdout
    assert done.stdout.count("<svg") == 4
    # The parser moves what a table may not hold out of it: all cells must still be inside.
    assert done.stdout.count("<td") == page.read_text().count("<td")


@pytest.mark.parametrize("width", [1300, 700])
def test_the_page_is_light_or_dark_as_the_reader_likes(page, tmp_path, width):
    light = shot(page, tmp_path, width, "--blink-settings=preferredColorScheme=1")
    dark = shot(page, tmp_path, width, "--blink-settings=preferredColorScheme=0")
    assert light.shape == dark.shape == (2400, width, 3)
    assert np.median(light) > 240
    assert np.median(dark) < 50
    # Something is written and drawn: the picture is far from one color.
    assert light.std() > 20
    assert dark.std() > 20
