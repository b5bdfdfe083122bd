import json

import pytest

from fakeforensics import lambda_grid as module
from fakeforensics.errors import UserError
from fakeforensics.lambda_grid import grid_text, lambda_grid, main, oracle_lambda, pick_lambda


def run(lambda_, seed, val_ap, loss, test_ap):
    """A run as the grid's file has it."""
    return {
        "lambda": lambda_,
        "seed": seed,
        "validation": {"ap": val_ap, "log_loss": loss},
        "test": {"mean": test_ap},
    }


def test_validation_picks_and_test_is_the_oracle():
    runs = [run(0.001, 0, 0.90, 0.3, 0.70), run(0.1, 0, 0.95, 0.5, 0.60), run(1.0, 0, 0.80, 0.2, 0.75)]
    assert pick_lambda(runs) == 0.1
    assert oracle_lambda(runs, "mean") == 1.0


def test_ties_go_to_the_lower_validation_log_loss_then_to_the_smaller_lambda():
    assert pick_lambda([run(0.01, 0, 0.9, 0.4, 0), run(0.1, 0, 0.9, 0.3, 0), run(1.0, 0, 0.9, 0.5, 0)]) == 0.1
    tied = [run(1.0, 0, 0.9, 0.3, 0.5), run(0.1, 0, 0.9, 0.3, 0.5)]
    assert (pick_lambda(tied), oracle_lambda(tied, "mean")) == (0.1, 0.1)
    for one in tied:
        del one["validation"]["log_loss"]  # as of a detector without a logit
    assert pick_lambda(tied) == 0.1


def revision(lambda_, seed=0, *, ap=0.9, sets=None, unseen=0.5, protocol="demo", timestamp=None, **params):
    """A run of a detector that uses lambda and of one that does not, as `dvc exp show` has it."""
    sets = (
        {"a": 0.7, "b": unseen, "mean": (0.7 + unseen) / 2, "mean_unseen": unseen} if sets is None else sets
    )
    joint = {
        "ap": {"sl": sets, "cd": {name: value / 2 for name, value in sets.items()}},
        "validation": {"ap": {"sl": ap, "cd": 0.8}, "log_loss": 0.3},
        "trained_on": "this",
    }
    bce = {"ap": {"sl": {"a": 0.6, "mean": 0.6}}, "validation": {"ap": {"sl": 0.9}, "log_loss": 0.2}}
    return {
        "params": {"params.yaml": {"data": {"lambda": lambda_, "seed": seed, "batch_size": 64} | params}},
        "metrics": {
            f"metrics/{protocol}/joint.json": {"data": joint},
            f"metrics/{protocol}/bce.json": {"data": bce},
        },
        "rev": "r",
        "timestamp": timestamp,
    }


def shown(*experiments, workspace=None):
    """The workspace, a commit that repeats it, and experiments."""
    first = workspace or revision(0.01)
    return [
        {"rev": "workspace", "data": first},
        {"rev": "main", "data": first, "experiments": [{"revs": [{"data": one}]} for one in experiments]},
    ]


def test_the_grid_holds_each_score_of_the_detectors_that_use_lambda():
    found = lambda_grid(shown(revision(1.0, ap=0.8, unseen=0.6)), "demo", [1.0, 0.01], [0])
    assert (found["lambdas"], found["seeds"], found["trained_on"]) == ([0.01, 1.0], [0], ["this"])
    assert list(found["detectors"]) == ["joint"]  # bce is the same at both
    sl, cd = (found["detectors"]["joint"][score] for score in ("sl", "cd"))
    assert (sl["measure"], sl["picked"]) == ("ap", 0.01)  # validation 0.9 against 0.8
    assert sl["best_by_test"] == {"mean_unseen": 1.0, "mean": 1.0}  # 0.6 against 0.5
    # Validation cannot tell S_CD's runs apart, so the smaller λ is picked.
    assert (cd["picked"], cd["best_by_test"]["mean"]) == (0.01, 1.0)
    assert [(row["lambda"], row["test"]["b"]) for row in sl["runs"]] == [(0.01, 0.5), (1.0, 0.6)]


def test_the_best_by_test_depends_on_the_mean_that_it_is_judged_by():
    # All sets: 0.95 and 0.75; the unseen one: 0.4 and 0.6.
    sets = [
        {"a": a, "b": b, "mean": mean, "mean_unseen": b} for a, b, mean in ((1, 0.4, 0.95), (0.9, 0.6, 0.75))
    ]
    runs = shown(revision(0.1, sets=sets[0]), revision(1.0, sets=sets[1]))
    best = lambda_grid(runs, "demo", [0.1, 1.0], [0])["detectors"]["joint"]["sl"]["best_by_test"]
    assert best == {"mean_unseen": 1.0, "mean": 0.1}


def test_several_seeds_count_by_their_mean():
    runs = shown(
        *(revision(0.1, seed, ap=ap, unseen=test) for seed, ap, test in ((0, 0.99, 0.5), (1, 0.71, 0.7))),
        *(revision(1.0, seed, ap=ap) for seed, ap in ((0, 0.86), (1, 0.88))),
    )
    found = lambda_grid(runs, "demo", [0.1, 1.0], [0, 1])
    # Means 0.85 and 0.87, though the best single run is 0.1's.
    assert found["detectors"]["joint"]["sl"]["picked"] == 1.0
    # The standard deviation of 0.5 and 0.7 is √(2 · 0.1²) = 0.1414.
    assert "| 60.00 ± 14.14 |" in grid_text(found)


