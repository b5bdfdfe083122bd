"""Every protocol with every detector, from replicas of the data sets to the report."""

import importlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from torch import nn
from torchvision import models as zoo
from torchvision.models.resnet import BasicBlock, ResNet

from fakeforensics.params import load_params
from fakeforensics.reporting.blocks import EMPTY, Table
from fakeforensics.reporting.page import build_report
from fakeforensics.reporting.results import read_project
from fakeforensics.splits.protocol import load_protocol
from fakeforensics.thesis.pilot import pilot_chapters
from fakeforensics.thesis.tables import label, pilot_tables, reference_of
from tests.replicas import write_replicas

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DETECTORS = {"bce": ("sl",), "sad": ("cd",), "joint": ("sl", "cd")}
# The thesis's columns and how the report heads them.
COLUMNS = {("bce", "sl"): "BCE", ("sad", "cd"): "SAD"}
COLUMNS |= {("joint", "sl"): "BCE+SAD S_SL", ("joint", "cd"): "BCE+SAD S_CD"}
NAMES = sorted(
    path.stem for path in (ROOT / "protocols").glob("*.yaml") if path.stem not in ("demo", "sample")
)
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


def shrink(params):
    """One epoch, little images, few draws."""
    params["train"] |= {"weights": "none", "crop_size": 32, "batch_size": 16, "max_epochs": 1}
    params["evaluate"] |= {"bootstrap": 100, "corruptions": ["jpeg_50"]}
    params["thresholds"] |= {"bootstrap": 100, "known_reals": [2], "draws": 5}


MINE = """
title: Trained on CelebA against StarGAN, tested on FaceApp and on fakes alone
train: [{source: dffd, domain: celeba, methods: [real, stargan]}]
test:
  faceapp: [{source: dffd, domain: ffhq, methods: [real, faceapp]}]
  sngan: [{source: pilot, methods: sngan, splits: all}]
unseen: [faceapp, sngan]
"""


def thin_resnet(name, weights, **options):
    """A hundredth of the weights: this is about the pipeline, and a hundred models are written and read."""
    network = ResNet(BasicBlock, [1, 1, 1, 1])
    network.layer2, network.layer3, network.layer4 = nn.Identity(), nn.Identity(), nn.Conv2d(64, 512, 1)
    return network


def prepare(clone, protocols):
    """Point a clone at replicas and at these protocols."""
    sources = write_replicas(clone.path / "replicas")
    folder = clone.path / "protocols"
    needed = {source for name in protocols for source in load_protocol(name, folder).sources()}

    def configure(params):
        shrink(params)
        params |= {"protocols": protocols, "sources": {name: sources[name] for name in sorted(needed)}}

    clone.edit("params.yaml", configure)
    for path in folder.glob("pilot_*.yaml"):
        clone.edit(
            f"protocols/{path.name}", lambda protocol: protocol["params"]["train"].update(crop_size=32)
        )


def run_stages(sources, protocols):
    """Call what dvc.yaml lists, in its order, within this process: loading torch takes seconds."""
    for name, stage in STAGES.items():
        main = importlib.import_module(f"stages.{name}").main
        if "matrix" in stage:
            for protocol in protocols:
                for detector in DETECTORS:
                    main(protocol, detector)
        elif "foreach" in stage:
            for item in sources if stage["foreach"] == "${sources}" else protocols:
                main(item)
        elif name != "demo":
            main()


@pytest.fixture(scope="module")
def project(make_clone, tmp_path_factory):
    """A fresh copy with one more protocol, in which everything has run."""
    clone = make_clone(tmp_path_factory.mktemp("replicas"))
    (clone.path / "protocols/mine.yaml").write_text(MINE)
    protocols = [*NAMES, "mine"]
    prepare(clone, protocols)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo, "get_model", thin_resnet)
        patch.chdir(clone.path)
        run_stages(load_params().sources, protocols)
        yield clone.path


@pytest.fixture(scope="module")
def chapters(project):
    params = load_params()
    results = [
        replace(one, reference=reference_of(one.name, one.protocol.reference))
        for one in read_project(project, params)
    ]
    report = build_report(results, params, pilot_chapters(results))
    return {chapter.anchor: chapter for chapter in report.chapters}


def tables(chapter):
    return [block for section in chapter.sections for block in section.blocks if isinstance(block, Table)]


