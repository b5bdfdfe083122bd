"""A detector's package: one folder with everything needed to use the detector."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from fakeforensics.errors import UserError
from fakeforensics.files import write_json
from fakeforensics.inference.onnx_record import RECORD, OnnxRecord
from fakeforensics.inference.training_data import TRAINING, TrainingData
from fakeforensics.metrics.files import read_result
from fakeforensics.metrics.spec import Scores
from fakeforensics.models.card import CARD, MADE_AGAIN, WEIGHTS, DetectorCard, detector_card, read_card
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.params import Count, FacesParams, Flag, Group, Name
from fakeforensics.parsing import parse
from fakeforensics.reading import check_file, read_json
from fakeforensics.sums import check_sums
from fakeforensics.thresholds.doubts import doubts
from fakeforensics.thresholds.errors import ERRORS, ErrorRate
from fakeforensics.thresholds.policy import DECISION, Decision, read_decision

ABOUT = "package.json"
DEMO_WARNING = (
    "Demo model: it was trained on synthetic faces that the demo makes from one portrait, to show that the "
    "pipeline runs. Do not judge real pictures by it."
)
DEMO_POLICY_WARNING = (
    "Demo package: the detector was trained elsewhere, but its threshold, calibration and test results come "
    "from synthetic faces that the demo makes from one portrait. Do not judge real pictures by it."
)
CropKind = Literal["faces", "whole"]


class About(Group):
    """The content of `package.json`: facts about the detector's protocol.

    Args:
        title: The protocol's title.
        demo: Whether the detector was trained on the demo's synthetic faces.
        unseen: Test sets with a forgery method or image domain that training did not see.
        order: Position of the detector in the list `detectors` of params.yaml. Among equally good detectors
            the last one is the default.
    """

    title: str
    demo: Flag = False
    unseen: tuple[Name, ...] = ()
    order: Count = 0


class _Card(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    protocol: Name
    preprocess: dict[str, Any]
    images: _Images
    counts: dict[str, dict[str, dict[str, int]]] = {}


class _Images(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    crop: dict[str, CropKind]
    faces: FacesParams


class _Errors(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    rows: tuple[ErrorRate, ...]


class ApRow(NamedTuple):
    """Average precision of one score on one test set or a mean over test sets.

    Args:
        test_set: The test set, `mean` or `mean_unseen`.
        score: The score's label.
        ap: Average precision in percent.
        interval: Its 95% interval in percent; None if it was not measured.
        unseen: Whether the test set holds a method or domain that training did not see; None if unknown.
    """

    test_set: str
    score: str
    ap: float
    interval: tuple[float, float] | None
    unseen: bool | None


@dataclass(frozen=True)
class Package:
    """A detector's folder. Its properties raise `UserError` if a file in it is damaged.

    Args:
        directory: A folder `packages/<protocol>/<detector>` or a copy of it. A training folder
            `models/<protocol>/<detector>` has only weights and card, and gives scores without verdicts.
        policy: A policy that replaces the folder's own policy; None uses the folder's policy.
    """

    directory: Path
    policy: Decision | None = None

    @cached_property
    def raw_card(self) -> dict[str, Any]:
        """The whole of `model.json`."""
        return read_card(self.directory)

    @cached_property
    def card(self) -> _Card:
        """The part of `model.json` about images."""
        return parse(_Card, self.raw_card, str(self.directory / CARD))

    @cached_property
    def detector(self) -> DetectorCard:
        """The part of `model.json` about the detector."""
        return detector_card(self.raw_card, str(self.directory / CARD))

    @cached_property
    def about(self) -> About | None:
        """The content of `package.json`; None in a training folder."""
        value = self._read(ABOUT)
        return None if value is None else parse(About, value, str(self.directory / ABOUT), MADE_AGAIN)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The detector's metrics; empty in a training folder."""
        return self._result("metrics")

    @cached_property
    def decision(self) -> Decision | None:
        """The decision policy; None if there is none.

        Raises:
            UserError: If it is damaged or asks for a score that the detector does not have.
        """
        if self.policy is not None:
            return self.policy
        path = self.directory / DECISION
        if not path.is_file():
            return None
        decision, names = read_decision(path), [score.name for score in self.scores]
        if decision.score not in names:
            raise UserError(
                f"{path}: the decision policy uses a score that the model {self.name} does not have",
                expected=", ".join(names),
                found=decision.score,
                fix="run `dvc repro`, or copy the whole folder of this model",
            )
        return decision

    @cached_property
    def training(self) -> TrainingData | None:
        """Properties of the training images; None in a training folder."""
        value = self._read(TRAINING)
        return (
            None if value is None else parse(TrainingData, value, str(self.directory / TRAINING), MADE_AGAIN)
        )

    @cached_property
    def onnx(self) -> OnnxRecord | None:
        """The content of `onnx.json`; None in a training folder and in a package of an earlier version."""
        value = self._read(RECORD)
        return None if value is None else parse(OnnxRecord, value, str(self.directory / RECORD))

    @cached_property
    def errors(self) -> list[ErrorRate]:
        """The error rates of the current policy on the test images, by method.

        Empty in a training folder, and if known reals chose the threshold or limits, because the test images
        were judged by others.
        """
        value = self._read(ERRORS)
        rates = () if value is None else parse(_Errors, value, str(self.directory / ERRORS), MADE_AGAIN).rows
        decision = self.decision
        if decision is None or decision.known_reals is not None or decision.adapted is not None:
            return []
        known = {} if self.knows_training else {"seen": None}  # the protocol's training is not the detector's
        return [one.model_copy(update=known) for one in rates if one.asked == decision.inconclusive]

    @property
    def preprocess(self) -> Preprocess:
        """The steps from a stored image to the network's input."""
        return parse(Preprocess, self.card.preprocess, f"{self.directory / CARD}: preprocess")

    @property
    def name(self) -> str:
        """`<protocol>/<detector>`."""
        return f"{self.card.protocol}/{self.detector.name}"

    @property
    def is_demo(self) -> bool:
        """Whether the package comes from the demo and its synthetic faces."""
        return self.about is not None and self.about.demo

    @property
    def demo_warning(self) -> str:
        """Why no real picture should be judged by a package of the demo; empty for other packages."""
        if not self.is_demo:
            return ""
        return DEMO_WARNING if self.knows_training else DEMO_POLICY_WARNING

    @property
    def knows_training(self) -> bool:
        """Whether the training images are known; they are not if the detector was trained elsewhere."""
        return self.detector.sees != "elsewhere"

    @property
    def scores(self) -> Scores:
        """The detector's scores, the main one first."""
        return self.detector.scores

    @property
    def crop(self) -> CropKind:
        """Whether the detector expects aligned faces or whole images; faces if it was trained on both."""
        return "whole" if set(self.card.images.crop.values()) == {"whole"} else "faces"

    @property
    def faces(self) -> FacesParams:
        """The settings that extracted the faces of the training data."""
        return self.card.images.faces

    @property
    def title(self) -> str:
        """The protocol's title, or the package's name if the title is unknown."""
        return self.name if self.about is None else self.about.title

    @cached_property
    def doubts(self) -> list[str]:
        """Sentences that say why the detector should not be used; usually none."""
        return doubts(self.raw_card, self.metrics, self.decision)

    def training_images(self) -> dict[str, int]:
        """Training images by method, summed over the sources; `real` first."""
        total: dict[str, int] = {}
        for methods in self.card.counts.get("train", {}).values():
            for method, count in methods.items():
                total[method] = total.get(method, 0) + count
        return dict(sorted(total.items(), key=lambda item: (item[0] != "real", item[0])))

    def test_set_ap(self) -> list[ApRow]:
        """All measured average precisions, in the protocol's order."""
        labels = {score.name: score.label for score in self.scores}
        intervals = self._result("details").get("ap_interval", {})
        unseen = (
            {*self.about.unseen, "mean_unseen"} if self.about is not None and self.knows_training else None
        )
        return [
            ApRow(
                test_set,
                labels.get(score, score),
                100 * float(value),
                None if bounds is None else (100 * float(bounds[0]), 100 * float(bounds[1])),
                None if unseen is None else test_set in unseen,
            )
            for score, sets in self.metrics.get("ap", {}).items()
            for test_set, value in sets.items()
            for bounds in [intervals.get(score, {}).get(test_set)]
        ]

    def chance(self) -> dict[str, float]:
        """The share of fakes of each test set and its means, in percent. This is the AP of a random order."""
        rows = (self._read("details.json") or {}).get("details", [])
        found = {
            row["test_set"]: 100 * row["fakes"] / (row["reals"] + row["fakes"])
            for row in rows
            if row["level"] == "frame" and row.get("reals") and row.get("fakes")
        }
        unseen = [found[name] for name in (self.about.unseen if self.about else ()) if name in found]
        means = {"mean": [*found.values()], "mean_unseen": unseen}
        return found | {name: sum(values) / len(values) for name, values in means.items() if values}

    def _read(self, name: str) -> dict[str, Any] | None:
        path = self.directory / name
        return read_json(path, MADE_AGAIN) if path.exists() else None

    def _result(self, kind: str) -> dict[str, Any]:
        path = self.directory / f"{kind}.json"
        return read_result(path, kind) if path.exists() else {}


