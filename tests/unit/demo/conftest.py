"""One rendered person, shared by the tests that only look at pictures."""

import numpy as np
import pytest

from fakeforensics.demo.arrays import FloatImage, generator
from fakeforensics.demo.backdrop import draw_backdrop
from fakeforensics.demo.identity import draw_identity
from fakeforensics.demo.pose import View, draw_view
from fakeforensics.demo.render import Person, Rendering


@pytest.fixture(scope="session")
def person() -> Person:
    return Person(draw_identity(generator(0, "tests")))


@pytest.fixture(scope="session")
def view() -> View:
    return draw_view(generator(0, "tests"), 98.0)


@pytest.fixture(scope="session")
def backdrop() -> FloatImage:
    return draw_backdrop(generator(0, "tests"), 256, 256)


@pytest.fixture(scope="session")
def portrait(person: Person, view: View, backdrop: FloatImage) -> Rendering:
    picture = person.render(view, backdrop)
    picture.rgb.setflags(write=False)
    picture.landmarks.setflags(write=False)
    return picture


@pytest.fixture
def rng() -> np.random.Generator:
    return generator(1, "tests")
