import json
from statistics import stdev

import numpy as np
import pandas as pd
import pytest

from fakeforensics import seeds
from fakeforensics.errors import UserError
from fakeforensics.metrics.spec import ScoreSpec
from fakeforensics.metrics.table import ScoreTable, TestSets, write_scores
from fakeforensics.models.card import DetectorCard
from fakeforensics.seeds import SeedRun, seed_revisions, seed_spread

S_SL = ScoreSpec(name="sl", label="S_SL", title="sigmoid score", column="logit", scale="logit")
SETS = TestSets(test={"a": None, "b": None}, unseen=("b",))


def revision(rev, seed, *detectors, **params):
    values = {"seed": seed, "lambda": 0.01, "detectors": [*detectors]} | params
    return {
        "rev": rev,
        "params": {"params.yaml": {"data": values}},
        "metrics": {f"metrics/demo/{name}.json": {"data": {"ap": {"sl": {"a": 0.5}}}} for name in detectors},
    }


def shown(*revisions):
    first, *others = revisions
    return [{"data": first, "experiments": [{"revs": [{"data": one}]} for one in others]}]


def scores(*values):
    """Reals 0.1 and 0.3 and two fakes with the given scores, in each of two test sets."""
    rows = [
        {"key": f"{name}{number}", "test_set": name, "label": int(number > 1), "logit": value}
        for name in ("a", "b")
        for number, value in enumerate((0.1, 0.3, *values))
    ]
    empty = dict.fromkeys(("method", "domain", "source", "group", "video"), "")
    table = pd.DataFrame(rows).assign(**empty, frame=np.int64(0), score_sl=0.5)
    return ScoreTable(table, (S_SL,), "here")


def run(name, *values, seconds=10.0):
    card = DetectorCard(name=name, label=name.upper(), title=name, sees="reals+fakes", scores=(S_SL,))
    cost = {"seconds": seconds, "processor_seconds": 2 * seconds, "images": 4}
    return SeedRun(card, "here", cost, scores(*values))


def test_a_detector_is_taken_from_the_first_revision_of_equal_settings_that_has_it():
    found = seed_revisions(
        shown(
            revision("workspace", 0, "bce", "sad"),
            revision("r1", 1, "bce"),
            revision("r2", 1, "bce", "sad"),  # of bce the seed is known already
            revision("r3", 2, "bce", **{"lambda": 1.0}),  # another study
        ),
        "demo",
    )
    assert found == {0: {"bce": "workspace", "sad": "workspace"}, 1: {"bce": "r1", "sad": "r2"}}


def test_one_seed_has_no_spread():
    with pytest.raises(UserError, match=r"at least 2(?s:.*)make seeds PROTOCOL=demo"):
        seed_revisions(shown(revision("workspace", 0, "bce")), "demo")


def test_mean_and_deviation_are_over_seeds():
    # Fakes at 0.4 and 0.5 stand above both reals: AP 1. At 0.2 and 0.5 one of them stands below a real:
    # precision 1 at recall 1/2, 2/3 at recall 1.
    perfect, worse = 1.0, (1 + 2 / 3) / 2
    runs = {0: {"bce": run("bce", 0.4, 0.5)}, 1: {"bce": run("bce", 0.2, 0.5, seconds=20.0)}}
    found = seed_spread(runs, SETS, "bce", replicates=50)
    assert (found["seeds"], found["trained_on"], found["baseline"]) == ([0, 1], ["here"], "bce")
    about = found["detectors"]["bce"]
    assert about["cost"] == {"seconds": 15.0, "processor_seconds": 30.0, "images": 4.0}
    assert set(about["scores"]["sl"]) == {"label", "ap"}  # a baseline does not differ from itself
    for name in ("a", "b", "mean", "mean_unseen"):
        ap = about["scores"]["sl"]["ap"][name]
        assert ap["mean"] == pytest.approx((perfect + worse) / 2, abs=1e-6)
        assert ap["deviation"] == pytest.approx(stdev([perfect, worse]), abs=1e-6)
        assert ap["low"] <= ap["mean"] <= ap["high"]


