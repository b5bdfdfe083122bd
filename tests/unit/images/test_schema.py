import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fakeforensics.errors import UserError
from fakeforensics.images.schema import INDEX_COLUMNS, INDEX_SCHEMA, read_index


def test_an_index_comes_back_with_its_columns(tmp_path):
    (tmp_path / "s").mkdir()
    pq.write_table(
        pa.Table.from_pylist([{"key": "s/a", "label": 1}], INDEX_SCHEMA), tmp_path / "s/index.parquet"
    )
    frame = read_index(tmp_path, "s")
    assert tuple(frame.columns) == INDEX_COLUMNS
    assert frame.label.tolist() == [1]


def test_a_source_without_images_tells_which_stage_makes_them(tmp_path):
    with pytest.raises(UserError, match="dvc repro faces@celeb"):
        read_index(tmp_path, "celeb")


def test_a_foreign_table_is_refused(tmp_path):
    (tmp_path / "s").mkdir()
    pq.write_table(pa.table({"key": ["a"]}), tmp_path / "s/index.parquet")
    with pytest.raises(UserError, match="no column shard, offset"):
        read_index(tmp_path, "s")
