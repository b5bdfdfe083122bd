"""The files that set up environments agree with each other."""

import re
import tomllib
from pathlib import Path

import yaml

import fakeforensics

ROOT = Path(__file__).parents[1]


def test_the_image_installs_extras_that_exist():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = re.search(r"'\.\[(.+?)\]'", (ROOT / "Dockerfile").read_text())
    assert named
    # All but those for work on the project itself.
    assert set(named[1].split(",")) == set(extras) - {"dev", "docs"}


def test_the_citation_names_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == fakeforensics.__version__
