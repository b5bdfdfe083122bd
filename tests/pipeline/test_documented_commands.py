"""The commands of the tutorials and of README, run one after the other in a small clone."""

import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.pipeline.conftest import ROOT, leave_out_demo

pytestmark = pytest.mark.slow

PAGES = ("docs/tutorials/own-images.md", "README.md", "docs/tutorials/case.md", "docs/tutorials/scores.md")
BLOCK = re.compile(r"^<!-- runs -->\n```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def commands(page: str) -> list[str]:
    """The blocks of a page that are marked as runnable, in their order."""
    return BLOCK.findall((ROOT / page).read_text())


@pytest.fixture(scope="module")
def clone(make_clone, tmp_path_factory):
    clone = make_clone(tmp_path_factory.mktemp("tutorial") / "clone")
    clone.edit("dvc.yaml", leave_out_demo)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    cv2.imwrite(str(clone.path / "photo.jpg"), noise)  # README judges files of these names
    video = cv2.VideoWriter(str(clone.path / "clip.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 64))
    for _ in range(3):
        video.write(noise)
    video.release()
    clone.commit()
    return clone


@pytest.mark.parametrize("page", PAGES)  # later pages use what the first one has trained
def test_the_commands_of_a_page_succeed(clone, page):
    blocks = commands(page)
    assert blocks
    clone.run("bash", "-c", "set -euo pipefail\n" + "\n".join(blocks))


def test_the_site_builds_without_a_warning(clone):
    environment = Path(sys.prefix)
    make = ("make", f"--old-file={environment / '.installed'}", f"VENV={environment}", "docs")
    clone.run(*make)
    assert "average_precision" in (clone.path / "site/reference/metrics.html").read_text()
    page = clone.path / "docs/faces.md"
    page.write_text(page.read_text() + "\n[broken](nowhere.md)\n")
    assert "page does not exist" in clone.run(*make, check=False)
