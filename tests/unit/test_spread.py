import sys

import pytest

from fakeforensics import spread
from fakeforensics.errors import UserError
from fakeforensics.spread import Task, execute, main, run_here, run_on_cluster

# Ends well only if the other one runs at the same time, and fails if both begin at the same time.
TOGETHER = """
import os, sys, time
from pathlib import Path
folder, me, other = Path(sys.argv[1]), *sys.argv[2:]
(folder / "beginning").mkdir()
time.sleep(0.3)
(folder / "beginning").rmdir()
print("begun", flush=True)
(folder / me).touch()
while not (folder / other).exists():
    time.sleep(0.05)
print("on cores", *os.sched_getaffinity(0))
"""
# Leases a device and keeps it until the other one has one as well.
LEASING = """
import sys, time
from pathlib import Path
from fakeforensics.devices import leased
folder, me, other = Path(sys.argv[1]), *sys.argv[2:]
with leased(1, me) as (name,):
    (folder / me).write_text(name)
    while not (folder / other).exists():
        time.sleep(0.05)
"""


def python(name, code, *arguments):
    return Task(name, (sys.executable, "-c", code, *map(str, arguments)))


def test_runs_begin_one_by_one_and_go_on_together(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    tasks = [python("one", TOGETHER, tmp_path, "one", "two"), python("two", TOGETHER, tmp_path, "two", "one")]
    monkeypatch.setattr("os.sched_setaffinity", lambda process, cores: given.append(cores))
    given = []
    assert run_here(tasks, 2, "begun") == []
    assert given == [{0}, {1}]
    lines = capsys.readouterr().out.splitlines()
    assert lines.count("[one] begun") == 1
    assert any(line.startswith("[two] on cores ") for line in lines)


@pytest.mark.parametrize(
    ("cores", "jobs", "shares"),
    [
        ([0, 1, 2, 3], 2, [{0, 2}, {1, 3}]),
        ([5, 6, 7], 2, [{5, 7}, {6}]),
        ([0, 1], 3, [{0}, {1}, {0}]),  # more jobs than cores
        ([0, 1], 1, [{0, 1}]),
    ],
)
def test_the_cores_are_shared_out(cores, jobs, shares):
    assert spread._shares(cores, jobs) == shares


def test_after_a_failure_no_run_begins(tmp_path, capsys):
    write = "import pathlib, sys; pathlib.Path(sys.argv[1]).touch(); print('done')"
    tasks = [
        python("good", write, tmp_path / "good"),
        python("bad", "raise SystemExit('no data')"),
        python("late", write, tmp_path / "late"),
    ]
    assert run_here(tasks, 1) == ["bad", "late"]
    assert [path.name for path in tmp_path.iterdir()] == ["good"]
    assert capsys.readouterr().out.splitlines() == ["[good] done", "[bad] no data"]


def run_command(monkeypatch, *arguments, failed=()):
    """The tasks of each step of a command line, none of which really runs."""
    steps = []
    monkeypatch.setattr(sys, "argv", ["spread", *arguments])
    monkeypatch.setattr(spread, "run_here", lambda tasks, *rest: steps.append((tasks, *rest)) or [*failed])
    with pytest.raises(SystemExit) as ended:
        main()
    return steps, ended.value.code


def test_an_experiment_is_run_for_each_combination(monkeypatch):
    ((tasks, jobs, begun),), status = run_command(
        *(monkeypatch, "experiments", "--jobs", "3", "-S", "protocols=[demo]"),
        *("--vary", "lambda=0.1,1", "--vary", "seed=0,1"),
    )
    assert (status, jobs, begun) == (0, 3, "Reproducing experiment")
    names = ["lambda=0.1 seed=0", "lambda=0.1 seed=1", "lambda=1 seed=0", "lambda=1 seed=1"]
    assert [task.name for task in tasks] == names
    assert " ".join(tasks[1].command) == (
        "dvc --wait-for-lock exp run --temp -S protocols=[demo] -S lambda=0.1 -S seed=1"
    )


def test_detectors_are_trained_and_then_scored(monkeypatch, capsys):
    steps, status = run_command(
        *(monkeypatch, "stages", "--protocol", "a", "--protocol", "b", "--detector", "bce")
    )
    assert status == 0
    assert [[task.name for task in tasks] for tasks, _ in steps] == [
        ["train a/bce", "train b/bce"],
        ["score a/bce", "score b/bce"],
    ]
    assert steps[0][0][1].command[1:] == ("-m", "stages.train", "--protocol", "b", "--detector", "bce")
    said = "dvc commit --force pipelines/a/dvc.yaml:train@a-bce pipelines/b/dvc.yaml:train@b-bce "
    assert said in capsys.readouterr().out


def test_nothing_is_scored_after_a_training_that_failed(monkeypatch, capsys):
    steps, status = run_command(
        *(monkeypatch, "stages", "--protocol", "a", "--detector", "bce"), failed=["train a/bce"]
    )
    assert (len(steps), status) == (1, 1)
    assert "1 of 1 runs failed" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["seed", "seed=", "=1", "seed=,"])
def test_values_that_cannot_be_read_are_an_error(text):
    with pytest.raises(UserError, match="--vary cannot be read"):
        spread._values(text)


def test_a_run_that_slurm_started_with_others_is_not_a_part_of_them(monkeypatch, tmp_path):
    monkeypatch.setenv("SLURM_NTASKS", "16")
    print_it = "import os; print(os.getcwd(), os.environ.get('SLURM_NTASKS'))"
    assert execute(("-c", print_it), str(tmp_path))[1:] == (0, f"{tmp_path} None")


@pytest.mark.slow
def test_a_cluster_runs_two_at_once_on_different_devices(tmp_path, monkeypatch, capsys):
    distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    monkeypatch.setenv("FAKEFORENSICS_DEVICES", "cpu:2")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    leasing = [
        Task("one", ("-c", LEASING, str(tmp_path), "one", "two")),
        Task("two", ("-c", LEASING, str(tmp_path), "two", "one")),
    ]
    bad = Task("bad", ("-c", "raise SystemExit('no data')"))
    workers = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": ":0"}
    with distributed.LocalCluster(**workers) as cluster:
        assert run_on_cluster([*leasing, bad], cluster.scheduler_address) == ["bad"]
    assert {(tmp_path / name).read_text() for name in ("one", "two")} == {"cpu-0", "cpu-1"}
    assert "no data" in capsys.readouterr().err
