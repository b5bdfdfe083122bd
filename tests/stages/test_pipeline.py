"""The pipeline stage: a protocol's copy of the template."""

from pathlib import Path

import pytest
import yaml

from fakeforensics.errors import UserError
from stages.pipeline import main

PROTOCOL = "title: t\ntrain: [{source: a}]\ntest: {x: [{source: a}]}\n"
TEMPLATE = "vars: [protocol.yaml]\nstages: {}\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("protocols").mkdir()
    Path("pipelines").mkdir()
    Path("pipelines/template.yaml").write_text(TEMPLATE)
    for name in ("p", "null"):  # YAML would read the second one as no name at all
        Path(f"protocols/{name}.yaml").write_text(PROTOCOL)
    return tmp_path


@pytest.mark.parametrize("name", ["p", "null"])
def test_a_new_pipeline_is_the_template_and_the_name(project: Path, name: str) -> None:
    main(name, run=False)
    folder = project / "pipelines" / name
    assert (folder / "dvc.yaml").read_text() == TEMPLATE
    assert yaml.safe_load((folder / "protocol.yaml").read_text()) == {"protocol": [name]}


def test_one_that_is_up_to_date_stays_and_does_not_run(project: Path) -> None:
    main("p", run=False)
    main("p")  # `dvc repro` would fail: this is no DVC repository


def test_one_that_does_not_follow_from_the_template_is_written_anew_and_the_run_ends(project: Path) -> None:
    main("p", run=False)
    Path("pipelines/p/dvc.yaml").write_text("stages: {old: {cmd: x}}\n")
    # DVC has read the old one when the stage runs, and would go on with it.
    with pytest.raises(UserError, match="run the same command again"):
        main("p")
    assert Path("pipelines/p/dvc.yaml").read_text() == TEMPLATE


def test_without_a_name_all_that_there_are_are_written(project: Path) -> None:
    main("p", run=False)
    Path("pipelines/template.yaml").write_text(TEMPLATE + "# changed\n")
    main()
    assert Path("pipelines/p/dvc.yaml").read_text() == TEMPLATE + "# changed\n"
    assert not Path("pipelines/null").exists()


@pytest.mark.parametrize(("name", "message"), [("q", "there is no protocol 'q'"), ("../p", "is not a name")])
def test_a_name_without_a_protocol_is_refused(project: Path, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        main(name, run=False)
    assert [path.name for path in Path("pipelines").iterdir()] == ["template.yaml"]
