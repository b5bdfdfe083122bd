from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from dvc.utils.serialize import parse_yaml
from hypothesis import given
from hypothesis import strategies as st

from fakeforensics.errors import UserError
from fakeforensics.yaml12 import read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5e-05", 5e-05),  # how DVC writes 0.00005
        ("1e-3", 0.001),
        ("010", 10),  # octal in YAML 1.1
        ("0o10", 8),
        ("1_000", 1000),
        ("-.5", -0.5),
        (".inf", float("inf")),
        ("no", "no"),  # false in YAML 1.1
        ("true", True),
        ("~", None),
    ],
)
def test_a_value_means_what_it_means_to_dvc(tmp_path, text, value):
    path = tmp_path / "params.yaml"
    path.write_text(f"x: {text}\n")
    found = read_yaml(path)["x"]
    assert (found, type(found)) == (value, type(value))
    of_dvc = parse_yaml(path.read_text(), path)["x"]
    assert (of_dvc, type(of_dvc)) == (value, type(value))


@given(st.from_regex(r"[-+]?[0-9]{1,5}(\.[0-9]{0,3})?([eE][-+]?[0-9]{1,2})?", fullmatch=True))
def test_every_number_means_what_it_means_to_dvc(text):
    with TemporaryDirectory() as folder:
        path = Path(folder, "params.yaml")
        path.write_text(f"x: {text}\n")
        ours, theirs = read_yaml(path)["x"], parse_yaml(path.read_text(), path)["x"]
    assert (ours, type(ours)) == (theirs, type(theirs))


def test_a_key_given_twice_is_refused_with_its_line(tmp_path):
    (tmp_path / "params.yaml").write_text("seed: 0\ntrain:\n  devices: 1\n  devices: 2\n")
    with pytest.raises(UserError, match=r"'devices' appears twice(.|\n)*params.yaml, line 3(.|\n)*line 4"):
        read_yaml(tmp_path / "params.yaml")


def test_a_key_may_be_given_beside_a_mapping_that_is_merged(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("b: &b {k: 1, l: 2}\nx:\n  <<: *b\n  k: 3\n")
    assert read_yaml(path)["x"] == parse_yaml(path.read_text(), path)["x"] == {"k": 3, "l": 2}


@pytest.mark.parametrize(
    "text", ["[" * 2000, "a: !!int abc", "a: !!bool x", "a: !!timestamp '2020-99-99'", "? [a]\n: 1"]
)
def test_what_cannot_be_parsed_is_named(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"params\.yaml: not valid YAML"):
        read_yaml(path)
