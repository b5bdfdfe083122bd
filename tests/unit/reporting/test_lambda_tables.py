"""Tables at the best lambdas of a grid."""

import json
from dataclasses import replace

import pytest

from fakeforensics.reporting.blocks import EMPTY, Table, Text
from fakeforensics.reporting.lambda_tables import best_overview, judged_by, lambda_blocks
from fakeforensics.reporting.reference import ApReference

from .conftest import KEYS, REFERENCE

SETS = ("stylegan_ffhq", "faceapp_ffhq")
LAMBDAS = (0.01, 1.0)


def run(lambda_, validation, seen, unseen, seed=3):
    test = {SETS[0]: seen, SETS[1]: unseen, "mean": (seen + unseen) / 2, "mean_unseen": unseen}
    return {"lambda": lambda_, "seed": seed, "validation": {"ap": validation}, "test": test}


def score(*runs, picked, best, measure="ap"):
    return {"measure": measure, "picked": picked, "best_by_test": best, "runs": list(runs)}


# Validation picks λ = 0.01 for S_SL and 1 for S_CD; by test it is the other way round.
GRID = {
    "lambdas": list(LAMBDAS),
    "seeds": [3],
    "trained_on": ["here"],
    "detectors": {
        "joint": {
            "sl": score(
                run(0.01, 0.9, 0.97, 0.65),
                run(1.0, 0.8, 0.9, 0.7),
                picked=0.01,
                best={"mean_unseen": 1.0, "mean": 0.01},
            ),
            "cd": score(
                run(0.01, 0.7, 0.96, 0.72),
                run(1.0, 0.9, 0.95, 0.5),
                picked=1.0,
                best={"mean_unseen": 0.01, "mean": 0.01},
            ),
        }
    },
}


@pytest.fixture
def trained(project):
    """A project whose joint detector has λ = 0.01, seed 3 and the figures of the grid's run."""
    project.protocol(SETS, unseen=SETS[1:])
    project.counts(SETS)
    project.metrics({SETS[0]: (0.99, 0.98, 0.97, 0.96), SETS[1]: (0.6, 0.71, 0.65, 0.72)})
    project.trained_with(0.01, settings={"seed": 3})
    return project


def results_with(project, grid, reference=None):
    return replace(project.results(reference=reference), grid=grid)


def tables(blocks):
    return [block for block in blocks if isinstance(block, Table)]


def texts(row):
    return [cell.text for cell in row.cells]


def test_results_stand_at_validation_s_lambda_and_at_the_oracle_s(trained):
    best, grid = tables(lambda_blocks(results_with(trained, GRID)))
    assert [column.title for column in best.columns] == [
        *("BCE", "SAD"),
        *("S_SL, λ = 0.01", "S_CD, λ = 1"),
        *("S_SL, λ = 1", "S_CD, λ = 0.01"),
    ]
    assert [column.group for column in best.columns][2:] == [
        *["BCE+SAD, λ picked by validation"] * 2,
        *["BCE+SAD, best λ by test: an oracle"] * 2,
    ]
    rows = {row.label: row for row in best.rows}
    assert texts(rows["faceapp_ffhq"]) == ["60.00", "71.00", "65.00", "50.00", "70.00", "72.00"]
    # (97 + 65) / 2 = 81, and (90 + 70) / 2 = 80.
    assert texts(rows["Average of all 2"])[2::2] == ["81.00", "80.00"]
    # The oracle's 72 is higher, but nobody could have chosen it.
    assert [cell.best for cell in rows["faceapp_ffhq"].cells] == [False, True, False, False, False, False]
    assert [(row.label, texts(row)) for row in grid.rows] == [
        ("0.01", ["90.00", "65.00", "70.00", "72.00"]),
        ("1", ["80.00", "70.00", "90.00", "50.00"]),
    ]
    assert [cell.interval for cell in grid.rows[0].cells] == ["picked", "", "", "best: oracle"]


def test_the_oracle_says_whose_practice_it_is_and_stands_next_to_the_published_values(trained):
    reference = replace(REFERENCE, lambdas=(0.01, 1.0))
    best, _ = tables(lambda_blocks(results_with(trained, GRID, reference)))
    assert best.columns[4].group == "BCE+SAD, best λ by test: an oracle, as the paper did"
    faceapp = best.rows[1].cells
    # Published: 59.32 and 71.43 for the joint detector.
    assert [cell.reference for cell in faceapp[2:]] == ["59.32", "71.43"] * 2
    assert [cell.difference for cell in faceapp[4:]] == pytest.approx([70 - 59.32, 72 - 71.43])


