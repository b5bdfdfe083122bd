"""DVC does not follow imports, so each stage must name the code that it uses."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from fakeforensics.code import PLUMBING, direct_imports, import_closure, module_file

ROOT = Path(__file__).parents[2]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


def used_by(stage: str) -> set[str]:
    """The modules that a stage's script imports, directly or through others."""
    return {module for name in direct_imports(ROOT / f"stages/{stage}.py") for module in import_closure(name)}


def covers(dep: str, module: str) -> bool:
    path = module_file(module).relative_to(ROOT)
    if path.name == "__init__.py" and not ast.parse(path.read_text()).body[1:]:
        return True  # a docstring alone computes nothing
    return Path(dep) == path or Path(dep) in path.parents


def dependencies(stage: dict) -> list[str]:
    body = stage.get("do", stage)
    return [dep for dep in body["deps"] if isinstance(dep, str)]


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_all_the_code_that_it_imports(name):
    deps = dependencies(STAGES[name])
    script = f"stages/{name}.py"
    assert script in deps
    missing = [
        module for module in sorted(used_by(name) - PLUMBING) if not any(covers(dep, module) for dep in deps)
    ]
    assert not missing


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_no_code_that_it_does_not_import(name):
    used = used_by(name)
    unused = [
        dep
        for dep in dependencies(STAGES[name])
        if dep.startswith("src/") and not any(covers(dep, module) for module in used)
    ]
    assert not unused


@pytest.mark.parametrize("room", ["training", "evaluation", "models", "detectors", "storage", "thresholds"])
def test_training_and_scoring_need_neither_dvc_nor_dlib(room):
    # GPU nodes often have neither.
    for path in (ROOT / "src/fakeforensics" / room).glob("*.py"):
        names = re.findall(r"^\s*(?:import|from)\s+(\w+)", path.read_text(), flags=re.MULTILINE)
        assert not {"dvc", "dlib", "av"} & set(names), path
