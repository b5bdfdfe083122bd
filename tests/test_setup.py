"""The files that set up environments agree with each other."""

import re
import tomllib
from pathlib import Path

import yaml

import fakeforensics

ROOT = Path(__file__).parents[1]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_has_the_versions_of_the_constraints():
    lines = (ROOT / "constraints.txt").read_text().split()
    pinned = {canonical(name): version for name, version in (line.split("==") for line in lines)}
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    locked = {canonical(package["name"]): package.get("version") for package in packages}
    # More packages are locked than pinned: those of other systems.
    assert {name: locked.get(name) for name in pinned} == pinned


def test_the_lock_names_the_public_index_alone():
    hosts = set(re.findall(r"https?://([^/\"]+)", (ROOT / "uv.lock").read_text()))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}


def test_the_image_installs_extras_that_exist():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = re.search(r"'\.\[(.+?)\]'", (ROOT / "Dockerfile").read_text())
    assert named
    # All but those for work on the project itself.
    assert set(named[1].split(",")) == set(extras) - {"dev", "docs"}


def test_the_citation_names_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == fakeforensics.__version__
