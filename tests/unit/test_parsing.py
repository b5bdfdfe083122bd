"""Faulty settings and files are named in the words of the file's reader, with what to do."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakeforensics.errors import UserError
from fakeforensics.params import Params
from fakeforensics.parsing import parse, read_json_as

MINIMAL: dict[str, Any] = {
    "protocols": ["demo"],
    "sources": {"mine": {"layout": "folder", "root": "/data/mine"}},
    "detectors": ["bce"],
    "compare": {"baseline": "bce"},
}
# Words of pydantic and Python that a reader of params.yaml does not know.
FOREIGN = re.compile(r"constrained|input should|literal\[|instance of|tuple|<class")


def error(change):
    with pytest.raises(UserError) as raised:
        parse(Params, MINIMAL | change, "params.yaml")
    return raised.value


@pytest.mark.parametrize(
    ("change", "key", "advice"),
    [
        ({"lamda": 0.1}, "lamda", "`lambda`"),
        ({"train": {"epochs": 3}}, "train.epochs", "`max_epochs`"),
        ({"sources": {"x": {"layout": "a", "root": "b", "option": {}}}}, "sources.x.option", "`options`"),
        ({"batch_size": 3}, "batch_size", "`train`"),
        ({"train": {"seed": 3}}, "train.seed", "top level"),
        ({"frobnicate": 1}, "frobnicate", "thresholds, report"),
    ],
)
def test_an_unknown_key_gets_the_name_that_was_meant(change, key, advice):
    found = error(change)
    assert f"`{key}`" in found.what
    assert advice in found.fix


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"train": {"workers": "many"}}, "`train.workers` should be an integer or 'auto', found 'many'"),
        ({"train": {"compile": 3}}, "`train.compile` should be true or false or 'auto', found 3"),
        ({"augment": {"blur_sigma": 3}}, "`augment.blur_sigma` should be a list, found 3"),
        ({"augment": {"blur_sigma": [1]}}, "`augment.blur_sigma.1` is missing"),
        ({"augment": {"jpeg_quality": [0, 9]}}, "`augment.jpeg_quality.0` should be at least 1, found 0"),
        ({"thresholds": {"fake_shares": [1]}}, "`thresholds.fake_shares.0` should be below 1, found 1"),
        ({"protocols": []}, "`protocols` should be a list with at least 1 in it, found []"),
        ({"train": None}, "`train` should be a group of keys, found None"),
    ],
)
def test_what_was_expected_is_said_in_plain_words(change, expected):
    assert error(change).what == f"params.yaml: {expected}"


def test_of_a_list_with_a_faulty_item_the_item_alone_is_named():
    assert error({"protocols": ["../up"]}).what.count("`") == 2


def test_a_key_with_a_default_names_it():
    assert error({"train": {"optimizer": "adamw"}}).fix.endswith("its default is adam")
    assert error({"protocols": "demo"}).fix.endswith("[demo]")


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text(), max_size=2)
keys = st.sampled_from([*Params.model_fields, "lambda", "train.epochs"]) | st.text()


@given(st.dictionaries(keys, values | st.dictionaries(keys, values, max_size=2), min_size=1, max_size=3))
def test_every_fault_says_what_to_do_in_plain_words(change):
    faults = []
    try:
        parse(Params, MINIMAL | change, "params.yaml")
    except UserError as found:
        faults.append(found)
    assert all(fault.fix and not FOREIGN.search(fault.what) for fault in faults)


def test_a_faulty_file_of_the_pipeline_says_how_to_make_it_again(tmp_path):
    path = tmp_path / "counts.json"
    path.write_text('{"a": {"b": "c"}}')
    with pytest.raises(UserError, match=r"counts\.json: `a\.b` should be an integer(.|\n)*count again"):
        read_json_as(dict[str, dict[str, int]], path, "count again")
