"""Checks a case folder: its files, the detector, the original files, and the scores by scoring again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fakeforensics.errors import UserError
from fakeforensics.files import sha256_file
from fakeforensics.inference.assessment import ScoreRule
from fakeforensics.inference.choose import open_package
from fakeforensics.inference.crops import ExtractionSettings
from fakeforensics.inference.evidence.build import pixel_digest
from fakeforensics.inference.evidence.case import (
    BOUND,
    CASE,
    AssessmentRecord,
    Case,
    FileRecord,
    KnownRealRecord,
    read_case,
)
from fakeforensics.inference.evidence.environment import describe_program, hash_package
from fakeforensics.inference.inputs import Item, read_frames
from fakeforensics.inference.onnx_record import ONNX
from fakeforensics.inference.package import Package, need_decision, with_inconclusive
from fakeforensics.inference.predict import Prediction, Predictor, adapted_policy
from fakeforensics.models.card import CARD, WEIGHTS
from fakeforensics.sums import differences
from fakeforensics.thresholds.policy import DECISION

_ROLES = {
    WEIGHTS: "the weights",
    ONNX: "the network",
    CARD: "the card",
    DECISION: "the decision policy",
}


SHARE_BOUND = 1e-3  # allowed difference of an estimated share of fakes


class Verification(NamedTuple):
    """The result of a check.

    Args:
        problems: The changes that were found, one line each; empty if nothing was changed.
        remarks: Differences that do not make the case wrong, such as another machine.
        difference: The largest difference of a score, relative to the larger of 1 and the score's size; None
            if nothing was scored again.
        runtimes: The libraries that computed the scores then and now; empty if nothing was scored again.
    """

    problems: list[str]
    remarks: list[str]
    difference: float | None
    runtimes: tuple[str, ...] = ()


def verify_case(
    folder: Path, model: Path | None = None, workers: int = 0, *, hashes_only: bool = False
) -> Verification:
    """Check every hash of a case folder, score its files again, and compare.

    Args:
        folder: The case folder.
        model: Folder of the detector's package; by default the folder that the case was made with.
        workers: Processes that find faces; 0 starts one per core.
        hashes_only: Whether to skip the scoring.

    Raises:
        UserError: If there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder", fix="name the folder that --report wrote")
    problems = [*differences(folder)]
    remarks: list[str] = []
    if any(problem.startswith(f"{CASE}:") for problem in problems):
        unscored = ["the files were not scored again, as the record was changed"]
        return Verification(problems, [] if hashes_only else unscored, None)
    case = read_case(folder)
    originals, gone = _check_originals(case)
    problems += originals
    remarks += gone + _program_remarks(case)
    package = Path(case.model.folder) if model is None else model
    broken = [*_model_problems(case, package)]
    problems += broken
    stored = {file.stored for file in case.copied()}
    if broken or any(problem.partition(":")[0] in stored for problem in problems):
        if not hashes_only:
            why = "the detector is missing or was changed" if broken else "a file was changed"
            remarks.append(f"the files were not scored again, as {why}")
        return Verification(problems, remarks, None)
    opened = open_package(package)
    policy, unknown = _policy_problems(case, opened)
    problems += policy
    remarks += unknown
    if hashes_only:
        return Verification(problems, remarks, None)
    decided = replace(opened, policy=case.model.policy)
    again = _score_again(folder, case, decided, workers)
    runtimes = (case.machine.runtime, again.runtime)
    return Verification(problems + again.problems, remarks, again.difference, runtimes)


def _check_originals(case: Case) -> tuple[list[str], list[str]]:
    changed, gone = [], []
    for file in case.copied():
        path = Path(file.path)
        if not path.is_file():
            gone.append(f"{file.name}: the original is no longer there; its copy {file.stored} was checked")
        elif path.stat().st_size != file.size or sha256_file(path) != file.sha256:
            changed.append(f"{file.name}: the original has changed since the case was made")
    return changed, gone


def _program_remarks(case: Case) -> list[str]:
    then, now = case.program, describe_program()
    remarks = []
    if then.sha256 != now.sha256:
        known = [f"version {one.version} ({one.sha256[:12]}…)" for one in (then, now)]
        remarks.append(f"the program differs: {known[0]} then, {known[1]} now")
    if then.python != now.python:
        remarks.append(f"Python differs: {then.python} then, {now.python} now")
    for name in sorted(then.libraries.keys() | now.libraries.keys()):
        before, after = then.libraries.get(name), now.libraries.get(name)
        if before != after:
            versions = ["not there" if one is None else one.version for one in (before, after)]
            remarks.append(f"the library {name} differs: {versions[0]} then, {versions[1]} now")
    return remarks


def _model_problems(case: Case, package: Path) -> Iterator[str]:
    try:
        found = hash_package(package)
    except UserError as error:
        yield str(error)
        return
    for name, digest in case.model.files.items():
        role = f"{_ROLES[name]} {name}" if name in _ROLES else name
        if name not in found:
            yield f"{package}: {role} of the detector is missing"
        elif found[name] != digest:
            yield f"{package}: {role} of the detector was changed"
    for name in sorted(found.keys() - case.model.files.keys()):
        if name in _ROLES:
            yield f"{package}: {_ROLES[name]} {name} of the detector did not exist when the case was made"


