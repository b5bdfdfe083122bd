from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from fakeforensics.files import write_parquet
from fakeforensics.images.index import INDEX_COLUMNS, read_index
from fakeforensics.splits.manifest import Manifests, build_manifests
from fakeforensics.splits.protocol import Protocol
from fakeforensics.splits.rows import (
    Catalog,
    alphabetical,
    among,
    as_text,
    first_places,
    group_numbers,
    joined,
    ordered,
)
from tests.unit.splits.conftest import index, row

PLAN: dict[str, Any] = {
    "title": "t",
    "train": [{"source": "a"}],
    "test": {"seen": [{"source": "a"}], "other": [{"source": "b", "splits": "all"}]},
    "limits": {"a": {"train": 9, "by_folder": True}},
    "frames_per_video": {"real": 2, "fake": 1},
    "corrupted_images": 4,
    "holdout": {"by": "video", "val": 0.3, "test": 0.3},
}


def write(root: Path) -> None:
    """Two sources in no order: stills of two methods, clips, and copies in both test sets."""
    stills = [
        row("a", f"{folder}/{method}{n}.png", method=method, group=f"a/{n}", raw_width=100 + n % 3)
        for method in ("real", "swap")
        for n in range(12)
        for folder in ("z", "b")
    ]
    clips = [
        row("a", f"{method}{n}.mp4", method=method, video=f"a/{method}{n}", frame=f, group=f"a/v{n}")
        | {"key": f"a/{method}{n}#f{f}", "sha256": f"{method}{n}-{f}", "box": [1.0, 2.0, 3.0, 4.0]}
        for method in ("real", "swap")
        for n in range(9)
        for f in range(5)
    ]
    others = [row("b", f"{method}{n}.png", method=method) for method in ("real", "gan") for n in range(6)]
    for source, rows in (("a", [*clips, *stills]), ("b", others)):
        (root / source).mkdir()
        write_parquet(root / source / "index.parquet", index(rows)[list(INDEX_COLUMNS)])


def build(root: Path, read: Any) -> Manifests:
    return build_manifests("p", Protocol.model_validate(PLAN), read, seed=0)


def test_manifests_of_categories_are_those_of_plain_text(tmp_path: Path) -> None:
    write(tmp_path)
    catalog = Catalog(tmp_path, ["a", "b"])
    some, same = build(tmp_path, catalog.frame), build(tmp_path, lambda source: read_index(tmp_path, source))
    assert (some.subsampled, some.dropped) == (same.subsampled, same.dropped)
    assert some.subsampled
    for name in ("train", "val", "test", "corrupted", "reference"):
        catalog.write(tmp_path / f"{name}.parquet", getattr(some, name))
        written, expected = pq.read_table(tmp_path / f"{name}.parquet"), getattr(same, name)
        assert written.column_names == list(expected)
        assert written.num_rows == len(expected)
        for column in expected:
            found = written[column].to_pylist()
            plain = [list(one) if isinstance(one, np.ndarray) else one for one in expected[column].tolist()]
            assert found == plain, (name, column)


def test_where_images_are_is_found_for_rows_in_any_order(tmp_path: Path) -> None:
    write(tmp_path)
    catalog = Catalog(tmp_path, ["a", "b"])
    rows = catalog.frame("a").iloc[[7, 2]]
    expected = read_index(tmp_path, "a").iloc[[7, 2]].reset_index(drop=True)
    found = catalog.located(rows)
    pd.testing.assert_frame_equal(found, expected[list(found)])


TEXTS = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["x", "y", ""])), max_size=12)


@given(TEXTS, st.booleans())
def test_numbers_and_names_of_several_columns(values: list[tuple[str, str]], are_categories: bool) -> None:
    plain = pd.DataFrame(values, columns=["one", "other"], dtype="str")
    rows = plain.astype("category") if are_categories else plain
    order = list(dict.fromkeys(values))
    assert group_numbers(rows, ["one", "other"]).tolist() == [order.index(value) for value in values]
    assert joined(rows, ["one", "other"]).tolist() == [f"{one}/{other}" for one, other in values]
    pd.testing.assert_frame_equal(as_text(rows), plain)


@given(st.lists(st.sampled_from("abcd")), st.lists(st.sampled_from("abcd")), st.booleans())
def test_which_values_are_among_others(values: list[str], others: list[str], are_categories: bool) -> None:
    kind: Any = pd.CategoricalDtype(list("abcd")) if are_categories else "str"
    found = among(pd.Series(values, dtype=kind), pd.Series(others, dtype=kind))
    assert found.tolist() == [value in others for value in values]


@given(st.lists(st.sampled_from(["", "b", "é", "a", "ab", "Z"]), max_size=9), st.booleans(), st.booleans())
def test_numbers_follow_the_alphabet_in_any_order(
    texts: list[str], is_sorted: bool, is_encoded: bool
) -> None:
    values = pa.array(sorted(texts, key=str.encode) if is_sorted else texts, pa.string())
    found = alphabetical(values.dictionary_encode() if is_encoded else values)
    assert found.to_pylist() == values.to_pylist()
    # Arrow compares bytes, in UTF-8 as code points.
    assert found.dictionary.to_pylist() == sorted(set(texts), key=str.encode)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), max_size=12))
def test_where_each_group_occurs_first(values: list[tuple[str, str]]) -> None:
    rows = pd.DataFrame(values, columns=["one", "other"], dtype="str")
    found = first_places(group_numbers(rows, ["one", "other"])).tolist()
    assert found == [values.index(value) for value in dict.fromkeys(values)]


def test_rows_are_sorted_by_columns_and_equal_ones_keep_their_order() -> None:
    key = pd.Categorical.from_codes([1, 0, 1, 1], categories=["a", "b"])
    rows = pd.DataFrame({"set": ["y", "y", "x", "y"], "key": key, "place": range(4)})
    found = ordered(rows, ["set", "key"])
    # x before y, then a before b; the rows 0 and 3 are equal.
    assert found["place"].tolist() == [2, 1, 0, 3]
    assert found.index.tolist() == [0, 1, 2, 3]
    assert ordered(rows[:0], ["set", "key"]).empty
