"""The report in a real browser, wherever a Chromium is installed."""

import shutil
import subprocess

import cv2
import numpy as np
import pytest

from fakeforensics.reporting.page import write_page

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
    return write_page(full.page(reference=REFERENCE), tmp_path / "report" / "p")


def shot(page, tmp_path, width, *options):
    path = tmp_path / "shot.png"
    browse(page, tmp_path, f"--screenshot={path}", f"--window-size={width},2400", *options)
    return cv2.imread(str(path))


def test_the_browser_shows_the_page_without_a_complaint(page, tmp_path):
    done = browse(page, tmp_path, "--dump-dom")
    assert "CONSOLE" not in done.stderr  # blocked resources and broken markup show up there
    assert "FaceApp (FFHQ)" in done.stdout
    assert done.stdout.count(".svg") == 4
    # The parser moves what a table may not hold out of it: all cells must still be inside.
    assert done.stdout.count("<td") == page.read_text().count("<td")


def with_script(page, script):
    """A copy of the page that runs another script after its own."""
    html = page.read_text()
    policy = html[html.index("<meta http-equiv") : html.index("<title>")]
    copy = page.with_name("copy.html")
    copy.write_text(html.replace(policy, "").replace("</body>", f"<script>{script}</script></body>"))
    return copy


def test_a_heading_sorts_its_table_down_up_and_back(page, tmp_path):
    # Of the table of class counts: training, validation and two test sets, real images in the first column.
    script = """
        const tables = [...document.querySelectorAll("table.sortable")];
        const table = tables.find((one) => one.ariaLabel.includes("per class"));
        const heading = table.tHead.rows[0].cells[1];
        const said = [];
        for (let press = 0; press < 4; press++) {
          const values = [...table.tBodies[0].rows].map((row) => row.cells[1].textContent.trim());
          said.push(heading.ariaSort + " " + values.join(" "));
          heading.querySelector("button").click();
        }
        document.title = said.join("; ");
    """
    done = browse(with_script(page, script), tmp_path, "--dump-dom")
    orders = ["none 1,000 100 60 60", "descending 1,000 100 60 60", "ascending 60 60 100 1,000"]
    assert f"<title>{'; '.join([*orders, orders[0]])}</title>" in done.stdout


def test_a_link_and_the_button_open_what_is_folded(page, tmp_path):
    script = """
        const said = [document.querySelectorAll("details[open]").length];
        location.hash = "#curves";
        setTimeout(() => {
          said.push(document.querySelector("#curves > details").open);
          document.getElementById("open-all").click();
          said.push(document.querySelectorAll("details:not([open])").length);
          document.title = said.join(" ");
        }, 100);
    """
    done = browse(with_script(page, script), tmp_path, "--dump-dom", "--virtual-time-budget=2000")
    assert "<title>0 true 0</title>" in done.stdout


@pytest.mark.parametrize("width", [1300, 390])
def test_the_page_is_light_or_dark_as_the_reader_likes(page, tmp_path, width):
    light = shot(page, tmp_path, width, "--blink-settings=preferredColorScheme=1")
    dark = shot(page, tmp_path, width, "--blink-settings=preferredColorScheme=0")
    assert light.shape == dark.shape == (2400, width, 3)
    assert np.median(light) > 240
    assert np.median(dark) < 50
    # Something is written and drawn: the picture is far from one color.
    assert light.std() > 20
    assert dark.std() > 20
