import pandas as pd
import pytest

from fakeforensics.errors import UserError
from fakeforensics.lambda_grid import COLUMNS, grid_runs, grid_table, oracle_lambda, pick_lambda


def runs(*rows):
    return pd.DataFrame(rows, columns=list(COLUMNS))


def test_validation_picks_and_test_is_the_oracle():
    table = runs((0.001, 0, 0.90, 0.3, 0.70), (0.1, 0, 0.95, 0.5, 0.60), (1.0, 0, 0.80, 0.2, 0.75))
    assert pick_lambda(table) == 0.1
    assert oracle_lambda(table) == 1.0


def test_ties_go_to_the_lower_validation_log_loss_then_to_the_smaller_lambda():
    assert pick_lambda(runs((0.01, 0, 0.9, 0.4, 0), (0.1, 0, 0.9, 0.3, 0), (1.0, 0, 0.9, 0.5, 0))) == 0.1
    assert pick_lambda(runs((1.0, 0, 0.9, 0.3, 0), (0.1, 0, 0.9, 0.3, 0))) == 0.1


def test_several_seeds_count_by_their_mean():
    table = runs(
        (0.1, 0, 0.99, 0, 0.5), (0.1, 1, 0.71, 0, 0.7), (1.0, 0, 0.86, 0, 0.5), (1.0, 1, 0.88, 0, 0.5)
    )
    # means 0.85 and 0.87, though the best single run is 0.1's
    assert pick_lambda(table) == 1.0
    # the standard deviation of 0.5 and 0.7 is √(2 · 0.1²) = 0.1414
    assert "60.00 ± 14.14" in grid_table(table)


def test_the_table_marks_the_choice_and_labels_the_oracle():
    lines = grid_table(runs((0.001, 0, 0.9, 0.3, 0.7), (0.01, 0, 0.95, 0.2, 0.6))).splitlines()
    assert lines[2] == "| 0.001 | 1 | 90.00 | 0.3000 | 70.00 | best by test: an oracle, not deployable |"
    assert lines[3] == "| 0.01 | 1 | 95.00 | 0.2000 | 60.00 | **picked by validation** |"


def test_without_runs_it_says_how_to_make_them():
    with pytest.raises(UserError, match="make lambda-grid"):
        pick_lambda(runs())


def revision(lambda_, seed=0, ap=0.9, batch_size=64):
    metrics = {
        "ap": {"sl": {"a": 0.5, "mean": 0.6}, "cd": {"a": 0.4, "mean": 0.4}},
        "validation": {"ap": {"sl": ap, "cd": 0.8}, "log_loss": 0.3},
    }
    params = {"lambda": lambda_, "seed": seed, "train": {"batch_size": batch_size}, "protocols": ["demo"]}
    return {
        "params": {"params.yaml": {"data": params}},
        "metrics": {"metrics/demo/joint.json": {"data": metrics}},
    }


def test_runs_are_read_from_what_dvc_shows():
    shown = [
        {"rev": "workspace", "data": revision(0.01)},
        {
            "rev": "main",
            "data": revision(0.01),
            "experiments": [
                {"revs": [{"data": revision(0.1, ap=0.8)}]},
                {"revs": [{"data": revision(0.1, seed=1, ap=0.7)}]},
                {"revs": [{"data": revision(1.0, batch_size=32)}]},
                {"revs": [{"data": None}]},
            ],
        },
    ]
    found = grid_runs(shown, "demo", "joint")
    # the commit repeats the workspace, and another batch size is another study
    assert found[["lambda", "seed", "val_ap"]].values.tolist() == [
        [0.01, 0, 0.9],
        [0.1, 0, 0.8],
        [0.1, 1, 0.7],
    ]
    assert found["test_ap"].tolist() == [0.6] * 3  # of the first score
    assert found["val_log_loss"].tolist() == [0.3] * 3
    assert grid_runs(shown, "demo", "joint", "cd")["test_ap"].tolist() == [0.4] * 3
    assert grid_runs(shown, "demo", "another").empty


def test_an_unknown_score_is_refused():
    with pytest.raises(UserError, match="sl or cd"):
        grid_runs([{"data": revision(0.01)}], "demo", "joint", "logit")


def test_a_detector_without_a_logit_has_no_log_loss():
    shown = [{"data": revision(lambda_)} for lambda_ in (0.1, 0.01)]
    for one in shown:
        del one["data"]["metrics"]["metrics/demo/joint.json"]["data"]["validation"]["log_loss"]
    table = grid_runs(shown, "demo", "joint")
    assert pick_lambda(table) == 0.01  # equal AP and no loss: the smaller
    assert "| 0.01 | 1 | 90.00 | – | 60.00 |" in grid_table(table)