def write_package(folder: Path, model: Path, results: Mapping[str, Path], about: About) -> None:
    """Copy the files of a package, except README.md, into a folder.

    Args:
        folder: The package's folder.
        model: The training folder with weights and card.
        results: Files of results, by their names in the package.
        about: The content of `package.json`.

    Raises:
        UserError: If a file is missing, or was changed since it was written.
    """
    check_sums(model, MADE_AGAIN)
    for name, path in {WEIGHTS: model / WEIGHTS, CARD: model / CARD, **results}.items():
        check_file(path)
        shutil.copyfile(path, folder / name)
    write_json(folder / ABOUT, about.model_dump(mode="json"))


def need_decision(package: Package) -> Decision:
    """The decision policy of a package.

    Raises:
        UserError: If there is none.
    """
    if package.decision is None:
        missing = f"{package.directory / DECISION}: no such file, so there are no verdicts"
        raise UserError(missing, fix=rebuild_command(package))
    return package.decision


def rebuild_command(package: Package) -> str:
    """The advice that makes a package again with the present version."""
    return f"run `{repro_command(package.name)}`"


def repro_command(name: str) -> str:
    """The command that makes a package again; `name` is `<protocol>/<detector>`."""
    protocol = name.partition("/")[0]
    return f"dvc repro pipelines/{protocol}/dvc.yaml:package@{name.replace('/', '-')}"


