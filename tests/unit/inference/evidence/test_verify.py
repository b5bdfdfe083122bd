"""Every change of a case, of an original or of the detector is named."""

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fakeforensics.errors import UserError
from fakeforensics.files import write_json
from fakeforensics.images.codec import encode_png
from fakeforensics.inference.crops import ExtractionSettings
from fakeforensics.inference.evidence.build import case_folder
from fakeforensics.inference.evidence.case import BOUND, read_case
from fakeforensics.inference.evidence.verify import _score_again, verify_case
from fakeforensics.inference.inputs import find_inputs
from fakeforensics.inference.package import Package, with_inconclusive
from fakeforensics.inference.predict import Predictor, predict_together, score_known_reals
from fakeforensics.params import FacesParams
from fakeforensics.sums import write_sums
from fakeforensics.thresholds.policy import ConformalCut
from tests.unit.inference.evidence.conftest import make_case


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1 << (place % 8)
    path.write_bytes(data)


@pytest.fixture
def copy(case, tmp_path):
    return shutil.copytree(case, tmp_path / "copy")


def names(problems):
    return {problem.partition(":")[0] for problem in problems}


def test_an_untouched_case_is_scored_again_and_found_the_same(case):
    found = verify_case(case, workers=1)
    assert found.problems == []
    assert found.difference <= BOUND
    assert found.runtimes == (f"torch {torch.__version__}",) * 2


def test_another_runtime_is_named_and_gives_the_same_scores(case, with_onnx):
    record = read_case(case)
    policy = Package(Path(record.model.folder)).decision
    again = _score_again(case, record, replace(with_onnx, policy=policy), workers=1)
    assert again.problems == []
    assert again.difference <= 1e-4
    assert (record.machine.runtime[:6], again.runtime[:12]) == ("torch ", "onnxruntime ")


def test_a_case_from_before_runtimes_were_recorded_was_scored_by_torch(copy):
    record = json.loads((copy / "case.json").read_text())
    del record["machine"]["runtime"]
    write_json(copy / "case.json", record)
    assert read_case(copy).machine.runtime == "torch"


def test_one_changed_byte_names_the_file(copy):
    rng = np.random.default_rng(0)
    files = sorted(path for path in copy.rglob("*") if path.is_file())
    assert len(files) > 20
    for path in files:
        size = path.stat().st_size
        for place in {size - 1, int(rng.integers(size))}:
            flip(path, place)
            found = verify_case(copy, hashes_only=True)
            assert names(found.problems) == {path.relative_to(copy).as_posix()}, (path, place)
            flip(path, place)
    assert verify_case(copy, hashes_only=True).problems == []


def test_missing_and_foreign_files_are_named(copy, tmp_path):
    gone = copy / read_case(copy).files[0].faces[0].crop
    gone.unlink()
    (copy / "pictures/extra.png").write_bytes(b"")
    (copy / "inputs/link.png").symlink_to("/etc/hostname")
    os.mkfifo(copy / "pipe")
    problems = verify_case(copy, hashes_only=True).problems
    assert names(problems) == {
        *(gone.relative_to(copy).as_posix(), "pictures/extra.png", "inputs/link.png", "pipe")
    }


