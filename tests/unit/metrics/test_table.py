"""Score tables on disk: what is stored is read again, and what is no score table is named."""

import json

import pandas as pd
import pyarrow.parquet as pq
import pytest

from fakeforensics.errors import UserError
from fakeforensics.files import write_parquet
from fakeforensics.metrics.table import (
    ScoreTable,
    in_order,
    need_one_label,
    read_scores,
    read_test_sets,
    video_level,
    write_scores,
)
from tests.score_specs import SCORES
from tests.score_tables import MIXED, make_mixed, make_scores


@pytest.mark.parametrize(
    "table",
    [
        ScoreTable(make_scores({"a": 0}, "joint", images=6), SCORES["joint"]),
        ScoreTable(make_scores({"a": 0}, "sad", images=6, video_frames=2), SCORES["sad"]),
        ScoreTable(make_mixed({"a": 0, "b": 1}, images=6), MIXED),
    ],
    ids=["joint", "sad", "mixed"],
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
        pq.write_table(stored.replace_schema_metadata({b"fakeforensics.scores": specs.encode()}), path)
    return path


ROWS = make_scores({"a": 0}, "sad", images=4)
SAD = json.dumps([score.model_dump(mode="json") for score in SCORES["sad"]])


def test_a_missing_table_says_what_to_run(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.parquet[\s\S]*run the score stage"):
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


def test_test_sets_come_in_the_protocols_order():
    table = make_scores({"a": 0, "b": 0}, "sad", images=4)
    ordered = in_order(table, ("b", "a"))
    assert ordered["test_set"].tolist() == ["b"] * 4 + ["a"] * 4
    assert ordered["key"].tolist()[:4] == [f"b/{number:05d}" for number in range(4)]
    with pytest.raises(UserError, match="not those of the protocol"):
        in_order(table, ("a",))


def test_reals_alone_are_refused():
    table = make_scores({"stylegan": 0}, "bce", images=4, share=0.0)
    with pytest.raises(UserError, match="stylegan: the test set holds reals alone"):
        in_order(table, ("stylegan",))


def test_a_video_has_the_mean_of_its_frames():
    table = make_scores({"celeb_df": 0}, "joint", images=6, video_frames=3)
    table["logit"] = [1.0, 2.0, 6.0, -1.0, -1.0, 2.0]
    videos = video_level(table, SCORES["joint"])
    assert videos["logit"].tolist() == [3.0, 0.0]
    assert videos["label"].tolist() == [1, 0]
    assert videos["group"].tolist() == ["synthetic/celeb_df/0", "synthetic/celeb_df/1"]


def test_stills_have_no_video_level():
    assert video_level(make_scores({"a": 0}, images=4), SCORES["joint"]).empty


def test_a_video_with_two_labels_is_refused():
    table = make_scores({"celeb_df": 0}, images=6, video_frames=3)
    table.loc[0, "label"] = 0
    with pytest.raises(UserError, match="the video 'celeb_df/0' has two labels") as caught:
        video_level(table, SCORES["joint"])
    # The first of its three frames, and the two others.
    assert "label 0 in 1 rows (celeb_df/00000 in celeb_df)" in caught.value.found
    assert "label 1 in 2 rows (celeb_df/00001 in celeb_df, celeb_df/00002 in celeb_df)" in caught.value.found


def test_an_image_with_two_labels_is_refused_in_whichever_sets_it_is():
    rows = [("x", "a", 0), ("x", "b", 1), ("y", "a", 1), ("", "a", 0), ("", "b", 1)]
    table = pd.DataFrame(rows, columns=["key", "test_set", "label"])
    with pytest.raises(UserError, match=r"t\.csv: the key 'x' has two labels") as caught:
        need_one_label(table, "key", where="t.csv: ")
    assert caught.value.found == "label 0 in 1 rows (x in a); label 1 in 1 rows (x in b)"
    need_one_label(table, "test_set", "key")  # within a set each has one; nothing is known of the nameless
    need_one_label(table[:0], "key")


@pytest.mark.parametrize("name", ["mean", "mean_unseen", "validation"])
def test_a_test_set_cannot_have_the_name_of_another_row(tmp_path, name):
    (tmp_path / "p.yaml").write_text(f"test: {{a: [], {name}: []}}\n")
    with pytest.raises(UserError, match=f"no test set can be called '{name}'"):
        read_test_sets("p", tmp_path)
