import json

import pytest

from fakeforensics import seeds
from fakeforensics.errors import UserError
from fakeforensics.seeds import seed_spread


def revision(seed, ap, machine="this", **params):
    data = {"ap": {"sl": {"a": ap, "mean": ap}}, "trained_on": machine}
    return {
        "params": {"params.yaml": {"data": {"seed": seed, "lambda": 0.01} | params}},
        "metrics": {"metrics/demo/bce.json": {"data": data}, "metrics/demo/sad.json": {"data": data}},
    }


def shown(*revisions):
    first, *others = revisions
    return [{"data": first, "experiments": [{"revs": [{"data": one}]} for one in others]}]


def test_mean_and_deviation_are_over_seeds_of_equal_settings():
    runs = shown(
        revision(0, 0.7),
        revision(1, 0.8),
        revision(2, 0.9, machine="that"),
        revision(1, 0.1),  # a seed seen twice counts once
        revision(3, 0.1, **{"lambda": 1.0}),  # another study
    )
    found = seed_spread(runs, "demo")
    assert (found["seeds"], found["trained_on"]) == ([0, 1, 2], ["that", "this"])
    # the deviation of 0.7, 0.8, 0.9 is sqrt((0.01 + 0 + 0.01) / 2)
    assert found["ap"]["bce"]["sl"] == {name: {"mean": 0.8, "deviation": 0.1} for name in ("a", "mean")}
    assert set(found["ap"]) == {"bce", "sad"}


def test_a_detector_that_a_seed_lacks_is_left_out():
    second = revision(1, 0.8)
    second["metrics"].pop("metrics/demo/sad.json")
    assert set(seed_spread(shown(revision(0, 0.7), second), "demo")["ap"]) == {"bce"}


def test_one_seed_has_no_spread():
    with pytest.raises(UserError, match=r"at least 2(?s:.*)make seeds PROTOCOL=demo"):
        seed_spread(shown(revision(0, 0.7)), "demo")


def test_the_file_lies_beside_the_metrics(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(seeds, "shown_experiments", lambda: shown(revision(0, 0.7), revision(1, 0.9)))
    seeds.main("demo", tmp_path)
    assert json.loads((tmp_path / "demo/seeds.json").read_text())["seeds"] == [0, 1]
    assert "bce sl: a 0.800 ± 0.141" in capsys.readouterr().out
