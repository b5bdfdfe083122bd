"""Score tables on disk: what is stored is read again, and what is no score table is named."""

import json

import pandas as pd
import pyarrow.parquet as pq
import pytest

from fakeforensics.errors import UserError
from fakeforensics.files import write_parquet
from fakeforensics.metrics.table import ScoreTable, by_instances, of_one_model, read_scores, write_scores
from tests.score_specs import SCORES
from tests.score_tables import MIXED, make_mixed, make_scores


@pytest.mark.parametrize(
    "table",
    [
        ScoreTable(make_scores({"a": 0}, "joint", images=6), SCORES["joint"]),
        ScoreTable(make_scores({"a": 0}, "sad", images=6, video_frames=2), SCORES["sad"]),
        ScoreTable(make_mixed({"a": 0, "b": 1}, images=6), MIXED),
        ScoreTable(make_scores({"a": 0}, "bce", images=6).assign(instances=3), SCORES["bce"]),
    ],
    ids=["joint", "sad", "mixed", "instances"],
)
def test_what_is_written_is_read(tmp_path, table):
    path = tmp_path / "folder/scores.parquet"
    write_scores(path, table)
    found = read_scores(path)
    assert found.scores == table.scores
    assert found.rows.equals(table.rows)
    before = path.read_bytes()
    write_scores(path, found)
    assert path.read_bytes() == before


def faulty(tmp_path, rows, specs=None):
    """A parquet file, with this text as the descriptions of its scores."""
    path = tmp_path / "scores.parquet"
    write_parquet(path, rows)
    if specs is not None:
        stored = pq.read_table(path)
        metadata = {**stored.schema.metadata, b"fakeforensics.scores": specs.encode()}
        pq.write_table(stored.replace_schema_metadata(metadata), path)
    return path


ROWS = make_scores({"a": 0}, "sad", images=4)
SAD = json.dumps([score.model_dump(mode="json") for score in SCORES["sad"]])


def test_a_missing_table_says_what_to_run(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.parquet[\s\S]*run the evaluate stage"):
        read_scores(tmp_path / "nowhere.parquet")


def test_another_format_is_named(tmp_path):
    path = tmp_path / "scores.parquet"
    path.write_text("key,label\n")
    with pytest.raises(UserError, match="not a parquet file"):
        read_scores(path)


@pytest.mark.parametrize(
    ("rows", "specs", "message"),
    [
        (ROWS, None, "no description of a score"),
        (ROWS, "[]", "no description of a score"),
        (ROWS.drop(columns="group"), SAD, "not a score table"),
        (ROWS.drop(columns="score_cd"), SAD, "not a score table[\\s\\S]*score_cd"),
        (ROWS, "[{", "damaged"),
        (ROWS, SAD.replace("positive", "stretched"), "scale"),
        (ROWS, '[{"name": "x"}]', "`column` is missing"),
    ],
)
def test_what_is_no_score_table_is_explained(tmp_path, rows, specs, message):
    with pytest.raises(UserError, match=message):
        read_scores(faulty(tmp_path, rows, specs))


def test_models_of_a_pilot_study_are_told_apart():
    one = make_scores({"a": 0}, "sad", images=4)
    both = one.assign(instances=10), one.assign(instances=2)
    table = pd.concat(both, ignore_index=True)
    assert list(by_instances(table)) == ["2", "10"]  # by number, not by text
    assert of_one_model(table)["instances"].unique().tolist() == [10]
    assert list(by_instances(one)) == ["all"]
    assert of_one_model(one) is one
