"""Writes a case folder while files are scored."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np

from fakeforensics.errors import UserError
from fakeforensics.faces.video import UnreadableError
from fakeforensics.files import atomic_directory, sha256_file, write_json, write_text
from fakeforensics.images.codec import decode, encode_png
from fakeforensics.images.transforms import Corruption
from fakeforensics.inference.crops import ExtractionSettings, FileCrops, cut_faces
from fakeforensics.inference.evidence.case import (
    BOUND,
    CASE,
    INPUTS,
    KNOWN_REALS,
    PAGE,
    PICTURES,
    AssessmentRecord,
    Case,
    FaceRecord,
    FileRecord,
    KnownRealRecord,
    PersonRecord,
    QualityRecord,
    Reencoding,
    Settings,
    coding_of,
)
from fakeforensics.inference.evidence.environment import describe_machine, describe_model, describe_program
from fakeforensics.inference.evidence.page import case_page
from fakeforensics.inference.evidence.quality import earlier_compression, edge_blur, resampling
from fakeforensics.inference.explain import Explainer
from fakeforensics.inference.inputs import VIEW_WIDTH, Item, Rgb, read_frames, shrink
from fakeforensics.inference.output import printable_name
from fakeforensics.inference.package import Package
from fakeforensics.inference.pictures import annotated, most_suspicious_frames, overlay
from fakeforensics.inference.predict import KnownReal, LoadedModel, Prediction, Predictor, combine
from fakeforensics.sources.base import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from fakeforensics.sums import write_sums

# Changes that are typical when a file is saved or sent again.
REENCODINGS = ("jpeg_90", "jpeg_70", "jpeg_50", "resize_0.75", "resize_0.5")


@contextmanager
def case_folder(
    path: Path,
    package: Package,
    predictor: Predictor,
    settings: ExtractionSettings,
    items: Sequence[Item],
    command: Sequence[str],
    batch_size: int,
) -> Iterator[CaseWriter]:
    """Write a case folder. The complete folder appears when the block ends; if it fails, nothing appears.

    Args:
        path: The folder.
        package: The detector.
        predictor: Scores the files.
        settings: The predictor's extraction settings.
        items: The files.
        command: The command line of the user.
        batch_size: Crops per forward pass.

    Yields:
        The writer that records the predictions.

    Raises:
        UserError: If the folder is not empty, or a file changes while it is scored.
    """
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise UserError(
            f"{path}: already exists",
            expected="a new or an empty folder",
            fix="name another one for --report",
        )
    with atomic_directory(path) as folder:
        writer = CaseWriter(folder, package, predictor, settings, items, command, batch_size)
        yield writer
        writer.finish()


class CaseWriter:
    """Writes records and pictures of predictions into a folder; see `case_folder`."""

    def __init__(
        self,
        folder: Path,
        package: Package,
        predictor: Predictor,
        settings: ExtractionSettings,
        items: Sequence[Item],
        command: Sequence[str],
        batch_size: int,
    ) -> None:
        self._started = _now()
        self._folder, self._package, self._predictor = folder, package, predictor
        self._settings, self._items, self._batch_size = settings, items, batch_size
        self._command = tuple(command)
        self._records: list[FileRecord] = []
        self._known: list[KnownRealRecord] = []
        self._explainer: Explainer | None = None
        self._no_heat: str | None = None
        self.digest = ""
        for name in (INPUTS, PICTURES):
            (folder / name).mkdir()
        # The files and the package are hashed before anything else reads them.
        self._before = [_digest_of(item) for item in items]
        self._model_record = describe_model(package)

    def decide_by(self, package: Package) -> None:
        """Record another policy of the same detector, which was chosen by the scores of the files."""
        self._package = package
        threshold = None if package.decision is None else package.decision.threshold
        update = {"policy": package.policy, "threshold": threshold}
        self._model_record = self._model_record.model_copy(update=update)

    def record_known_reals(self, known: Sequence[KnownReal]) -> None:
        """Record and copy the files known to be real that chose the policy.

        Raises:
            UserError: If a file changed since it was scored.
        """
        if known:
            (self._folder / KNOWN_REALS).mkdir()
        for number, one in enumerate(known, 1):
            path = one.item.path
            stored = f"{KNOWN_REALS}/{number:04d}{_known_suffix(path)}"
            self._copy(path, stored, one.sha256)
            self._known.append(
                KnownRealRecord(
                    name=printable_name(path),
                    path=printable_name(path.resolve()),
                    kind=one.item.kind,
                    stored=stored,
                    size=(self._folder / stored).stat().st_size,
                    sha256=one.sha256,
                    score=one.score,
                )
            )

    def recorded(self, predictions: Iterable[Prediction]) -> Iterator[Prediction]:
        """Record each prediction and yield it; predictions must be in the order of the files.

        Raises:
            UserError: If a file changed while it was scored.
        """
        for number, prediction in enumerate(predictions):
            self._records.append(self._record(number, prediction))
            yield prediction

    def finish(self) -> None:
        """Write the record, the page and the hashes of all files; then `digest` is the hash of `SHA256SUMS`.

        Raises:
            UserError: If the package changed while the files were scored.
        """
        model = self._predictor.model
        # A copy of the object reads the files again; it keeps the policy that replaces the package's own.
        if describe_model(replace(self._package)) != self._model_record:
            raise UserError(f"{self._package.directory}: changed while the files were scored")
        case = Case(
            schema_version=1,
            started=self._started,
            finished=_now(),
            command=tuple(printable_name(Path(word)) for word in self._command),
            bound=BOUND,
            settings=Settings(
                crop=self._settings.crop,
                people=self._settings.people,
                batch_size=self._batch_size,
                faces=self._settings.faces,
            ),
            program=describe_program(),
            machine=describe_machine(model.network),
            model=self._model_record,
            heat=self._no_heat,
            files=tuple(self._records),
            known_reals=tuple(self._known),
        )
        write_json(self._folder / CASE, case.model_dump(mode="json"))
        write_text(self._folder / PAGE, case_page(case, self._package, self._folder))
        self.digest = write_sums(self._folder)

    def _record(self, number: int, prediction: Prediction) -> FileRecord:
        item, before, stem = self._items[number], self._before[number], f"{number + 1:04d}"
        stored = None if before is None else f"{INPUTS}/{stem}{_known_suffix(item.path)}"
        people = [PersonRecord(face=face, assessment=_as_record(one)) for face, one in prediction.by_face()]
        pixels, reencodings = self._pixels_and_reencodings(item, prediction)
        record = FileRecord(
            name=printable_name(item.path),
            path=printable_name(item.path.resolve()),
            kind=item.kind,
            stored=stored,
            size=item.path.stat().st_size if before is not None else None,
            sha256=before,
            sha256_after=_digest_of(item),
            pixels_sha256=pixels,
            coding=None if prediction.metadata is None else coding_of(prediction.metadata),
            reason=prediction.reason,
            outside=prediction.outside,
            people=tuple(people),
            faces=tuple(self._faces(stem, prediction)),
            lost_frames=prediction.lost_frames,
            boxes=self._boxes(stem, prediction),
            quality=_quality(item, prediction),
            reencodings=tuple(reencodings),
        )
        if stored is not None:
            self._copy(item.path, stored, before, record.sha256_after)
        return record

    def _copy(self, path: Path, stored: str, *digests: str | None) -> None:
        """Copy a file into the folder, and check that it still has the content that was scored."""
        shutil.copyfile(path, self._folder / stored)
        if {*digests} != {sha256_file(self._folder / stored)}:
            raise UserError(
                f"{printable_name(path)}: changed while it was scored",
                fix="find out which program writes to it, or copy it elsewhere, and start again",
            )

    def _faces(self, stem: str, prediction: Prediction) -> Iterator[FaceRecord]:
        model = self._predictor.model
        heats = self._heat_maps(model, prediction)
        for place, face in enumerate(prediction.faces):
            seen = model.read(face.crop)
            crop = self._picture(f"{stem}-crop-{place:03d}", seen)
            heat = heats.get(id(face))
            gray = cv2.cvtColor(face.crop.pixels, cv2.COLOR_RGB2GRAY)
            yield FaceRecord(
                face=face.crop.face,
                frame=face.frame if face.frame >= 0 else None,
                box=face.crop.box,
                crop=crop,
                crop_sha256=hashlib.sha256(face.crop.data).hexdigest(),
                heat=None if heat is None else self._picture(f"{stem}-heat-{place:03d}", heat),
                scores=dict(face.scores),
                assessment=_as_record(face.assessment),
                blur=edge_blur(gray),
            )

    def _heat_maps(self, model: LoadedModel, prediction: Prediction) -> dict[int, Rgb]:
        """The heat maps of a still's faces and of each person's most suspicious frames."""
        if self._explainer is None and self._no_heat is None:
            try:
                self._explainer = Explainer(self._package)
            except UserError as error:
                self._no_heat = error.what
        explained = most_suspicious_frames(prediction)
        if self._explainer is None or not explained:
            return {}
        crops = [model.read(face.crop) for face in explained]
        heats = self._explainer.heat(crops)
        return {
            id(face): overlay(crop, heat) for face, crop, heat in zip(explained, crops, heats, strict=True)
        }

    def _boxes(self, stem: str, prediction: Prediction) -> str | None:
        if not prediction.faces:
            return None
        return self._picture(f"{stem}-boxes", shrink(annotated(prediction), VIEW_WIDTH))

    def _picture(self, name: str, pixels: Rgb) -> str:
        path = f"{PICTURES}/{name}.png"
        (self._folder / path).write_bytes(encode_png(pixels))
        return path

    def _pixels_and_reencodings(
        self, item: Item, prediction: Prediction
    ) -> tuple[str | None, list[Reencoding]]:
        """The digest of the decoded pixels, and the assessments after each re-encoding.

        A re-encoding changes the whole picture. The faces are then cropped at the same places, and landmarks
        are found again. Frames of a video are re-encoded one by one, as pictures.
        """
        if not prediction.faces:
            return None, []
        model, digest = self._predictor.model, hashlib.sha256()
        order = []
        crops: dict[str, list[Rgb]] = {name: [] for name in REENCODINGS}
        frames = sorted({face.frame for face in prediction.faces})
        try:
            for number, rgb in read_frames(item.path, item.kind, frames):
                digest.update(_pixel_bytes(rgb))
                faces = [face for face in prediction.faces if face.frame == number]
                order += faces
                for name in REENCODINGS:
                    changed = Corruption(name)(rgb)
                    scale = changed.shape[1] / rgb.shape[1]
                    boxes = [tuple(side * scale for side in face.crop.box) for face in faces]
                    crops[name] += [model.preprocess.crop(one) for one in self._cut(changed, boxes)]
        except UnreadableError as error:
            raise UserError(f"{printable_name(item.path)}: changed while it was scored: {error}") from None
        found = FileCrops(item.path, [face.crop for face in order])
        reencodings = []
        for name, pixels in crops.items():
            starts = range(0, len(pixels), self._batch_size)
            scores = [
                one for start in starts for one in model.score(pixels[start : start + self._batch_size])
            ]
            people = [
                PersonRecord(face=face, assessment=_as_record(one))
                for face, one in combine(model.rule, found, item.kind, scores).by_face()
            ]
            reencodings.append(Reencoding(name=name, people=tuple(people)))
        return digest.hexdigest(), reencodings

    def _cut(self, rgb: Rgb, boxes: Sequence[tuple[float, ...]]) -> list[Rgb]:
        return [rgb] if boxes == [()] else cut_faces(self._settings.faces, rgb, boxes)


def pixel_digest(frames: Iterable[Rgb]) -> str:
    """The SHA-256 of decoded pixels: for each picture `height x width` and a newline, then its 8-bit RGB."""
    digest = hashlib.sha256()
    for rgb in frames:
        digest.update(_pixel_bytes(rgb))
    return digest.hexdigest()


def _pixel_bytes(rgb: Rgb) -> bytes:
    return f"{rgb.shape[0]} x {rgb.shape[1]}\n".encode() + np.ascontiguousarray(rgb).tobytes()


def _as_record(assessment: object) -> AssessmentRecord:
    return AssessmentRecord(**vars(assessment))


def _quality(item: Item, prediction: Prediction) -> QualityRecord | None:
    if not prediction.faces or item.kind == "video" or prediction.metadata is None:
        return None
    own = prediction.metadata.jpeg_quality
    try:
        rgb = decode(item.path.read_bytes())  # not turned upright, so that JPEG's blocks keep their grid
    except ValueError:
        rgb = next(read_frames(item.path, item.kind, ()))[1]
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    quality = own if own > 0 else None
    return QualityRecord(
        jpeg_quality=quality,
        earlier_jpeg=earlier_compression(gray, quality),
        resampled=resampling(gray),
    )


def _known_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    return suffix if suffix in IMAGE_SUFFIXES or suffix in VIDEO_SUFFIXES else ".bin"


def _digest_of(item: Item) -> str | None:
    if item.missing is not None:
        return None
    try:
        return sha256_file(item.path)
    except OSError:
        return None  # the prediction has the reason


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
