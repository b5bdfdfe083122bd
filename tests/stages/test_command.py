"""What all stages do: they fail if params.yaml changed under them."""

import ast
import json
from pathlib import Path
from typing import Annotated

import pytest
import yaml
from typer import Option

from fakeforensics.errors import UserError
from fakeforensics.params import SourceParams
from stages._command import need_recorded, run_command

ROOT = Path(__file__).parents[2]
PARAMS = "seed: 1\nevaluate: {bootstrap: 10, workers: 2}\nsources: {a: {root: x}}\n"


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a stage that depends on some settings and meanwhile writes params.yaml: status and message."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["stage", "--source", "a"])

    def run(text):
        def main(source: Annotated[str, Option()]) -> None:
            Path("params.yaml").write_text(text)

        Path("params.yaml").write_text(PARAMS)
        with pytest.raises(SystemExit) as ended:
            run_command(main, "seed", "evaluate.bootstrap", "sources.a")
        return ended.value.code, capsys.readouterr().err

    return run


def test_a_setting_that_changes_while_the_stage_runs_ends_it(run):
    status, message = run(PARAMS.replace("10", "20"))
    assert status == 1
    assert "params.yaml was changed while the stage ran: evaluate.bootstrap" in message
    assert "--temp" in message
    status, message = run("seed: [")  # half of a file that is being written
    assert status == 1
    assert "seed, evaluate.bootstrap, sources.a" in message


def test_what_the_stage_does_not_depend_on_may_change(run):
    assert run("# a comment\n" + PARAMS.replace("workers: 2", "workers: 4"))[0] == 0
    assert run(PARAMS.replace("{a:", "{b: {root: y}, a:"))[0] == 0  # another source
    assert "sources.a" in run(PARAMS.replace("root: x", "root: z"))[1]


def test_stages_compare_the_settings_that_dvc_records():
    listed = {}
    for path in ROOT.rglob("dvc.yaml"):
        if ".venv" not in path.parts:
            for stage in yaml.safe_load(path.read_text()).get("stages", {}).values():
                body = stage.get("do", stage)
                if not body["cmd"].startswith("python -m stages."):
                    continue
                module = body["cmd"].split()[2].removeprefix("stages.")
                listed.setdefault(module, set()).update(body.get("params", ()))
    for name, keys in listed.items():
        calls = [
            node
            for node in ast.walk(ast.parse((ROOT / f"stages/{name}.py").read_text()))
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "run_command"
        ]
        assert [{one.value for one in call.args[1:]} for call in calls] == [keys], name


def test_settings_of_a_source_that_changed_after_they_were_recorded_are_refused(tmp_path):
    recorded = SourceParams(layout="folder", root="x")
    path = tmp_path / "mine.json"
    need_recorded(path, recorded)  # no pipeline
    path.write_text(json.dumps({"source": recorded.deciding()}))
    need_recorded(path, SourceParams(layout="folder", root="x", storage="shards"))  # the default
    with pytest.raises(UserError, match="'mine' changed since the stage `code`"):
        need_recorded(path, SourceParams(layout="folder", root="y"))
    path.write_text("{")
    with pytest.raises(UserError, match=r"mine\.json(.|\n)*dvc repro code"):
        need_recorded(path, recorded)
