"""Score files of other detectors: what is read, refused and remarked on."""

import os

import numpy as np
import pandas as pd
import pytest

from fakeforensics.errors import UserError
from fakeforensics.external import evaluate_scores
from fakeforensics.metrics.table import ScoreTable, write_scores
from fakeforensics.params import ThresholdsParams
from fakeforensics.score_file import read_score_file
from tests.score_specs import SCORES
from tests.score_tables import make_scores

QUICK = ThresholdsParams(bootstrap=100, known_reals=(10,), draws=10)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("score,label\n1,0\n", "the column test_set is missing"),
        ("score,label,test_set\nhigh,0,a\n", "line 2: score is 'high'"),
        ("score,label,test_set\n1,0,a\nnan,1,a\n", "line 3: score is 'nan'"),
        ("score,label,test_set\ninf,1,a\n", "line 2: score is 'inf'"),
        ("score,label,test_set\n1,2,a\n", "line 2: label is '2'"),
        ("score,label,test_set\n1,1,\n", "line 2: test_set is ''"),
        ("score,label,test_set,split\n1,1,a,train\n", "line 2: split is 'train'"),
        ("score,label,test_set,split\n1,1,a,val\n", "there is no row with split test"),
        ("score,label,test_set\n1,1,a\n2,1,a\n", "no test set holds both"),
        ("score,label,test_set,key\n1,1,a,x\n2,0,a,x\n", "the key 'x' appears twice"),
        ("", "not a CSV file"),
        # Decimal commas: 0,91 was read as 91, its 0 as the name of the row.
        ("score,label,test_set\n0,91,1,a\n0,12,0,a\n", r"Expected 3 fields in line 2, saw 4"),
        ("score,label,test_set\n0.5,1,a\n0,12,0,a\n", r"Expected 3 fields in line 3, saw 4"),
        ("score;label;test_set\n0,91;1;a\n0,12;0;a\n", r"decimal point, such as 0\.91"),
        ('score,label,test_set\n"0,91",1,a\n', "line 2: score is '0,91'"),
        ("score,score,label,test_set\n1,2,1,a\n", "the column score appears twice"),
        ("score,Score ,label,test_set\n1,2,1,a\n", "the column score appears twice"),
        # Two quotes too many make one row of three, and a set of its own with a name in three lines.
        ('score,label,test_set\n1,1,"a\n2,0,a\n3,1,a"\n4,0,a\n', r"line 2: test_set is [\s\S]*in one line"),
        ("score,label,test_set,key\n1,1,a,x\x1b[31m\n", r"line 2: key is 'x\\x1b\[31m'"),
        (
            "score,label,test_set,key,split\n1,1,a,x,val\n2,1,b,x,test\n3,1,a,x,val\n4,0,b,y,test\n",
            "the key 'x' appears twice in the validation rows",
        ),
        ("score,label,test_set\n1,1,Mean \n", "line 2: test_set is 'Mean'"),
        ("score,label,test_set\n-1.8e308,0,a\n1,1,a\n", "line 2: score is '-1.8e308'"),  # no 64-bit number
        ("score,label,test_set\n-1.7e308,0,a\n1,1,a\n", "line 2: score is '-1.7e308'"),  # its square is none
        ("score,label,test_set\n1,1,mean\n", "line 2: test_set is 'mean'"),
        ("score,label,test_set\n1,1,mean_unseen\n", "line 2: test_set is 'mean_unseen'"),
        ("score,label,test_set\n1,1,validation\n", "line 2: test_set is 'validation'"),
        (
            "score,label,test_set,video\n1,1,a,v\n2,0,a,v\n3,1,b,v\n",
            r"scores\.csv: the video 'v' has two labels[\s\S]*label 0 in 1 rows \(row 3 in a\); label 1 in 1",
        ),
        (
            "score,label,test_set,key\n1,1,a,x\n2,0,b,x\n",
            r"the key 'x' has two labels[\s\S]*\(x in b\); label 1 in 1 rows \(x in a\)",
        ),
    ],
)
def test_faulty_files_are_explained(tmp_path, text, message):
    path = tmp_path / "scores.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        evaluate_scores([path], params=QUICK)


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("score;label;test_set\n0.9;1;a\n", "separate the fields with commas"),
        ("score,Label,test_set\n0.9,1,a\n", "rename the column 'Label' to 'label'"),
        ("score,label\n0.9,1\n", "rename the one that holds it to 'test_set'"),
    ],
)
def test_a_missing_column_comes_with_advice(tmp_path, text, advice):
    (tmp_path / "scores.csv").write_text(text)
    with pytest.raises(UserError, match="is missing") as caught:
        read_score_file(tmp_path / "scores.csv")
    assert advice in str(caught.value)


def test_semicolons_next_to_decimal_commas_come_with_advice(tmp_path):
    # The commas give the second line two fields, the first line has one.
    (tmp_path / "scores.csv").write_text("score;label;test_set\n0,91;1;a\n")
    with pytest.raises(UserError, match="not a CSV file") as caught:
        read_score_file(tmp_path / "scores.csv")
    assert caught.value.fix == "separate the fields with commas"


