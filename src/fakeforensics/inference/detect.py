"""A loaded model with its policy. Importing this imports torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fakeforensics.images.images import decode
from fakeforensics.inference.cutting import Cut, CutFile
from fakeforensics.inference.frames import Rgb
from fakeforensics.inference.inputs import Kind
from fakeforensics.inference.judgement import Judgement, Policy
from fakeforensics.inference.scorer import Crops, Scorer
from fakeforensics.inference.trained import Trained
from fakeforensics.models.card import CARD
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.models.saving import load_detector
from fakeforensics.params import parse


class Judge:
    """Scores crops and concludes about files.

    Args:
        trained: The model.

    Raises:
        UserError: If the model is damaged or foreign, or its policy asks for a score that it does not give.
    """

    def __init__(self, trained: Trained) -> None:
        detector, card = load_detector(trained.directory)
        where = f"{trained.directory / CARD}: preprocess"
        self.preprocess = parse(Preprocess, card["preprocess"], where)
        self.scorer = Scorer(detector, self.preprocess)
        self.policy = Policy(trained.decision, trained.scores)

    def crop(self, image: Rgb) -> Rgb:
        """What the network sees of an image: its center, padded with black if small."""
        return self.preprocess.crop(image)

    def read(self, cut: Cut) -> Rgb:
        """The center of a crop's pixels."""
        return self.crop(decode(cut.data))

    def score(self, crops: Crops) -> list[dict[str, float]]:
        """Score crops that `crop` or `read` gave; each crop's scores are by column."""
        return self.scorer.score(crops)

    def conclude(self, file: CutFile, kind: Kind, scores: Sequence[Mapping[str, float]]) -> Judgement:
        """Put a file's scores together."""
        faces = self.policy.faces(file.cuts, scores)
        people = self.policy.people(faces) if kind == "video" else {}
        return Judgement(file.path, kind, faces, people, file.reason, file.lost_frames)
