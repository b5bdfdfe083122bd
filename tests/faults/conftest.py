"""One undisturbed run for all kinds of faults, and the sizes of the suite, which `make test-faults` sets."""

import os
import random

import pytest

from tests.faults.project import shorten, shrink
from tests.pipeline.conftest import make_clone  # noqa: F401  a fixture


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/faults" in item.path.as_posix():
            item.add_marker(pytest.mark.faults)


def size(name: str, default: int) -> int:
    """A number from the environment, which says how much is tried."""
    return int(os.environ.get(name, default))


@pytest.fixture
def rng():
    """Decides what is tried, and when."""
    return random.Random(size("SEED", 0))


@pytest.fixture(scope="session")
def base(make_clone, tmp_path_factory):  # noqa: F811  the fixture
    """A project in which everything ran, undisturbed."""
    clone = make_clone(tmp_path_factory.mktemp("faults") / "base")
    clone.edit("params.yaml", shrink)
    clone.edit("protocols/demo.yaml", shorten)
    clone.commit()
    clone.run("dvc", "repro")
    return clone.path
