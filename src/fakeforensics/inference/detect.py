"""A loaded model with its policy. Importing this imports torch."""

from __future__ import annotations

from collections.abc import Sequence

from fakeforensics.errors import UserError
from fakeforensics.inference.cutting import Cut, CutFile
from fakeforensics.inference.frames import Rgb
from fakeforensics.inference.inputs import Kind
from fakeforensics.inference.judgement import Judgement, Policy
from fakeforensics.inference.scorer import Crops, Scorer
from fakeforensics.inference.scores import Scores
from fakeforensics.inference.trained import Trained
from fakeforensics.models.card import CARD
from fakeforensics.models.preprocess import Preprocess
from fakeforensics.models.saving import load_detector
from fakeforensics.params import parse
from fakeforensics.storage.images import decode


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
        self.scorer = Scorer(detector, self.preprocess, trained.objective)
        self.policy = Policy(trained.decision, "cd" if trained.objective == "sad" else "sl")
        if (trained.objective, self.policy.score) in (("sad", "sl"), ("bce", "cd")):
            raise UserError(
                f"{trained.directory}: the decision policy goes by a score that this model does not train",
                expected="cd for sad, sl for bce, either for joint",
                found=self.policy.score,
                fix="copy the policy of this very model, or run `dvc repro`",
            )

    def crop(self, image: Rgb) -> Rgb:
        """What the network sees of an image: its centre, padded with black if small."""
        return self.preprocess.crop(image)

    def read(self, cut: Cut) -> Rgb:
        """The centre of a crop's pixels."""
        return self.crop(decode(cut.data))

    def score(self, crops: Crops) -> list[Scores]:
        """Score crops that `crop` or `read` gave."""
        return self.scorer.score(crops)

    def conclude(self, file: CutFile, kind: Kind, scores: Sequence[Scores]) -> Judgement:
        """Put a file's scores together."""
        faces = self.policy.faces(file.cuts, scores)
        people = self.policy.people(faces) if kind == "video" else {}
        return Judgement(file.path, kind, faces, people, file.reason, file.lost_frames)
