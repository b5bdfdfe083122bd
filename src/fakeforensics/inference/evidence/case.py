"""The schema of `case.json`, the record of files, faces, scores, and everything that they depend on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from fakeforensics.errors import UserError
from fakeforensics.faces.still import FileMetadata
from fakeforensics.inference.inputs import Kind
from fakeforensics.inference.package import CropKind
from fakeforensics.inference.training_data import Outside, Sha256
from fakeforensics.params import Count, FacesParams, Flag, Group, Number, Probability
from fakeforensics.parsing import parse
from fakeforensics.reading import read_json
from fakeforensics.thresholds.policy import Decision, Verdict

CASE, PAGE = "case.json", "report.html"
INPUTS, PICTURES, KNOWN_REALS = "inputs", "pictures", "known_reals"
SCHEMA_VERSION = 1
# Scores are computed in float32. Machines that add numbers in another order differ in the sixth digit.
BOUND = 1e-3

# The program makes the names inside a case folder; a file name from outside never becomes a path.
InputName = Annotated[str, Field(pattern=r"^inputs/[0-9]{4,9}\.[a-z0-9]{1,5}$")]
KnownName = Annotated[str, Field(pattern=r"^known_reals/[0-9]{4,9}\.[a-z0-9]{1,5}$")]
PictureName = Annotated[str, Field(pattern=r"^pictures/[0-9]{4,9}-[a-z]+(-[0-9]{3,9})?\.png$")]
Natural = Annotated[Count, Field(ge=0)]


class AssessmentRecord(Group):
    """The deciding score of a face, a person or a file, and its meaning under the decision policy.

    Args:
        score: The score on its own scale.
        probability: Probability of fake; None if the score has none.
        verdict: The verdict; None without a policy.
        log10_lr: log10 of the likelihood ratio; None if the policy has none.
    """

    score: Number
    probability: Probability | None
    verdict: Verdict | None
    log10_lr: Number | None = None


class PersonRecord(Group):
    """The assessment of a face of a still, or of a person of a video."""

    face: Natural
    assessment: AssessmentRecord


class FaceRecord(Group):
    """One scored crop.

    Args:
        face: 0 for the main face or person, then the others.
        frame: Frame number of a video, from 0; None for a still.
        box: Left, top, right, bottom in pixels of the upright frame; empty for a whole image.
        crop: Picture of the pixels that the detector saw.
        crop_sha256: SHA-256 of the crop's file as the faces stage stores it.
        heat: Picture of the heat map over the crop; None if there is none.
        scores: All scores of the detector by column.
        assessment: The assessment of the deciding score.
        blur: Standard deviation of the blur in pixels of the crop; None if there is no edge.
    """

    face: Natural
    frame: Natural | None
    box: tuple[Number, ...]
    crop: PictureName
    crop_sha256: Sha256
    heat: PictureName | None
    scores: dict[str, Number]
    assessment: AssessmentRecord
    blur: Number | None


class Reencoding(Group):
    """The assessments after the file's pixels were changed.

    Args:
        name: The change, such as `jpeg_70` or `resize_0.5`.
        people: The assessment of each face or person.
    """

    name: str
    people: tuple[PersonRecord, ...]


class QualityRecord(Group):
    """Estimates of earlier changes of a file.

    Args:
        jpeg_quality: Quality on libjpeg's scale, from the quantization table; None if it is not a JPEG.
        earlier_jpeg: Quality of an earlier JPEG compression that left a trace; None if no trace was found.
        resampled: Factors of an enlargement that would explain the trace; empty if no trace was found.
    """

    jpeg_quality: Count | None = None
    earlier_jpeg: Count | None = None
    resampled: tuple[Number, ...] = ()


class FileRecord(Group):
    """One file to judge.

    Args:
        name: The file's name on the command line; undecodable and control characters are escaped.
        path: Its absolute path at that time, escaped in the same way.
        kind: How it was read.
        stored: Its copy in the case folder; None if it could not be opened.
        size: Size in bytes.
        sha256: SHA-256 before it was scored.
        sha256_after: SHA-256 after it was scored.
        pixels_sha256: SHA-256 of the decoded pixels that were scored; see `pixel_digest`.
        coding: Its format, size and so on; None if it could not be read.
        reason: Why it was not scored; None if it was scored.
        outside: Properties that are unlike the training data; None if the training data is not known.
        people: The assessments of the faces of a still, or of the persons of a video.
        faces: All scored crops.
        lost_frames: Number of sampled frames without a face.
        boxes: Picture with the faces marked.
        quality: Estimates of earlier changes; None for a video and for a file that was not scored.
        reencodings: The assessments after changes of the pixels.
    """

    name: str
    path: str
    kind: Kind
    stored: InputName | None
    size: Natural | None
    sha256: Sha256 | None
    sha256_after: Sha256 | None
    pixels_sha256: Sha256 | None
    coding: dict[str, Any] | None
    reason: str | None
    outside: tuple[Outside, ...] | None
    people: tuple[PersonRecord, ...]
    faces: tuple[FaceRecord, ...]
    lost_frames: Natural
    boxes: PictureName | None
    quality: QualityRecord | None
    reencodings: tuple[Reencoding, ...]

    @property
    def decisive(self) -> PersonRecord | None:
        """The face or person with the highest score, which stands for the whole file."""
        return max(self.people, key=lambda one: one.assessment.score, default=None)


class KnownRealRecord(Group):
    """A file known to be real that was used to choose the threshold or the limit of "fake".

    Args:
        name: The file's name on the command line; undecodable and control characters are escaped.
        path: Its absolute path at that time, escaped in the same way.
        kind: How it was read.
        stored: Its copy in the case folder.
        size: Size in bytes.
        sha256: SHA-256 of the bytes that were scored.
        score: Its deciding score, which is the highest of its faces.
    """

    name: str
    path: str
    kind: Kind
    stored: KnownName
    size: Natural
    sha256: Sha256
    score: Number


class Library(Group):
    """An installed Python package: its version, and the SHA-256 of its list of files and their hashes."""

    version: str
    record_sha256: Sha256 | None


class Program(Group):
    """The program that scored the files.

    Args:
        version: Version of fake-forensics.
        sha256: SHA-256 of the list of its files and their hashes.
        python: Version of Python.
        libraries: Installed libraries by name.
    """

    version: str
    sha256: Sha256
    python: str
    libraries: dict[str, Library]


class Machine(Group):
    """The machine that scored the files.

    Args:
        system: The operating system.
        processor: The name of the processor or GPU.
        device: `cpu` or `cuda`.
        threads: Number of threads on the processor.
        precision: Type of the numbers, such as float32.
        runtime: Name and version of the library that computed the scores. Cases of earlier versions do not
            record it; they were scored by torch.
    """

    system: str
    processor: str
    device: str
    threads: Natural
    precision: str
    runtime: str = "torch"


class ModelRecord(Group):
    """The detector's package.

    Args:
        name: `<protocol>/<detector>`.
        folder: Its folder at that time.
        demo: Whether it was trained on the demo's synthetic faces.
        files: SHA-256 of each of its files by name.
        manifests: SHA-256 of the lists of its training and validation images; empty if they are not known.
        score: Name of the deciding score.
        threshold: The score from which on the verdict is fake; None without a decision policy.
        policy: The policy that replaced the package's own policy, as with `predict --inconclusive` or
            `--adapt`; None if the package's own policy decided.
    """

    name: str
    folder: str
    demo: Flag
    files: dict[str, Sha256]
    manifests: dict[str, Sha256]
    score: str
    threshold: Number | None
    policy: Decision | None = None


class Settings(Group):
    """How the files were scored."""

    crop: CropKind
    people: Literal["main", "stills", "all"]
    batch_size: Count
    faces: FacesParams


class Case(Group):
    """The whole record of a case.

    Args:
        schema_version: Version of this schema.
        started: Start time, UTC.
        finished: End time, UTC.
        command: The command line of the user.
        bound: Two scores count as equal if they differ by at most this, times the larger of 1 and their size.
        settings: How the files were scored.
        program: The program that scored the files.
        machine: The machine that scored the files.
        model: The detector.
        heat: Why there are no heat maps; None if there are heat maps.
        files: The files.
        known_reals: Files known to be real that chose the policy; empty in cases of versions that did not
            record them.
    """

    schema_version: Literal[1]
    started: str
    finished: str
    command: tuple[str, ...]
    bound: Number
    settings: Settings
    program: Program
    machine: Machine
    model: ModelRecord
    heat: str | None
    files: tuple[FileRecord, ...]
    known_reals: tuple[KnownRealRecord, ...] = ()

    def copied(self) -> list[FileRecord | KnownRealRecord]:
        """The files that the case folder holds copies of."""
        judged: list[FileRecord | KnownRealRecord] = [file for file in self.files if file.stored is not None]
        return [*judged, *self.known_reals]

    def unlabeled_scores(self) -> list[float]:
        """The deciding scores of the files whose bytes are not those of a known real."""
        known = {one.sha256 for one in self.known_reals}
        return [
            file.decisive.assessment.score
            for file in self.files
            if file.decisive is not None and file.sha256 not in known
        ]


def read_case(folder: Path) -> Case:
    """Read a case folder's record.

    Raises:
        UserError: If it is missing, not JSON, of another version, or damaged.
    """
    path = folder / CASE
    # `verify` compares all files of the folder, and names each one that differs.
    value = read_json(path, "name the unchanged folder that --report wrote", listed=False)
    version = value.get("schema_version")
    if version != SCHEMA_VERSION:
        raise UserError(
            f"{path}: not a case of this version",
            expected=f"schema_version {SCHEMA_VERSION}",
            found=str(version),
            fix="verify it with the version of the program that wrote it",
        )
    return parse(Case, value, str(path))


def coding_of(metadata: FileMetadata) -> dict[str, Any]:
    """A file's format and coding, without its hash, which the record holds separately."""
    return {name: value for name, value in metadata._asdict().items() if name != "sha256"}
