"""Scores one untrusted upload for the web page; independent of the page's components."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from fakeforensics.inference import EXTRACTION
from fakeforensics.inference.crops import ExtractionSettings, crops_or_reason, extract_crops, load_extractors
from fakeforensics.inference.explain import Explainer, need_captum
from fakeforensics.inference.inputs import Item, Rgb, UploadLimits, View, kind_of
from fakeforensics.inference.package import Package
from fakeforensics.inference.pictures import most_suspicious_frames, overlay
from fakeforensics.inference.predict import LoadedModel, Prediction, ScoredFace, combine
from fakeforensics.processes import WorkerPool

MAX_FACES = 12
_VIEWS = 3


class ExplainedFace(NamedTuple):
    """A face, its crop, and the crop with its heat map; `heat` is None if the detector has no heat maps."""

    face: ScoredFace
    crop: Rgb
    heat: Rgb | None


@dataclass(frozen=True)
class UploadResult:
    """What the page shows: the prediction, `views` spread over a video, and the most suspicious faces."""

    prediction: Prediction
    views: Sequence[View] = ()
    explained: Sequence[ExplainedFace] = ()


class UploadPredictor:
    """Scores untrusted files. Each is decoded in a separate process with limits.

    Args:
        package: The model.
        limits: Limits of an upload.

    Raises:
        UserError: If the model is damaged, or captum is not installed.
    """

    def __init__(self, package: Package, limits: UploadLimits) -> None:
        self._model = LoadedModel(package)
        self.has_heat = self._model.network.has_heat_maps
        self._loader = ThreadPoolExecutor(1)  # loads torch, which takes seconds, while the page starts
        self._explainer: Future[Explainer] | None = None
        if self.has_heat:
            need_captum()
            self._explainer = self._loader.submit(Explainer, package)
        self._settings = ExtractionSettings(package.crop, package.faces)
        self._seconds = limits.max_seconds
        self._pool = WorkerPool(
            limits.at_once,
            prepare=partial(load_extractors, self._settings),
            memory_mb=limits.memory_mb,
            preload=EXTRACTION,
            fresh=True,
        )
        self._lock = Lock()

    def predict(self, path: Path) -> UploadResult:
        """Score the upload at `path`."""
        item = Item(path, kind_of(path) or "image")
        future = self._pool.submit(extract_crops, self._settings, item, _VIEWS, seconds=self._seconds)
        found = crops_or_reason(item, future)
        with self._lock:  # only one file at a time may use the network's threads and captum's hooks
            crops = [self._model.read(crop) for crop in found.crops]
            scores = self._model.score(crops) if crops else []
            prediction = combine(self._model.rule, found, item.kind, scores, self._model.training)
            explained = self._explain(prediction)
        return UploadResult(prediction, found.views, explained)

    def close(self) -> None:
        """Stop the processes."""
        self._loader.shutdown()
        self._pool.close()

    def _explain(self, prediction: Prediction) -> list[ExplainedFace]:
        faces = most_suspicious_frames(prediction)
        if len(faces) > MAX_FACES:
            faces = sorted(faces, key=lambda face: -face.assessment.score)[:MAX_FACES]
        crops = [self._model.read(face.crop) for face in faces]
        heats: list[Rgb | None] = [None] * len(crops)
        if self._explainer is not None and crops:
            maps = self._explainer.result().heat(crops)
            heats = [overlay(*pair) for pair in zip(crops, maps, strict=True)]
        return [ExplainedFace(*three) for three in zip(faces, crops, heats, strict=True)]
