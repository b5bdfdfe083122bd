"""What the pipelines say about code, and which parts of the code may use which."""

import re
from pathlib import Path

import pytest
import yaml

from fakeforensics.code import PACKAGES, direct_imports, import_closure, module_file
from fakeforensics.params import load_params
from tests.pipeline.conftest import stages

ROOT = Path(__file__).parents[2]
STAGES = stages()
# From the bottom up: a package may use those before it.
ORDER = (
    *("errors", "names", "wording", "files", "sums", "code", "palette", "reading", "parquet"),
    *("parsing", "yaml12", "params", "experiments", "lookahead", "processes", "progress", "devices"),
    *("commands", "cluster", "spread"),
    *("sources", "images", "faces"),
    *("metrics", "models", "detectors", "scoring", "splits", "training", "thresholds"),
    *("seeds", "lambda_grid"),
    *(
        "score_file",
        "external",
        "reporting",
        "thesis",
        "inference",
        "cli_data",
        "cli_evaluate",
        "cli_models",
        "cli",
    ),
)


def dependencies(stage: str) -> list[str]:
    body = STAGES[stage].get("do", STAGES[stage])
    return [dep for dep in body["deps"] if isinstance(dep, str)]


@pytest.mark.parametrize("name", [name for name in STAGES if name != "code"])
def test_a_stage_depends_on_what_its_code_does_and_on_no_source_file(name):
    deps = dependencies(name)
    # Each source has a file of its own, with its settings.
    of_source = {"inventory": "inventory/${key}", "faces": "images/${key}"}
    assert f"data/code/{of_source.get(name, name)}.json" in deps
    in_code = [ROOT / dep for dep in deps if dep.startswith(("src/", "stages/", "examples/"))]
    assert not [path for path in in_code if path.suffix == ".py" or [*path.rglob("*.py")]]


def test_every_protocol_has_the_pipeline_of_the_template():
    template = (ROOT / "pipelines/template.yaml").read_text()
    pipelines = sorted((ROOT / "pipelines").glob("*/dvc.yaml"))
    assert {path.parent.name for path in pipelines} >= {*load_params(ROOT / "params.yaml").protocols}
    for path in pipelines:
        assert path.read_text() == template, f"{path}: run `python -m stages.pipeline`"
        assert yaml.safe_load(path.with_name("protocol.yaml").read_text()) == {"protocol": [path.parent.name]}


def test_the_stages_of_a_protocol_begin_in_the_project_folder():
    # DVC's paths are relative to the stage's folder, and the template is for all protocols.
    template = yaml.safe_load((ROOT / "pipelines/template.yaml").read_text())["stages"]
    assert {stage.get("do", stage)["wdir"] for stage in template.values()} == {"../.."}


def test_the_hashes_of_code_depend_on_all_code():
    assert {Path(dep).name for dep in dependencies("code")} == set(PACKAGES)


def package_of(module: str) -> str:
    return [*module.split("."), ""][1]


def test_imports_go_down_only():
    upward = []
    for path in sorted((ROOT / "src/fakeforensics").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts).removesuffix(".__init__")
        own = package_of(module)
        # A package alone is imported to find modules in its folder by name.
        used = {name for name in direct_imports(path, module) if module_file(name).name != "__init__.py"}
        upward += [
            (module, name)
            for name in sorted(used)
            if own and ORDER.index(package_of(name)) > ORDER.index(own)
        ]
    assert not upward


def test_nothing_but_the_stages_knows_the_thesis():
    knowing = [
        str(path)
        for path in (ROOT / "src/fakeforensics").rglob("*.py")
        if path.parent.name != "thesis"
        and any(name.startswith("fakeforensics.thesis") for name in direct_imports(path, "fakeforensics.x.y"))
    ]
    assert not knowing


@pytest.mark.parametrize("stage", ["code", "settings", "train", "score", "evaluate", "compare", "package"])
def test_training_and_scoring_need_neither_dvc_nor_dlib(stage):
    # GPU nodes often have neither.
    for name in import_closure(f"stages.{stage}"):
        path = ROOT / "src" / Path(*name.split(".")).with_suffix(".py")
        if path.is_file():
            names = re.findall(r"^(?:import|from)\s+(\w+)", path.read_text(), flags=re.MULTILINE)
            assert not {"dvc", "dlib", "av", "skimage"} & set(names), path