def test_text_in_another_encoding_is_named(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_bytes("score,label,test_set\n1,1,é\n".encode("latin-1"))
    with pytest.raises(UserError, match="not text in UTF-8"):
        read_score_file(path)


def test_labels_may_be_words_or_decimals(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("score,label,test_set\n1,Fake,a\n2,real,a\n3,1.0,a\n4,0.0,a\n")
    assert read_score_file(path)[0]["label"].tolist() == [1, 0, 1, 0]


def test_the_pipelines_own_tables_are_read(tmp_path):
    path = tmp_path / "joint.parquet"
    validation = make_scores({"validation": 0}, images=60, seed=1)
    write_scores(path, ScoreTable(make_scores({"a": 0}, images=60), SCORES["joint"]))
    write_scores(tmp_path / "joint.val.parquet", ScoreTable(validation, SCORES["joint"]))
    with pytest.raises(UserError, match=r"several scores[\s\S]*sl or cd[\s\S]*--score sl"):
        read_score_file(path)
    test, validation, remarks = read_score_file(path, "cd")
    distances = pd.read_parquet(path)["score_cd"]
    assert (
        test["score"].tolist() == np.log(distances.astype(float)).tolist()
    )  # as the pipeline's rules see it
    assert (len(validation), remarks) == (60, [])
    # A table with one score is compared by that, whatever is asked of the others.
    write_scores(tmp_path / "bce.parquet", ScoreTable(make_scores({"a": 0}, "bce", images=60), SCORES["bce"]))
    assert len(read_score_file(tmp_path / "bce.parquet", "cd")[0]) == 60
    # The validation table in the same folder must come from the same detector.
    write_scores(
        tmp_path / "bce.val.parquet", ScoreTable(make_scores({"validation": 0}, "sad"), SCORES["sad"])
    )
    with pytest.raises(UserError, match=r"bce\.val\.parquet: lacks the score sl"):
        read_score_file(tmp_path / "bce.parquet")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.csv: no such file"):
        read_score_file(tmp_path / "nowhere.csv")


def test_a_folder_or_a_named_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(UserError, match=r"pipe\.csv: not a file\s+found: a named pipe"):
        read_score_file(tmp_path / "pipe.csv")
    with pytest.raises(UserError, match="found: a folder"):
        read_score_file(tmp_path)


def test_saturated_scores_and_one_sided_sets_are_remarked_on(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("score,label,test_set,group\n1,1,a,x\n1,0,a,y\n0,0,a,z\n0.5,1,b,w\n")
    remarks = " ".join(read_score_file(path)[2])
    assert "75% of the scores are exactly 0 or 1" in remarks
    assert "sets with one class have no metrics: b" in remarks


def read_text(tmp_path, text):
    (tmp_path / "scores.csv").write_text(text)
    return read_score_file(tmp_path / "scores.csv")


@pytest.mark.parametrize(
    ("rows", "saturated"),
    [
        # Logits: two of four are exactly 0 or 1, but the column reaches 1.58.
        ("0.0,0,a,\n1.0,1,a,\n1.58,1,a,\n0.2,0,a,\n", False),
        ("0.0,0,a,\n1.0,1,a,\n0.58,1,a,\n0.2,0,a,\n", True),
        # The same detector's validation scores are of the same column.
        ("0.0,0,a,\n1.0,1,a,\n0.58,1,a,\n-2.5,0,,val\n", False),
    ],
)
def test_probabilities_are_told_from_logits_by_the_whole_column(tmp_path, rows, saturated):
    remarks = read_text(tmp_path, "score,label,test_set,split\n" + rows)[2]
    assert any("exactly 0 or 1" in remark for remark in remarks) == saturated


def test_what_validation_and_test_share_is_counted(tmp_path):
    rows = [
        "1,1,a,test,x,g1,v1",
        "0,0,a,test,y,g2,",
        "1,1,b,test,x,g1,v1",
        "0,0,b,test,z,,",
        "1,1,,val,x,g3,",
        "0,0,,val,,g1,v2",
        "0,0,,val,,,",
    ]
    text = "score,label,test_set,split,key,group,video\n" + "\n".join(rows) + "\n"
    remarks = " ".join(read_text(tmp_path, text)[2])
    # The image x and the group g1 are in both test sets; what has no name is shared with nothing.
    assert "validation and test share 1 of the column key (such as 'x'; 2 test rows)" in remarks
    assert "validation and test share 1 of the column group (such as 'g1'; 2 test rows)" in remarks
    assert "of the column video" not in remarks


def test_rows_without_a_key_are_images_of_their_own(tmp_path):
    table, _, _ = read_text(tmp_path, "score,label,test_set,key\n1,1,a,\n0,0,a,\n1,1,a,x\n")
    assert table["key"].tolist() == ["row 2", "row 3", "x"]


def test_spaces_around_names_are_no_part_of_them(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("score,label,test_set,split\n1, 1,a ,test\n2,0, a, Test\n")
    test, _, _ = read_score_file(path)
    assert test["test_set"].tolist() == ["a", "a"]
