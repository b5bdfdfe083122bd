"""The demo stage; test_build.py makes the smallest demo."""

import json
import sys
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from examples.demo import Recipe, build
from fakeforensics.errors import UserError
from stages.demo import main


@pytest.fixture
def app() -> Typer:
    app = Typer()
    app.command()(main)
    return app


def arguments(folder: Path) -> list[str]:
    (folder / "params.yaml").write_text(
        "demo: {seed: 7, scale: 0.01}\nprotocols: [demo]\nsources: {}\n"
        "detectors: [bce]\ncompare: {baseline: bce}\n"
    )
    names = {"--params": "params.yaml", "--output": "raw", "--summary": "demo.json"}
    return [part for option, name in names.items() for part in (option, str(folder / name))]


def test_the_stage_makes_the_data_and_says_what_it_made(
    app: Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {"note": "Demo data", "files": 3, "bytes": 1_250_000}
    asked = []
    monkeypatch.setattr(build, "build", lambda *arguments: asked.append(arguments) or made)
    done = CliRunner().invoke(app, arguments(tmp_path), catch_exceptions=False)
    assert done.exit_code == 0
    assert asked == [(tmp_path / "raw", 7, Recipe().scaled(0.01))]
    assert f"3 files, 1.2 MB in {tmp_path / 'raw'}: demo data, not a benchmark" in done.output
    assert json.loads((tmp_path / "demo.json").read_text()) == made


def test_a_missing_package_is_named(app: Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As if scikit-image were not installed when the demo's modules are imported for the first time.
    for name in [name for name in sys.modules if name.startswith("examples.demo.")]:
        monkeypatch.delitem(sys.modules, name)
        monkeypatch.delattr(name, raising=False)
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(UserError, match="package skimage"):
        CliRunner().invoke(app, arguments(tmp_path), catch_exceptions=False)
