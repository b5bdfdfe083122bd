import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fakeforensics.errors import UserError
from fakeforensics.files import write_parquet
from fakeforensics.parquet import LABEL, Column, read_parquet

COLUMNS = {
    "key": Column("text", filled=True),
    "label": LABEL,
    "size": Column("integer", least=1),
    "score": Column("number", finite=True),
    "box": Column("numbers"),
    "domain": Column("text", needed=False),
}
ROWS = pd.DataFrame(
    {"key": ["a", "b"], "label": [0, 1], "size": [1, 9], "score": [0.5, -1.0], "box": [[], [1.0]]}
)


def read(path):
    return read_parquet(path, "a table of tests", COLUMNS, "write it again", once=[["key"]])


def test_what_is_as_it_should_be_is_read(tmp_path):
    path = tmp_path / "t.parquet"
    write_parquet(path, ROWS)
    assert read(path).to_pandas().drop(columns="box").equals(ROWS.drop(columns="box"))
    write_parquet(path, ROWS.iloc[:0].assign(score=pd.Series(dtype=object)))
    assert len(read(path)) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": [0, 2]}, "label: 2 in 1 of 2 rows: only 0 and 1"),
        ({"label": [-1, 3]}, "label: -1, 3 in 2 of 2 rows"),
        ({"label": ["0", "1"]}, "label: (large_)?string, where an integer is expected"),
        ({"label": [0.0, 1.0]}, "label: double"),
        ({"size": [0, 1]}, "size: 0 in 1 of 2 rows: the least that may occur is 1"),
        ({"score": [np.inf, 0.0]}, "score: inf in 1 of 2 rows: not finite"),
        ({"score": [None, 0.0]}, "score: 1 values are missing"),
        ({"key": ["a", ""]}, "key: '' in 1 of 2 rows: empty"),
        ({"key": ["a", None]}, "key: 1 values are missing"),
        ({"key": ["a", "a"]}, "1 rows occur twice, such as key 'a'"),
        ({"box": ["", ""]}, "box: (large_)?string, where a list of numbers is expected"),
        ({"domain": [1, 2]}, "domain: int64, where a text is expected"),
    ],
)
def test_a_value_that_must_not_occur_is_named_with_the_file(tmp_path, change, message):
    path = tmp_path / "t.parquet"
    write_parquet(path, ROWS.assign(**change))
    with pytest.raises(UserError, match=rf"t\.parquet: not a table(.|\n)*{message}(.|\n)*write it again"):
        read(path)


def test_a_score_that_is_no_number_is_refused(tmp_path):
    # Pandas writes NaN as a missing value; other programs write it as it is.
    table = pa.table({"key": ["a"], "label": [0], "size": [1], "score": [float("nan")], "box": [[1.0]]})
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(UserError, match="score: nan in 1 of 1 rows: not finite"):
        read(tmp_path / "t.parquet")


def test_a_number_that_may_be_nan_may_be_missing(tmp_path):
    # What a whole image has for the score of a face detector.
    write_parquet(tmp_path / "t.parquet", pd.DataFrame({"detector_score": [np.nan, 1.5]}))
    columns = {"detector_score": Column("number", least=0)}
    table = read_parquet(tmp_path / "t.parquet", "a table", columns, "write it again")
    assert table["detector_score"].to_pylist() == [None, 1.5]


def test_a_missing_column_is_named(tmp_path):
    write_parquet(tmp_path / "t.parquet", ROWS[["key", "box"]])
    with pytest.raises(UserError, match="no column label, size, score; there are key, box"):
        read(tmp_path / "t.parquet")


def test_a_changed_bit_never_changes_a_value(tmp_path):
    path = tmp_path / "t.parquet"
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"key": [f"k{i}" for i in range(40)], "label": 0, "size": 1, "score": rng.random(40)})
    write_parquet(path, rows.assign(box=[[]] * 40))
    data, whole = path.read_bytes(), read(path).to_pylist()
    refused = 0
    for place in range(0, len(data), 7):
        path.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        try:
            found = read(path).to_pylist()
        except UserError:
            refused += 1
        else:
            assert found == whole, place
    assert refused > len(data) / 7 / 2  # the others are in descriptions that nobody reads


@pytest.mark.parametrize("size", [0, 4, 100, -1])
def test_a_truncated_file_is_named(tmp_path, size):
    path = tmp_path / "t.parquet"
    write_parquet(path, ROWS)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UserError, match=r"t\.parquet: not a parquet file"):
        read(path)


def test_a_column_read_as_a_dictionary_is_checked_as_plain_text_is(tmp_path):
    path = tmp_path / "t.parquet"
    columns = {"domain": Column("text", pattern="^[a-z]+$"), "key": Column("text", filled=True)}

    def read_encoded():
        return read_parquet(path, "a table", columns, "write it again", encoded=["domain", "absent"])

    write_parquet(path, pd.DataFrame({"key": ["a", "b", "c"], "domain": ["x", "y", "x"]}))
    found = read_encoded()
    assert pa.types.is_dictionary(found["domain"].type)
    assert found["domain"].to_pylist() == ["x", "y", "x"]
    write_parquet(path, pd.DataFrame({"key": ["a", "b", "c"], "domain": ["1", "y", "1"]}))
    with pytest.raises(UserError, match="domain: '1' in 2 of 3 rows: not of the form"):
        read_encoded()
    write_parquet(path, pd.DataFrame({"key": ["a", "b"], "domain": ["x", None]}))
    with pytest.raises(UserError, match="domain: 1 values are missing"):
        read_encoded()