def check(table, printed):
    """Every printed value, by row and column, is below ours with the difference."""
    columns = [f"{column.group} {column.title}".strip() for column in table.columns]
    heading, found = "", {}
    for row in table.rows:
        heading = heading if row.cells else row.label
        found |= {(heading, row.label, name): cell for name, cell in zip(columns, row.cells, strict=False)}
    assert EMPTY not in {cell.text for cell in found.values()}
    assert set(printed) <= set(found)
    for place, theirs in printed.items():
        assert found[place].reference == f"{theirs:.2f}"
        # Ours is shown with two digits; the difference is of the unrounded value.
        assert found[place].difference == pytest.approx(float(found[place].text) - theirs, abs=0.006)
    assert {place for place, cell in found.items() if cell.reference} == set(printed) or table.rows[
        -1
    ].summary


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("pilot")])
def test_every_cell_of_the_thesis_is_next_to_ours_with_the_difference(chapters, name):
    reference = reference_of(name, load_protocol(name, ROOT / "protocols").reference)
    (table,) = [table for table in tables(chapters[name]) if table.has_references]
    unseen = "Average of the 2 unseen"  # the one table that prints this average
    titles = {"mean": f"Average of all {len(reference.ap.rows)}", "mean_unseen": unseen}
    rows = {label(set_): row for set_, row in reference.ap.rows.items()}
    rows |= {titles[kind]: row for kind, row in reference.ap.means.items()}
    check(
        table, {("", row, COLUMNS[key]): value for row, cells in rows.items() for key, value in cells.items()}
    )
    assert all(cell.reference for row in table.rows for cell in row.cells)


def test_every_cell_of_the_pilot_study_is_next_to_ours_with_the_difference(chapters):
    shown = tables(chapters["pilot-study"])
    for table, printed in zip(shown, pilot_tables(), strict=True):
        values = {
            (f"Tested on {label(name)}", str(n), "BCE"): value
            for name, by_number in printed.accuracy.items()
            for n, value in by_number.items()
        }
        check(table, values)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("pilot")])
def test_fakes_alone_have_what_is_defined_and_say_why_there_is_no_more(project, chapters, name):
    plan = load_protocol(name, ROOT / "protocols")
    filed = {"sl": "accuracy", "cd": "accuracy_at_validation_threshold"}
    for detector, scores in DETECTORS.items():
        metrics = json.loads((project / f"metrics/{name}/{detector}.json").read_text())
        assert set(metrics) == {*(filed[score] for score in scores), "validation"}
        for score in scores:
            assert list(metrics[filed[score]][score]) == list(plan.test)
        thresholds = json.loads((project / f"metrics/{name}/{detector}.thresholds.json").read_text())
        assert thresholds["table_4_10"] == []
        assert "holds no real image" in thresholds["fakes_alone"]["undefined"]
        assert (project / f"metrics/{name}/{detector}.decision.json").is_file()
    compared = json.loads((project / f"metrics/{name}/comparison.json").read_text())
    assert list(compared) == ["baseline", "accuracy_difference"]
    assert len(compared["accuracy_difference"]) == 3 * len(plan.test)
    (table,) = [table for table in tables(chapters[name]) if "fakes alone" in table.caption]
    assert [row.label for row in table.rows] == [label(set_) for set_ in plan.test]
    assert EMPTY not in {cell.text for row in table.rows for cell in row.cells}


def test_adding_a_protocol_takes_one_file_and_its_sets_may_be_of_both_kinds(chapters):
    precision, fakes = tables(chapters["mine"])[:2]
    assert [row.label for row in precision.rows] == ["faceapp"]  # fakes alone have none
    assert [row.label for row in fakes.rows] == ["sngan"]
    (line,) = [row for row in tables(chapters["overview"])[0].rows if row.label == "mine"]
    assert EMPTY not in {cell.text for cell in line.cells}


def test_the_report_is_complete_and_stands_alone(project):
    html = (project / "report/report.html").read_text()
    assert "were missing when this report was made" not in html
    assert "http:" not in html
    assert "https:" not in html
    for name in NAMES:
        assert f'id="{name}"' in html


def test_dvc_runs_a_pilot_and_a_mff_protocol_and_resolves_all(make_clone, tmp_path):
    clone = make_clone(tmp_path / "clone")
    prepare(clone, NAMES)
    clone.edit("params.yaml", lambda params: params["demo"].update(scale=0.05))
    clone.run("dvc", "repro", "evaluate@mff_4_4-joint", "thresholds@pilot_3_6-sad")
    metrics = json.loads((clone.path / "metrics/mff_4_4/joint.json").read_text())
    assert set(metrics["ap"]["cd"]) >= {"stylegan_ffhq", "faceapp_ffhq", "mean"}
    assert (clone.path / "metrics/pilot_3_6/sad.decision.json").is_file()
    graph = clone.run("dvc", "dag", "--dot")
    for name in NAMES:
        assert f'"splits@{name}" -> "report"' in graph
        for detector in DETECTORS:
            assert f'"train@{name}-{detector}" -> "evaluate@{name}-{detector}"' in graph
            assert f'"evaluate@{name}-{detector}" -> "compare@{name}"' in graph