@pytest.mark.parametrize("name", ["case.json", "SHA256SUMS"])
def test_without_its_record_or_its_hashes_a_case_is_not_sound(copy, name):
    (copy / name).unlink()
    assert names(verify_case(copy, hashes_only=True).problems) == {name}


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("model.safetensors", "the weights"),
        ("model.json", "the card"),
        ("decision.json", "the decision policy"),
        ("errors.json", "errors.json"),
    ],
)
def test_a_changed_detector_is_named_and_does_not_score_again(case, documented, tmp_path, name, role):
    package = shutil.copytree(documented.directory, tmp_path / "joint")
    flip(package / name, (package / name).stat().st_size // 2)
    found = verify_case(case, package)
    (problem,) = found.problems
    assert role in problem
    assert name in problem
    assert found.difference is None


def test_the_reason_for_not_scoring_again_is_the_true_one(copy, tmp_path):
    (remark,) = verify_case(copy, tmp_path / "gone").remarks
    assert "the detector is missing" in remark
    flip(copy / read_case(copy).files[0].stored, 9)
    (remark,) = verify_case(copy).remarks
    assert "a file was changed" in remark
    assert verify_case(copy, hashes_only=True).remarks == []  # the user asked for that


def test_a_changed_original_is_named_and_one_that_is_gone_is_remarked(case, evidence):
    original = evidence / "clip.mp4"
    data = original.read_bytes()
    try:
        flip(original, 9)
        (problem,) = verify_case(case, hashes_only=True).problems
        assert "clip.mp4: the original has changed" in problem
        original.unlink()
        found = verify_case(case, hashes_only=True)
        assert found.problems == []
        assert any("clip.mp4" in remark for remark in found.remarks)
    finally:
        original.write_bytes(data)


def forge(copy, change):
    """Change the record and hash everything again, as somebody does who knows how."""
    record = json.loads((copy / "case.json").read_text())
    change(record)
    (copy / "case.json").write_text(json.dumps(record))
    write_sums(copy)


def test_a_forged_score_or_verdict_is_found_by_scoring_again(copy):
    def change(record):
        score = record["files"][0]["faces"][0]["assessment"]
        score["score"] += 20 * BOUND * max(1, abs(score["score"]))
        person = record["files"][1]["people"][0]["assessment"]
        person["verdict"] = "real" if person["verdict"] == "fake" else "fake"

    forge(copy, change)
    problems = verify_case(copy, workers=1).problems
    assert any(problem.startswith("inputs/0001.png") and " then, " in problem for problem in problems)
    assert any(problem.startswith("inputs/0002.mp4") and "does not follow" in problem for problem in problems)


def test_inconclusive_verdicts_that_were_asked_for_follow_from_the_recorded_policy(
    documented, photo, tmp_path
):
    # No image lies beyond either cut: the package's own threshold would have called it real or fake.
    cut = ConformalCut(error_rate=0.5, fake_from=1e9, real_to=-1e9)
    folder = shutil.copytree(documented.directory, tmp_path / "joint")
    own = documented.decision.model_copy(update={"conformal": (cut,)})
    write_json(folder / "decision.json", own.model_dump(mode="json"))
    write_sums(folder)
    asked = with_inconclusive(Package(folder), 0.5)
    make_case(tmp_path / "case", asked, [photo])
    record = read_case(tmp_path / "case")
    assert record.model.policy == own.model_copy(update={"inconclusive": 0.5})
    assert [one.assessment.verdict for one in record.files[0].people] == ["inconclusive"]
    assert verify_case(tmp_path / "case", workers=1).problems == []
    # A cut that the package does not have was never asked for.
    forge(tmp_path / "case", lambda of: of["model"]["policy"]["conformal"][0].update(fake_from=-1e9))
    (problem,) = verify_case(tmp_path / "case", hashes_only=True).problems
    assert problem.startswith("case.json: the policy's `conformal` is ")


@pytest.fixture(scope="module")
def adapted(documented, portrait, tmp_path_factory):
    """A case of 60 pictures, one of them a known real, judged by a threshold chosen with 4 known reals."""
    folder = tmp_path_factory.mktemp("adapted")
    rng = np.random.default_rng(0)
    for name, count in (("shots", 60), ("own", 4)):
        (folder / name).mkdir()
        for number in range(count):
            top, left = rng.integers(0, 512 - 64, 2)
            crop = portrait[top : top + 64, left : left + 64]
            (folder / name / f"{number:02d}.png").write_bytes(encode_png(np.ascontiguousarray(crop)))
    shutil.copy(folder / "own/03.png", folder / "shots/00.png")
    settings = ExtractionSettings("whole", FacesParams(size=96))
    items, own = (find_inputs([str(folder / name)]) for name in ("shots", "own"))
    predictor = Predictor(documented, settings, workers=1)
    command = ["fakeforensics", "predict"]
    with case_folder(folder / "case", documented, predictor, settings, items.items, command, 16) as writer:
        known = score_known_reals(predictor, own)
        package, predictions = predict_together(documented, predictor, items.items, known, keeps_crops=True)
        writer.decide_by(package)
        writer.record_known_reals(known)
        assert len(list(writer.recorded(predictions))) == 60
    return folder


def test_an_adapted_case_holds_its_known_reals_and_is_adapted_again(adapted):
    record = read_case(adapted / "case")
    assert [one.stored for one in record.known_reals] == [
        f"known_reals/000{number}.png" for number in (1, 2, 3, 4)
    ]
    for number, one in enumerate(record.known_reals):
        original = adapted / f"own/0{number}.png"
        digest = hashlib.sha256(original.read_bytes()).hexdigest()
        assert (one.sha256, one.size, one.path) == (digest, original.stat().st_size, str(original))
        assert digest in (adapted / "case/report.html").read_text()
    chosen = record.model.policy.adapted
    assert (chosen.known_reals, chosen.scores) == (4, 59)  # shots/00.png is a known real itself
    assert len(record.unlabeled_scores()) == 59
    found = verify_case(adapted / "case", workers=1)
    assert found.problems == []
    assert found.remarks == []
    assert found.difference <= BOUND


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda record: record["model"]["policy"].update(threshold=1e6), "threshold"),
        (lambda record: record["model"]["policy"].update(chosen="by chance"), "chosen"),
        (lambda record: record["model"]["policy"]["adapted"].update(scores=58), "adapted"),
        (lambda record: record["known_reals"][0].update(score=1e6), "threshold"),
    ],
)
def test_a_policy_that_does_not_follow_from_the_recorded_scores_is_named(adapted, tmp_path, change, field):
    copy = shutil.copytree(adapted / "case", tmp_path / "copy")
    forge(copy, change)
    problems = verify_case(copy, hashes_only=True).problems
    assert any(problem.startswith(f"case.json: the policy's `{field}` is ") for problem in problems)