def test_where_an_average_over_all_sets_is_printed_it_is_what_the_oracle_goes_by(trained):
    printed = ApReference(REFERENCE.ap.rows, {"mean": dict.fromkeys(KEYS, 80.0)})
    results = results_with(trained, GRID, replace(REFERENCE, ap=printed))
    sl = results.columns[2]
    assert judged_by(results, sl) == "mean"
    assert judged_by(results_with(trained, GRID), sl) == "mean_unseen"
    best, _ = tables(lambda_blocks(results))
    assert best.columns[4].title == "S_SL, λ = 0.01"


def test_without_a_grid_the_report_says_how_to_train_one(trained):
    (note,) = lambda_blocks(trained.results(reference=replace(REFERENCE, lambdas=(0.01, 1.0))))
    assert "make lambda-grid PROTOCOL=p" in note.text
    assert "λ = 0.01" in note.text
    assert "The paper reports the best of 0.01, 1" in note.text
    trained.scores.pop("joint")
    assert lambda_blocks(trained.results()) == []  # no other detector has a lambda


def test_a_grid_that_does_not_fit_the_report_is_told(trained):
    assert not [block for block in lambda_blocks(results_with(trained, GRID)) if isinstance(block, Text)]
    metrics = trained.read("metrics/p/joint.json")
    metrics["ap"]["sl"]["faceapp_ffhq"] = 0.66
    trained.write("metrics/p/joint.json", json.dumps(metrics))
    warning, *_ = lambda_blocks(results_with(trained, GRID))
    assert warning.tone == "warning"
    assert "BCE+SAD S_SL" in warning.text
    assert "S_CD" not in warning.text
    del metrics["ap"]["sl"]["faceapp_ffhq"]  # a test set that only one of the two knows
    trained.write("metrics/p/joint.json", json.dumps(metrics))
    assert "BCE+SAD S_SL" in lambda_blocks(results_with(trained, GRID))[0].text


def test_several_seeds_stand_as_mean_and_deviation(trained):
    runs = [run(one, 0.9, 0.9, value, seed) for one in LAMBDAS for seed, value in ((3, 0.6), (4, 0.8))]
    grid = GRID | {
        "seeds": [3, 4],
        "detectors": {"joint": {"sl": score(*runs, picked=1.0, best={"mean": 1.0, "mean_unseen": 1.0})}},
    }
    best, table = tables(lambda_blocks(results_with(trained, grid)))
    # The mean of 0.6 and 0.8; their standard deviation is √(2 · 0.1²) = 0.1414.
    assert texts(table.rows[1]) == ["90.00 ± 0.00", "70.00 ± 14.14"]
    # S_CD is not in this grid: it stays as trained.
    assert [column.title for column in best.columns][2:] == ["S_SL, λ = 1", "S_CD", "S_SL, λ = 1"]
    assert texts(best.rows[1])[2:] == ["70.00", "72.00", "70.00"]


def test_the_overview_has_the_mean_that_each_protocol_is_judged_by(trained):
    printed = ApReference(REFERENCE.ap.rows, {"mean_unseen": dict.fromkeys(KEYS, 60.0)})
    without = trained.results()
    results = results_with(trained, GRID, replace(REFERENCE, ap=printed))
    assert best_overview([without]) == []
    (table,) = best_overview([without, results])
    (row,) = table.rows  # the protocol without a grid has no row
    assert texts(row) == ["60.00", "71.00", "65.00", "50.00", "70.00", "72.00"]
    assert [cell.interval for cell in row.cells][2:] == ["λ = 0.01", "λ = 1", "λ = 1", "λ = 0.01"]
    assert [cell.difference for cell in row.cells][4:] == pytest.approx([10, 12])
    assert [cell.best for cell in row.cells] == [False, True, False, False, False, False]


def test_sets_of_fakes_alone_have_the_same_tables(project):
    project.fakes_alone({"pggan": 0.4}, unseen=["pggan"])
    project.trained_with(0.01)

    def fakes(measure, low, high):
        runs = [
            {"lambda": one, "seed": 0, "validation": {"ap": 0.9}, "test": {"pggan": value, "mean": value}}
            for one, value in zip(LAMBDAS, (low, high), strict=True)
        ]
        return score(*runs, picked=0.01, best={"mean": 1.0}, measure=measure)

    grid = GRID | {
        "detectors": {
            "joint": {
                "sl": fakes("accuracy", 0.4, 0.5),
                "cd": fakes("accuracy_at_validation_threshold", 0.4, 0.6),
            }
        }
    }
    best, table = tables(lambda_blocks(results_with(project, grid)))
    (row,) = best.rows
    assert texts(row) == ["40.00", "40.00", "40.00", "40.00", "50.00", "60.00"]
    assert EMPTY not in {text for row in table.rows for text in texts(row)}
    assert "accuracy" in table.caption
