import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fakeforensics.errors import UserError
from fakeforensics.params import Params
from fakeforensics.splits.settings import resolve_settings

PROTOCOL = """
title: t
train: [{source: a}]
test: {x: [{source: a}]}
params: {train: {max_epochs: 3}, augment: {flip_prob: 0.0}}
"""


def resolve(folder: Path, objective: str, protocol: str = PROTOCOL, **params: Any) -> dict[str, Any]:
    (folder / "p.yaml").write_text(protocol)
    settings = Params.model_validate({"protocols": ["p"], "sources": {}} | params)
    return resolve_settings(settings, "p", objective, folder)


def test_lambda_is_in_the_joint_settings_alone(tmp_path: Path) -> None:
    assert resolve(tmp_path, "joint", **{"lambda": 0.1})["lambda"] == 0.1
    for objective in ("bce", "sad"):
        assert resolve(tmp_path, objective, **{"lambda": 0.1}) == resolve(
            tmp_path, objective, **{"lambda": 1}
        )


def test_the_protocols_own_settings_replace_those_of_params(tmp_path: Path) -> None:
    settings = resolve(tmp_path, "bce", train={"max_epochs": 50, "batch_size": 8})
    assert settings["train"]["max_epochs"] == 3
    assert settings["train"]["batch_size"] == 8
    assert settings["augment"]["flip_prob"] == 0


def test_who_does_the_work_is_no_part_of_the_experiment(tmp_path: Path) -> None:
    here, there = ({"workers": 2, "devices": 1}, {"workers": "auto", "devices": 4})
    assert resolve(tmp_path, "bce", train=here) == resolve(tmp_path, "bce", train=there)


@pytest.mark.parametrize(
    "fault", ["{train: {epochs: 3}}", "{train: {max_epochs: 0}}", "{faces: {size: 128}}"]
)
def test_an_override_that_is_no_setting_is_refused(tmp_path: Path, fault: str) -> None:
    with pytest.raises(UserError, match=r"p\.yaml"):
        resolve(tmp_path, "bce", PROTOCOL.split("params")[0] + f"params: {fault}")


def test_an_unknown_objective_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown objective 'svdd'"):
        resolve(tmp_path, "svdd")


def test_the_numbers_of_instances_are_passed_on(tmp_path: Path) -> None:
    settings = resolve(tmp_path, "bce", PROTOCOL + "instances: {seen: [1, 2], fakes: 4, val_fakes: 2}\n")
    assert settings["instances"] == [1, 2]


def test_no_heavy_library_is_loaded() -> None:
    code = (
        "import sys, fakeforensics.splits.settings, stages.settings;"
        "print([name for name in ('torch', 'pandas', 'numpy', 'cv2') if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert run.stdout.strip() == "[]"
