"""Random bytes and mutated valid files for what reads files from outside: a value or an error for the user.

Nothing of what was tried is kept. Decoders run in a process of their own, as in the product.
"""

import io
import json
import time

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from PIL import Image

from fakeforensics.processes import TaskLostError, WorkerPool
from tests.faults import readers
from tests.faults.conftest import size
from tests.faults.tally import Tally
from tests.unit.faces.conftest import numbered, write_video
from tests.unit.inference.conftest import make_model

DECODED = ("images", "checked images", "clips")  # by libraries that may crash
ROUND = 25  # examples between looks at the clock
LIMIT = 60.0  # seconds for one file
CSV = (
    "score,label,test_set,group,split\n0.5,1,a,g1,test\n-3e2,real,a,g2,test\n0.1,0,b,,val\n0.9,fake,b,,val\n"
)
PROTOCOL = {
    "title": "t",
    "train": [{"source": "src", "methods": ["real", "pggan"]}],
    "test": {"known": [{"source": "src"}], "strange": [{"source": "other", "splits": "all"}]},
    "unseen": ["strange"],
    "frames_per_video": {"real": 8, "fake": 8},
    "limits": {"src/a": {"train": 5}},
    "params": {"train": {"crop_size": 96}},
}
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


def pictures() -> list[bytes]:
    """A tiny picture in each of the usual formats."""
    pixels = np.random.default_rng(0).integers(0, 255, (9, 11, 3)).astype(np.uint8)
    found = []
    for name in ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "GIF"):
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, name)
        found.append(stream.getvalue())
    return found


@st.composite
def mutated(draw, seeds: list[bytes]) -> bytes:
    """A valid file with some bytes replaced, removed, repeated or added; rarely only random bytes."""
    data = bytearray(draw(st.sampled_from([*seeds, b""])))
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 12))
        new = draw(st.binary(max_size=12) | st.just(bytes(data[place : place + length])))
        data[place : place + draw(st.sampled_from([0, length]))] = new
    return bytes(data[: draw(st.sampled_from([len(data), draw(st.integers(0, len(data)))]))])


@st.composite
def changed(draw, value):
    """A JSON-like value, of which some parts are removed, renamed or replaced by any other value."""
    if draw(st.integers(0, 9)) == 0:
        return draw(VALUES)
    if isinstance(value, dict):
        parts = {key: draw(changed(one)) for key, one in value.items() if draw(st.integers(0, 19))}
        return parts | (draw(st.dictionaries(st.text(max_size=5), VALUES, max_size=1)))
    if isinstance(value, list | tuple):
        return [draw(changed(one)) for one in value]
    return value


def structured(value, dump):
    """Files that hold changed values: their form is right, so that they get past the parser."""
    return changed(value).map(lambda one: dump(one).encode("utf-8", "surrogatepass"))


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """Reader, file name, valid files, and files of the right form, of each kind."""
    folder = tmp_path_factory.mktemp("seeds")
    clip = write_video(folder / "clip.mp4", numbered(8, 16)).read_bytes()
    card = json.loads((make_model(folder / "model") / "model.json").read_text())
    text = json.dumps(card).encode()
    protocol = yaml.safe_dump(PROTOCOL).encode()
    return {
        "images": (readers.read_image, "a.jpg", pictures(), st.nothing()),
        "checked images": (readers.check_image, "a.jpg", pictures(), st.nothing()),
        "clips": (readers.read_clip, "a.mp4", [clip], st.nothing()),
        "CSV files": (readers.read_csv, "a.csv", [CSV.encode()], st.nothing()),
        "protocols": (readers.read_protocol, "a.yaml", [protocol], structured(PROTOCOL, yaml.safe_dump)),
        "cards": (readers.read_model_card, "model.json", [text], structured(card, json.dumps)),
    }


@pytest.mark.parametrize("kind", ["images", "checked images", "clips", "CSV files", "protocols", "cards"])
def test_any_bytes_give_a_value_or_an_error_for_the_user(kinds, kind, tmp_path):
    reader, name, valid, of_right_form = kinds[kind]
    path = tmp_path / name
    tally = Tally(f"fuzzed {kind}")
    with WorkerPool(1) as pool:

        def result():
            if kind in DECODED:
                return pool.submit(reader, path, seconds=LIMIT).result()
            return reader(path)

        for data in valid:
            path.write_bytes(data)
            assert result() == "read", data

        def one(data):
            path.write_bytes(data)
            try:
                how = result()
            except TaskLostError:
                how = "lost their process"
            except Exception as error:  # noqa: BLE001  each one is a finding
                tally.count(f"{len(data)} bytes {data[:60]!r}", "", f"{type(error).__name__}: {error}")
                return
            tally.count("", how)

        rule = settings(
            max_examples=ROUND,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        number = size("SEED", 0) * 10**6
        until = time.monotonic() + size("FUZZ_SECONDS", 10)
        while time.monotonic() < until:
            seed(number)(rule(given(mutated(valid) | of_right_form)(one)))()
            number += 1
    tally.end()