def _policy_problems(case: Case, package: Package) -> tuple[list[str], list[str]]:
    """Check a policy that replaced the package's own; returns problems and remarks.

    The policy is computed again from the package's own policy and the recorded scores of the known reals. If
    the threshold was chosen for the files, the recorded scores of the files are used too.
    """
    recorded, known = case.model.policy, [one.score for one in case.known_reals]
    if recorded is None:
        return (
            [f"{CASE}: known reals are recorded, but no policy that was derived from them"] if known else []
        ), []
    asked = recorded.known_reals if recorded.adapted is None else recorded.adapted.known_reals
    if asked and not known:
        return [], [
            f"the {asked} known reals were not recorded, so the policy was not derived from them again"
        ]
    if asked != (len(known) or None):
        return [
            f"{CASE}: {len(known)} known reals are recorded, but the policy was derived from {asked or 0}"
        ], []
    try:
        if recorded.adapted is None:
            again = need_decision(with_inconclusive(package, recorded.inconclusive, known or None))
        else:
            again = adapted_policy(need_decision(package), case.unlabeled_scores(), known)
    except UserError as error:
        return [f"{CASE}: the recorded policy cannot be derived again: {error}"], []
    then, now = recorded.model_dump(), again.model_dump()
    return [
        f"{CASE}: the policy's `{name}` is {then[name]}, but {now[name]} if derived again from the scores"
        for name in then
        if not _is_same(then[name], now[name])
    ], []


def _is_same(then: object, now: object) -> bool:
    """Whether parts of two policies are equal; estimated shares of fakes may differ by `SHARE_BOUND`."""
    if not (isinstance(then, dict) and isinstance(now, dict) and "fake_share" in now):
        return then == now
    before, after = (
        (one["fake_share"], *(one["fake_share_interval"] or ())) if one["fake_share"] is not None else ()
        for one in (then, now)
    )
    close = len(before) == len(after) and np.allclose(before, after, rtol=0, atol=SHARE_BOUND)
    rest = [{name: of for name, of in one.items() if "fake_share" not in name} for one in (then, now)]
    return bool(close) and rest[0] == rest[1]


class _Again(NamedTuple):
    problems: list[str]
    difference: float
    runtime: str


def _score_again(folder: Path, case: Case, package: Package, workers: int) -> _Again:
    settings = ExtractionSettings(case.settings.crop, case.settings.faces, case.settings.people)
    predictor = Predictor(package, settings, case.settings.batch_size, workers)
    everything = case.copied()
    items = [Item(folder / str(one.stored), one.kind) for one in everything]
    problems: list[str] = []
    largest = 0.0
    for one, item, prediction in zip(everything, items, predictor.predict(items), strict=True):
        if isinstance(one, FileRecord):
            found, difference = _compare(one, item, prediction, predictor.model.rule)
        else:
            found, difference = _compare_known(one, prediction)
        problems += [f"{one.stored} ({one.name}): {problem}" for problem in found]
        largest = max(largest, difference)
    return _Again(problems, largest, predictor.model.network.runtime)


def _compare_known(known: KnownRealRecord, prediction: Prediction) -> tuple[list[str], float]:
    """The problems when a known real is scored again, and the difference of its score."""
    if prediction.reason is not None:
        return [f"scored then; now: {prediction.reason}"], 0.0
    now = prediction.most_suspicious()[1].score
    difference = abs(now - known.score) / max(1.0, abs(known.score))
    return [f"known real: {known.score:.6g} then, {now:.6g} now"] if difference > BOUND else [], difference


def _compare(
    file: FileRecord, item: Item, prediction: Prediction, rule: ScoreRule
) -> tuple[list[str], float]:
    """The problems when a file is scored again, and the largest difference of a score."""
    if (file.reason is None) != (prediction.reason is None):
        outcomes = [reason or "scored" for reason in (file.reason, prediction.reason)]
        return [f"then: {outcomes[0]}; now: {outcomes[1]}"], 0.0
    before = {(one.frame, one.face): one for one in file.faces}
    after = {(face.frame if face.frame >= 0 else None, face.crop.face): face for face in prediction.faces}
    people = {one.face: one.assessment for one in file.people}
    if before.keys() != after.keys() or people.keys() != dict(prediction.by_face()).keys():
        return [f"{len(before)} crops then, {len(after)} now, or the crops show other faces"], 0.0
    problems = []
    if frames := sorted({face.frame for face in prediction.faces}):
        pixels = pixel_digest(rgb for _, rgb in read_frames(item.path, item.kind, frames))
        if pixels != file.pixels_sha256:
            problems.append("its decoded pixels differ")
    scores = {
        f"crop {place}, {column}": (value, after[face].scores.get(column, math.inf))
        for place, (face, one) in enumerate(before.items())
        for column, value in {**one.scores, rule.spec.column: one.assessment.score}.items()
    }
    scores |= {f"face {face}": (people[face].score, now.score) for face, now in prediction.by_face()}
    differences = {name: abs(now - then) / max(1.0, abs(then)) for name, (then, now) in scores.items()}
    problems += [
        f"{name}: {scores[name][0]:.6g} then, {scores[name][1]:.6g} now"
        for name, difference in differences.items()
        if difference > BOUND
    ]
    # On another machine a score near the threshold may cross it, so the verdict is compared with the one that
    # follows from the recorded score.
    problems += [
        f"its verdict, probability or likelihood ratio does not follow from the score {one.score:.6g}"
        for one in dict.fromkeys([*people.values(), *(face.assessment for face in file.faces)])
        if AssessmentRecord(**vars(rule.assess(one.score))) != one
    ]
    return problems, max(differences.values(), default=0.0)