def test_the_difference_is_that_from_the_baseline_on_the_same_draws():
    worse = (1 + 2 / 3) / 2
    runs = {
        seed: {"bce": run("bce", 0.4, 0.5), "sad": run("sad", 0.2, 0.5), "late": run("late", 0.4, 0.5)}
        for seed in (0, 1)
    }
    runs[1].pop("late")  # not all seeds have it
    found = seed_spread(runs, SETS, "bce", replicates=50)["detectors"]
    assert set(found) == {"bce", "sad"}
    difference = found["sad"]["scores"]["sl"]["difference"]["mean_unseen"]
    assert difference["difference"] == pytest.approx(worse - 1, abs=1e-6)
    assert difference["high"] <= 0


def test_a_file_that_is_gone_from_the_cache_is_named(monkeypatch):
    class Empty:
        def __init__(self, rev):
            self.rev = rev

        def read_bytes(self, path):
            raise FileNotFoundError(path)

    monkeypatch.setattr("dvc.api.DVCFileSystem", Empty)
    with pytest.raises(UserError, match=r"models/demo/bce/model.json of the revision r1"):
        seeds.read_runs({"bce": "r1"}, "demo")


def test_the_file_lies_beside_the_metrics(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    params = "protocols: [demo]\ndetectors: [bce]\ncompare: {baseline: bce}\nsources: {}\n"
    (tmp_path / "params.yaml").write_text(params)
    (tmp_path / "protocols").mkdir()
    (tmp_path / "protocols/demo.yaml").write_text("test: {a: [], b: []}\nunseen: [b]\n")
    runs = {"workspace": run("bce", 0.4, 0.5), "r1": run("bce", 0.2, 0.5)}
    monkeypatch.setattr(
        seeds, "shown_experiments", lambda: shown(*(revision(rev, int(rev == "r1"), "bce") for rev in runs))
    )
    monkeypatch.setattr(
        seeds, "read_runs", lambda places, _: {name: runs[rev] for name, rev in places.items()}
    )
    seeds.main("demo", tmp_path)
    assert json.loads((tmp_path / "demo/seeds.json").read_text())["seeds"] == [0, 1]
    # The mean and the deviation of AP 1 and 5/6, as worked out above.
    assert "| BCE, S_SL | reals+fakes | 91.7 ± 11.8 |" in capsys.readouterr().out


def test_the_table_ranks_scores_by_their_mean_over_the_unseen_sets():
    worse = (1 + 2 / 3) / 2
    runs = {seed: {"bce": run("bce", 0.2, 0.5), "sad": run("sad", 0.4, 0.5)} for seed in (0, 1)}
    header, _, first, second = seeds.markdown(seed_spread(runs, SETS, "bce", replicates=50)).splitlines()
    assert "mean AP, unseen sets" in header
    # 1 − 5/6 is 16.7 points; a run costs 2 · 10 processor seconds.
    assert first.startswith("| SAD, S_SL | reals+fakes | 100.0 ± 0.0 | 100.0 to 100.0 | +16.7 (")
    assert first.endswith("| 100.0 ± 0.0 | 20 |")
    assert second.startswith(f"| BCE, S_SL | reals+fakes | {100 * worse:.1f} ± 0.0 |")


def test_the_workspace_is_read_in_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = run("bce", 0.4, 0.5)
    card = {
        "detector": expected.card.model_dump(mode="json"),
        "machine": {"processor": "P", "threads": 2, "bf16": False, "processes": 1},
    }
    for path, content in {
        "models/demo/bce/model.json": card,
        "metrics/demo/bce.cost.json": expected.cost,
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(json.dumps(content))
    (tmp_path / "data/scores/demo").mkdir(parents=True)
    write_scores(tmp_path / "data/scores/demo/bce.parquet", expected.test)
    found = seeds.read_runs({"bce": "workspace"}, "demo")["bce"]
    assert (found.card, found.cost, found.machine) == (
        expected.card,
        expected.cost,
        "P, 2 threads, float32",
    )
    assert len(found.test.rows) == 8
