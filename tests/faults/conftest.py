"""One undisturbed run for all kinds of faults, and the sizes of the suite, which `make test-faults` sets."""

import os
import random
import signal
from pathlib import Path

import pytest

from tests.faults.project import shorten, shrink
from tests.faults.warm import Warm
from tests.pipeline.conftest import hasten_demo, make_clone  # noqa: F401  a fixture


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
    """A project in which everything ran, undisturbed; BASE names one that is there already."""
    if "BASE" in os.environ:
        return Path(os.environ["BASE"])
    clone = make_clone(tmp_path_factory.mktemp("faults") / "base")
    clone.edit("params.yaml", shrink)
    clone.edit("protocols/demo.yaml", shorten)
    hasten_demo(clone.path)
    clone.commit()
    clone.run("dvc", "repro")
    return clone.path


@pytest.fixture(scope="session")
def warm(base):
    """Forks the commands of trials, with the project's own code."""
    # A shell that starts the suite in the background lets it ignore Ctrl-C, which programs inherit.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    server = Warm(base)
    yield server
    server.close()
    signal.signal(signal.SIGINT, before)