def test_the_text_marks_the_choice_and_the_oracles():
    text = grid_text(lambda_grid(shown(revision(1.0, ap=0.8, unseen=0.6)), "demo", [0.01, 1.0], [0]))
    rows = [line for line in text.splitlines() if line.startswith(("| 0.01", "| 1 "))]
    assert rows[0] == "| 0.01 | 90.00 | 0.3000 | 50.00 | 60.00 | **picked by validation** |"
    assert rows[1].startswith("| 1 | 80.00 | 0.3000 | 60.00 | 65.00 |")
    assert "oracle" in rows[1]


def test_sets_of_fakes_alone_are_judged_by_their_mean_accuracy():
    # The metrics hold no mean of such sets, and each score has its own measure.
    def pilot(lambda_, pggan):
        one = revision(lambda_, protocol="pilot_three_n2")
        metrics = one["metrics"]["metrics/pilot_three_n2/joint.json"]["data"]
        del metrics["ap"]
        metrics["accuracy"] = {"sl": {"pggan": pggan, "sngan": 0.2}}
        metrics["accuracy_at_validation_threshold"] = {"cd": {"pggan": 0.1, "sngan": pggan}}
        return one

    runs = shown(pilot(0.1, 0.4), workspace=pilot(0.01, 0.3))
    scores = lambda_grid(runs, "pilot_three_n2", [0.01, 0.1], [0])["detectors"]["joint"]
    assert [scores[name]["measure"] for name in ("sl", "cd")] == [
        "accuracy",
        "accuracy_at_validation_threshold",
    ]
    assert [row["test"]["mean"] for row in scores["sl"]["runs"]] == [0.25, 0.3]
    assert scores["sl"]["best_by_test"] == {"mean": 0.1}


def test_only_the_named_protocol_s_metrics_count():
    runs = shown(revision(1.0, protocol="mff_4_4", unseen=0.6), workspace=revision(0.01, protocol="mff_4_4"))
    assert lambda_grid(runs, "mff_4_4", [0.01, 1.0], [0])["lambdas"] == [0.01, 1.0]
    with pytest.raises(UserError, match=r"lacks 2 of 2(?s:.*)PROTOCOL=demo"):
        lambda_grid(runs, "demo", [0.01, 1.0], [0])


def test_runs_of_another_study_do_not_count():
    with pytest.raises(UserError, match="lambda 1 with seed 0"):
        lambda_grid(shown(revision(1.0, batch_size=32)), "demo", [0.01, 1.0], [0])
    # Another list of protocols or sources changes no figure.
    lambda_grid(shown(revision(1.0, unseen=0.6, protocols=["mff_4_4"], sources={})), "demo", [0.01, 1.0], [0])


def test_a_failed_run_is_named():
    with pytest.raises(UserError, match=r"lacks 1 of 4(?s:.*)lambda 0.01 with seed 1(?s:.*)dvc queue"):
        lambda_grid(shown(revision(1.0), revision(1.0, 1)), "demo", [0.01, 1.0], [0, 1])


def test_the_newest_experiment_counts_and_any_before_the_workspace():
    old, new = (revision(1.0, ap=ap, timestamp=f"2026-01-0{day}") for ap, day in ((0.95, 1), (0.5, 2)))
    # The workspace's λ was set to 1 without another `dvc repro`: its metrics are not of that λ.
    stale = revision(1.0, ap=0.99)
    found = lambda_grid(shown(old, new, revision(0.01), workspace=stale), "demo", [0.01, 1.0], [0])
    runs = found["detectors"]["joint"]["sl"]["runs"]
    assert [(row["lambda"], row["validation"]["ap"]) for row in runs] == [(0.01, 0.9), (1.0, 0.5)]


def test_one_lambda_is_no_grid():
    with pytest.raises(UserError, match="at least two"):
        lambda_grid(shown(), "demo", [0.01], [0])


def test_without_a_detector_that_uses_lambda_there_is_no_grid():
    with pytest.raises(UserError, match="joint"):
        lambda_grid(shown(revision(1.0)), "demo", [0.01, 1.0], [0])  # all figures are the same


def test_without_validation_figures_nothing_is_picked():
    runs = shown(revision(1.0, ap=0.8))
    del runs[1]["experiments"][0]["revs"][0]["data"]["metrics"]["metrics/demo/joint.json"]["data"][
        "validation"
    ]
    with pytest.raises(UserError, match="joint: the run with lambda 1 and seed 0 has no validation"):
        lambda_grid(runs, "demo", [0.01, 1.0], [0])


def test_the_file_lies_beside_the_metrics(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(module, "shown_experiments", lambda: shown(revision(1.0, ap=0.8)))
    main("demo", "0.01, 1", "0", tmp_path)
    assert json.loads((tmp_path / "demo/lambda.json").read_text())["lambdas"] == [0.01, 1.0]
    assert "picked by validation" in capsys.readouterr().out
    with pytest.raises(UserError, match="'mff_4_4': the grid lacks"):
        main("demo, mff_4_4", "0.01,1", "0", tmp_path)  # each of several protocols is asked for
    with pytest.raises(UserError, match="separated by commas"):
        main("demo", "0.01;1", "0", tmp_path)