def with_inconclusive(
    package: Package, error_rate: float | None, known_reals: Sequence[float] | None = None
) -> Package:
    """The package with a policy that gives inconclusive verdicts.

    Args:
        package: The model.
        error_rate: Error rate of the verdicts "real" and "fake"; None uses the rate of the package's policy.
        known_reals: Deciding scores of images known to be real, with the same origin as the files. They
            replace the validation reals in the choice of the score from which an image is fake.

    Raises:
        UserError: If the policy has no limits for that rate, no rate is given, or there are too few reals.
    """
    decision, where, rebuild = need_decision(package), package.directory / DECISION, rebuild_command(package)
    rate = decision.inconclusive if error_rate is None else error_rate
    if rate is None:
        problem = "known reals need the error rate that verdicts may have"
        raise UserError(problem, fix="add --inconclusive 0.05, or set thresholds.inconclusive")
    cut = next((one for one in decision.conformal if one.error_rate == rate), None)
    if cut is None:
        rates = ", ".join(f"{one.error_rate:g}" for one in decision.conformal)
        raise UserError(
            f"{where}: the policy gives no inconclusive verdicts with an error rate of {rate:g}",
            expected=rates or "a package from a version with inconclusive verdicts",
            found=f"{rate:g}" if rates else "one from an older version",
            fix=f"add the rate to thresholds.false_positive_rates, then {rebuild}" if rates else rebuild,
        )
    if known_reals is None:
        return replace(package, policy=decision.model_copy(update={"inconclusive": rate}))
    from fakeforensics.metrics.operating import conformal_threshold

    fake_from = conformal_threshold(np.asarray(known_reals, dtype=np.float64), rate)
    if fake_from is None:
        raise UserError(
            f"{len(known_reals)} known reals are too few for an error rate of {rate:g}",
            expected=f"at least {math.ceil(1 / rate - 1e-9) - 1}",
        )
    own = cut.model_copy(update={"fake_from": fake_from})
    update = {"conformal": (own,), "inconclusive": rate, "known_reals": len(known_reals)}
    return replace(package, policy=decision.model_copy(update=update))