def test_a_forged_score_of_a_known_real_is_found_by_scoring_again(adapted, tmp_path):
    copy = shutil.copytree(adapted / "case", tmp_path / "copy")
    forge(copy, lambda record: record["known_reals"][1].update(score=record["known_reals"][1]["score"] + 1))
    problems = verify_case(copy, workers=1).problems
    assert any(problem.startswith("known_reals/0002.png") and " then, " in problem for problem in problems)


def test_a_known_real_that_was_changed_or_left_out_is_named(adapted, tmp_path):
    copy = shutil.copytree(adapted / "case", tmp_path / "copy")
    flip(copy / "known_reals/0002.png", 70)
    (copy / "known_reals/0003.png").unlink()
    found = verify_case(copy, workers=1)
    assert names(found.problems) == {"known_reals/0002.png", "known_reals/0003.png"}
    assert found.difference is None
    copy = shutil.copytree(adapted / "case", tmp_path / "second")
    (copy / "known_reals/0004.png").unlink()
    forge(copy, lambda record: record["known_reals"].pop())
    (problem,) = verify_case(copy, hashes_only=True).problems
    assert problem == "case.json: 3 known reals are recorded, but the policy was derived from 4"
    original = adapted / "own/00.png"
    data = original.read_bytes()
    try:
        flip(original, 70)
        (problem,) = verify_case(adapted / "case", hashes_only=True).problems
        assert problem == f"{original}: the original has changed since the case was made"
        original.unlink()
        (remark,) = verify_case(adapted / "case", hashes_only=True).remarks
        assert "known_reals/0001.png was checked" in remark
    finally:
        original.write_bytes(data)


def test_a_case_from_before_known_reals_were_recorded_says_what_was_not_checked(adapted, tmp_path):
    copy = shutil.copytree(adapted / "case", tmp_path / "copy")
    shutil.rmtree(copy / "known_reals")
    forge(copy, lambda record: record.pop("known_reals"))
    found = verify_case(copy, hashes_only=True)
    assert found.problems == []
    assert (
        "the 4 known reals were not recorded, so the policy was not derived from them again" in found.remarks
    )


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "inputs/../../x.png", "inputs/0001.png/.."]
)
def test_a_name_in_a_record_never_leads_out_of_the_folder(copy, name):
    forge(copy, lambda record: record["files"][0].update(stored=name))
    with pytest.raises(UserError, match="stored"):
        verify_case(copy, hashes_only=True)


def test_a_record_of_another_version_is_refused(copy):
    forge(copy, lambda record: record.update(schema_version=2))
    with pytest.raises(UserError, match=r"expected: schema_version 1(.|\n)*found: 2"):
        verify_case(copy, hashes_only=True)


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        verify_case(tmp_path / "nothing")
