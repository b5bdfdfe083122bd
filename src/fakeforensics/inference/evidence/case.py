"""What `case.json` records: files, faces, scores, and everything that they depend on."""

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
# Scores are computed in float32. Two machines that add in another order differ in the sixth digit.
BOUND = 1e-3

# Names inside a case folder are made by the program; a name from elsewhere never becomes a path.
InputName = Annotated[str, Field(pattern=r"^inputs/[0-9]{4,9}\.[a-z0-9]{1,5}$")]
KnownName = Annotated[str, Field(pattern=r"^known_reals/[0-9]{4,9}\.[a-z0-9]{1,5}$")]
PictureName = Annotated[str, Field(pattern=r"^pictures/[0-9]{4,9}-[a-z]+(-[0-9]{3,9})?\.png$")]
Natural = Annotated[Count, Field(ge=0)]


class AssessmentRecord(Group):
    """The deciding score of a face, a person or a file, and what the decision policy makes of it.

    `log10_lr`: log10 of the likelihood ratio; None if the policy has none.
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
        frame: 0-based frame of a video; None for a still.
        box: Left, top, right, bottom in pixels of the upright frame; empty for a whole image.
        crop: What the detector saw.
        crop_sha256: Of the crop's file as the faces stage stores it.
        heat: The heat map over it; None if there is none.
        scores: All scores of the detector by column.
        assessment: Of the deciding score.
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
        name: What was done, such as `jpeg_70` or `resize_0.5`.
        people: Each face's or person's assessment.
    """

    name: str
    people: tuple[PersonRecord, ...]


class QualityRecord(Group):
    """Estimates of what was done to a file before it came here.

    Args:
        jpeg_quality: As libjpeg counts, from the quantization table; None if it is not a JPEG.
        earlier_jpeg: The quality of an earlier JPEG compression that left a trace; None if none was found.
        resampled: Factors of an enlargement that would leave the trace found; empty if none was found.
    """

    jpeg_quality: Count | None = None
    earlier_jpeg: Count | None = None
    resampled: tuple[Number, ...] = ()


class FileRecord(Group):
    """One file to judge.

    Args:
        name: As it was named on the command line; undecodable and control characters are escaped.
        path: Its absolute path then, escaped likewise.
        kind: What it was read as.
        stored: Its copy in the case folder; None if it could not be opened.
        size: In bytes.
        sha256: Before it was scored.
        sha256_after: After.
        pixels_sha256: Of the decoded pixels that were scored; see `pixel_digest`.
        coding: Its format, size and so on; None if it could not be read.
        reason: Why it was not scored; None if it was.
        outside: Where it lies outside of the training data; None if that is not known.
        people: Each face of a still, each person of a video.
        faces: All scored crops.
        lost_frames: Sampled frames without a face.
        boxes: The picture with the faces marked.
        quality: What was done to the file before; None for a video and for a file that was not scored.
        reencodings: How the assessment holds.
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
    """A file known to be real, by which the threshold or the cut of "fake" was chosen.

    Args:
        name: As it was named on the command line; undecodable and control characters are escaped.
        path: Its absolute path then, escaped likewise.
        kind: What it was read as.
        stored: Its copy in the case folder.
        size: In bytes.
        sha256: Of the bytes that were scored.
        score: The deciding score, the highest of its faces.
    """

    name: str
    path: str
    kind: Kind
    stored: KnownName
    size: Natural
    sha256: Sha256
    score: Number


class Library(Group):
    """An installed package: its version, and the SHA-256 of its list of files with their hashes."""

    version: str
    record_sha256: Sha256 | None


class Program(Group):
    """What computed.

    Args:
        version: Of this program.
        sha256: Of the list of its files with their hashes.
        python: Version of Python.
        libraries: By name.
    """

    version: str
    sha256: Sha256
    python: str
    libraries: dict[str, Library]


class Machine(Group):
    """Where it was computed, and with which numbers.

    `runtime`: name and version of what computed the scores; by default as in cases that do not record it.
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
        folder: Where it lay.
        demo: Whether it was trained on the demo's synthetic faces.
        files: SHA-256 of each of its files by name.
        manifests: SHA-256 of the lists of its training and validation images; empty if they are not known.
        score: The deciding score.
        threshold: From which on the verdict is fake; None without a decision policy.
        policy: What decided in place of the package's own policy, as with `predict --inconclusive` or
            `--adapt`; None if nothing did.
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
    """All that a case folder says.

    Args:
        schema_version: Of this record.
        started: UTC.
        finished: UTC.
        command: As it was typed.
        bound: A score is the same if it differs by no more than this, times the larger of 1 and its size.
        settings: How the files were scored.
        program: What computed.
        machine: Where.
        model: With which detector.
        heat: Why there are no heat maps; None if there are.
        files: Each file.
        known_reals: Files known to be real that the policy was chosen by; empty in cases from before they
            were recorded.
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
        """The deciding scores of the files that are no known reals themselves, byte by byte."""
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
    value = read_json(path, "name the folder that --report wrote, as it was then", listed=False)
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
    """A file's coding without the hash, which stands elsewhere."""
    return {name: value for name, value in metadata._asdict().items() if name != "sha256"}
