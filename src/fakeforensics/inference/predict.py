"""Scores files: finds the faces, scores them, and applies the decision policy."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fakeforensics.errors import UserError
from fakeforensics.faces.still import FileMetadata, read_still
from fakeforensics.faces.video import UnreadableError
from fakeforensics.files import printable_path
from fakeforensics.inference import EXTRACTION
from fakeforensics.inference.assessment import Assessment, ScoreRule
from fakeforensics.inference.crops import (
    ExtractionSettings,
    FileCrops,
    FoundCrop,
    crops_or_reason,
    extract_crops,
    load_extractors,
)
from fakeforensics.inference.inputs import Inputs, Item, Kind, Rgb
from fakeforensics.inference.network import Crops, Wanted, open_network
from fakeforensics.inference.package import Package, need_decision
from fakeforensics.inference.training_data import Outside, TrainingData, find_outside
from fakeforensics.lookahead import look_ahead
from fakeforensics.processes import WorkerPool
from fakeforensics.thresholds.policy import Decision

# Crops per forward pass. Larger batches are slower on a processor, because they do not fit into its cache.
BATCH_SIZE = 16


@dataclass(frozen=True)
class ScoredFace:
    """A crop, all its scores by column, and the assessment of the deciding score."""

    crop: FoundCrop
    scores: Mapping[str, float]
    assessment: Assessment

    @property
    def frame(self) -> int:
        """0-based frame of a video; -1 for a still."""
        return self.crop.frame


@dataclass(frozen=True)
class Prediction:
    """The result for one file.

    Args:
        path: The file.
        kind: Image or video.
        faces: The scored faces, by frame and then by face; empty if the file failed.
        people: For a video, the assessment of each person, from the mean score over the frames.
        reason: Why the file could not be scored; None if it was scored.
        lost_frames: Number of sampled frames without a face.
        metadata: Format and coding of the file; None if it could not be read.
        outside: Properties that are unlike the training data; None if the training data is not known.
    """

    path: Path
    kind: Kind
    faces: Sequence[ScoredFace]
    people: dict[int, Assessment]
    reason: str | None = None
    lost_frames: int = 0
    metadata: FileMetadata | None = None
    outside: tuple[Outside, ...] | None = None

    def by_face(self) -> list[tuple[int, Assessment]]:
        """Each face of a still, or each person of a video, with their assessment."""
        if self.kind == "video":
            return list(self.people.items())
        return [(face.crop.face, face.assessment) for face in self.faces]

    def most_suspicious(self) -> tuple[int, Assessment]:
        """The face or person with the highest score, which stands for the whole file."""
        return max(self.by_face(), key=lambda pair: pair[1].score)


def combine(
    rule: ScoreRule,
    found: FileCrops,
    kind: Kind,
    scores: Sequence[Mapping[str, float]],
    training: TrainingData | None = None,
) -> Prediction:
    """Combine the scores of a file's crops; for a video in the same way as the video-level metrics.

    If a score is not finite, the file fails, because such a score has no verdict.

    Args:
        rule: Turns scores into assessments.
        found: The file's crops.
        kind: Image or video.
        scores: The scores of each crop by column.
        training: Properties of the detector's training data, if known.
    """
    wrong = [column for one in scores for column, value in one.items() if not math.isfinite(value)]
    if wrong:
        reason = f"{len(wrong)} scores are not finite numbers ({wrong[0]}): train the model again"
        return Prediction(found.path, kind, (), {}, reason, found.lost_frames, found.metadata)
    faces = [
        ScoredFace(crop, one, rule.assess(one[rule.spec.column]))
        for crop, one in zip(found.crops, scores, strict=True)
    ]
    by_person: dict[int, list[float]] = {}
    for face in faces if kind == "video" else ():
        by_person.setdefault(face.crop.face, []).append(face.assessment.score)
    people = {
        person: rule.assess(math.fsum(values) / len(values)) for person, values in sorted(by_person.items())
    }
    outside = None
    if training is not None and training.images and found.metadata is not None:
        outside = find_outside(training, found.metadata, [crop.box for crop in found.crops])
    return Prediction(
        found.path, kind, faces, people, found.reason, found.lost_frames, found.metadata, outside
    )


class LoadedModel:
    """A detector in memory with its decision policy.

    Args:
        package: The detector.
        runtime: The library that computes the scores; see `choose_runtime`.

    Raises:
        UserError: If the model is damaged, or not a model of this program.
    """

    def __init__(self, package: Package, runtime: Wanted = "auto") -> None:
        import cv2
        import scipy.special  # noqa: F401 (assessments need it; imported here while workers are busy)

        self.rule = ScoreRule(package.decision, package.scores)
        self.training = package.training
        self.preprocess = package.preprocess
        self.network = open_network(package, runtime)
        cv2.setNumThreads(1)  # leave the threads to the network

    def read(self, crop: FoundCrop) -> Rgb:
        """The part of a crop that the network sees: its center, padded with black if it is small."""
        return self.preprocess.crop(crop.pixels)

    def score(self, crops: Crops) -> list[dict[str, float]]:
        """The scores of crops from `read`, by column, computed like in the score stage."""
        columns = self.network.score(crops)
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


class KnownReal(NamedTuple):
    """A file known to be real.

    Attributes:
        item: The file.
        score: The file's deciding score, which is the highest of its faces.
        sha256: SHA-256 of the bytes that were scored; empty if not known.
    """

    item: Item
    score: float
    sha256: str


def score_known_reals(predictor: Predictor, inputs: Inputs) -> list[KnownReal]:
    """Score files known to be real, in their order.

    Raises:
        UserError: If there is no file, or one cannot be scored.
    """
    if not inputs.items:
        raise UserError("there are no known reals", expected="images, videos, or folders that contain some")
    known = []
    for item, prediction in zip(inputs.items, predictor.predict(inputs.items), strict=True):
        if prediction.reason is not None:
            raise UserError(
                f"{printable_path(str(prediction.path))}: this known real cannot be scored",
                found=prediction.reason,
                fix="leave it out of --known-reals",
            )
        digest = "" if prediction.metadata is None else prediction.metadata.sha256
        known.append(KnownReal(item, prediction.most_suspicious()[1].score, digest))
    return known


def predict_together(
    package: Package,
    predictor: Predictor,
    items: Sequence[Item],
    known: Sequence[KnownReal],
    *,
    keeps_crops: bool,
) -> tuple[Package, list[Prediction]]:
    """Score all files, then assess them by a threshold chosen from their scores and from known reals.

    Args:
        package: The model.
        predictor: Its predictor; it uses the chosen threshold from then on.
        items: The files. A file with the same bytes as a known real does not affect the threshold.
        known: Files known to be real, with the same origin as the files.
        keeps_crops: Whether the predictions keep the pixels of their crops in memory, for pictures.

    Returns:
        The package with the policy for these files, and the predictions in the files' order.

    Raises:
        UserError: If the package has no policy, or there is no known real.
    """
    decision = need_decision(package)
    digests = {one.sha256 for one in known}
    predictions = [one if keeps_crops else _without_pixels(one) for one in predictor.predict(items)]
    unlabeled = [
        one.most_suspicious()[1].score
        for one in predictions
        if one.reason is None and (one.metadata is None or one.metadata.sha256 not in digests)
    ]
    policy = adapted_policy(decision, unlabeled, [one.score for one in known])
    adapted = replace(package, policy=policy)
    predictor.judge_by(adapted)
    return adapted, [judge_again(predictor.model.rule, one) for one in predictions]


def adapted_policy(decision: Decision, unlabeled: Sequence[float], known: Sequence[float]) -> Decision:
    """The decision policy for the files that have these deciding scores; see `adapted_decision`."""
    from fakeforensics.thresholds.any_share import adapted_decision

    return adapted_decision(decision, np.array(unlabeled, np.float64), np.array(known, np.float64))


def judge_again(rule: ScoreRule, prediction: Prediction) -> Prediction:
    """Assess the scores of a prediction again, with another policy for the same deciding score."""
    faces = [replace(one, assessment=rule.assess(one.assessment.score)) for one in prediction.faces]
    people = {person: rule.assess(one.score) for person, one in prediction.people.items()}
    return replace(prediction, faces=faces, people=people)


def _without_pixels(prediction: Prediction) -> Prediction:
    faces = [replace(one, crop=replace(one.crop, stored=b"")) for one in prediction.faces]
    return replace(prediction, faces=faces)


class _Ready(NamedTuple):
    item: Item
    found: FileCrops
    pixels: Sequence[Rgb]


class Predictor:
    """Scores files with one model.

    Args:
        package: The model.
        settings: How crops are extracted.
        batch_size: Crops per forward pass; about three times as many are held in memory.
        workers: Processes that find faces; 0 starts one per core.
        runtime: The library that computes the scores; see `choose_runtime`.
    """

    def __init__(
        self,
        package: Package,
        settings: ExtractionSettings,
        batch_size: int = BATCH_SIZE,
        workers: int = 0,
        runtime: Wanted = "auto",
    ) -> None:
        self._package = package
        self._settings = settings
        self._batch_size = batch_size
        self._workers = workers or os.cpu_count() or 1
        self._runtime = runtime

    @cached_property
    def model(self) -> LoadedModel:
        """The loaded model.

        Raises:
            UserError: If it is damaged, or not a model of this program.
        """
        return LoadedModel(self._package, self._runtime)

    def judge_by(self, package: Package) -> None:
        """Use another policy of the same model from now on, without loading the model again."""
        self._package = package
        if "model" in vars(self):  # the model is loaded
            self.model.rule = ScoreRule(package.decision, package.scores)

    def predict(self, items: Sequence[Item]) -> Iterator[Prediction]:
        """Score files in order; a file that fails gets a prediction with the reason."""
        if all(item.missing is not None for item in items):  # the model is not needed
            yield from (Prediction(item.path, item.kind, (), {}, item.missing) for item in items)
            return
        with ThreadPoolExecutor(1) as scorer:  # scores one batch while the next batch is extracted
            jobs = look_ahead(partial(self._submit, scorer), self._batches(items), 2, ordered=True)
            for _, scored in jobs:
                yield from scored.result()

    def _submit(self, scorer: ThreadPoolExecutor, batch: Sequence[_Ready]) -> Future[list[Prediction]]:
        return scorer.submit(self._scored, batch)

    def _batches(self, items: Sequence[Item]) -> Iterator[list[_Ready]]:
        waiting: list[_Ready] = []
        for ready in self._extracted(items):
            waiting.append(ready)
            if sum(len(one.pixels) for one in waiting) >= self._batch_size:
                yield waiting
                waiting = []
        yield waiting

    def _extracted(self, items: Sequence[Item]) -> Iterator[_Ready]:
        searched = [item for item in items if not self._is_whole_still(item)]
        with ExitStack() as stack:
            found: Iterator[tuple[Item, Future[FileCrops]]] = iter(())
            if searched:
                pool = WorkerPool(
                    min(self._workers, len(searched)),
                    prepare=partial(load_extractors, self._settings),
                    preload=EXTRACTION,
                )
                stack.callback(pool.close)
                found = pool.map(partial(extract_crops, self._settings), searched, ordered=True)
            model = self.model  # loaded here, so that the workers find faces at the same time
            threads = stack.enter_context(ThreadPoolExecutor(os.cpu_count() or 1))
            stills = [item for item in items if self._is_whole_still(item)]
            read = partial(threads.submit, partial(_whole_still, model))
            wholes = look_ahead(read, stills, self._batch_size, ordered=True)
            for item in items:
                if self._is_whole_still(item):
                    yield next(wholes)[1].result()
                else:
                    crops = crops_or_reason(*next(found))
                    yield _Ready(item, crops, [model.read(crop) for crop in crops.crops])

    def _scored(self, waiting: Sequence[_Ready]) -> list[Prediction]:
        pixels = [one for ready in waiting for one in ready.pixels]
        batches = range(0, len(pixels), self._batch_size)
        scores = iter(
            [one for start in batches for one in self.model.score(pixels[start : start + self._batch_size])]
        )
        return [
            combine(self.model.rule, found, item.kind, [next(scores) for _ in own], self.model.training)
            for item, found, own in waiting
        ]

    def _is_whole_still(self, item: Item) -> bool:
        return self._settings.crop == "whole" and item.kind == "image" and item.missing is None


def _whole_still(model: LoadedModel, item: Item) -> _Ready:
    """Read a whole still: the pixels that the faces stage would store, without encoding them."""
    try:
        still = read_still(item.path)
    except UnreadableError as error:
        return _Ready(item, FileCrops(item.path, (), str(error)), ())
    except OSError as error:
        return _Ready(item, FileCrops(item.path, (), f"cannot be opened: {error.strerror}"), ())
    stored = still.data if still.plain else still.frame.rgb
    found = FileCrops(item.path, (FoundCrop(stored, -1, 0, ()),), metadata=still.metadata)
    return _Ready(item, found, (model.preprocess.crop(still.frame.rgb),))
