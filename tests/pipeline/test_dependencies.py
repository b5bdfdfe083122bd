"""DVC does not follow imports, so each stage must name the code that it uses."""

import ast
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
# Shared plumbing whose changes do not change a stage's result: docs/decisions/001-dependencies.md.
PLUMBING = {"fakeforensics", "fakeforensics.params", "fakeforensics.files", "fakeforensics.errors"}
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


def module_file(name: str) -> Path | None:
    base = ROOT.joinpath("src" if name.startswith("fakeforensics") else "", *name.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.exists():
            return candidate
    return None


def imports(path: Path) -> set[str]:
    """The project's modules that a file imports, at its top or inside a function, but not for types alone."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.startswith("fakeforensics") and module_file(name)}


def closure(path: Path) -> set[str]:
    seen, todo = set(), imports(path)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo |= imports(module_file(name)) - seen
    return seen


def covers(dep: str, module: str) -> bool:
    path = module_file(module).relative_to(ROOT)
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
        module
        for module in sorted(closure(ROOT / script) - PLUMBING)
        if not any(covers(dep, module) for dep in deps)
    ]
    assert not missing


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_no_code_that_it_does_not_import(name):
    used = closure(ROOT / f"stages/{name}.py")
    unused = [
        dep
        for dep in dependencies(STAGES[name])
        if dep.startswith("src/") and not any(covers(dep, module) for module in used)
    ]
    assert not unused


@pytest.mark.parametrize("room", ["training", "evaluation", "models", "objectives", "storage", "thresholds"])
def test_training_and_scoring_need_neither_dvc_nor_dlib(room):
    # GPU nodes often have neither.
    for path in (ROOT / "src/fakeforensics" / room).glob("*.py"):
        names = re.findall(r"^\s*(?:import|from)\s+(\w+)", path.read_text(), flags=re.MULTILINE)
        assert not {"dvc", "dlib", "av"} & set(names), path
