"""FaceForensics++: YouTube videos and their manipulations by several methods."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from fakeforensics.params import Name
from fakeforensics.sources.base import (
    VIDEO_SUFFIXES,
    AdapterOptions,
    CountCheck,
    DatasetAdapter,
    Instructions,
    RawFile,
    Split,
)

VIDEOS = 1000  # real ones, and as many by each method
LEVELS = ("original_sequences", "manipulated_sequences")
SPLITS: Mapping[str, Split] = {"train": "train", "val": "val", "test": "test"}


class FaceForensicsOptions(AdapterOptions):
    """Settings of the adapter.

    Args:
        compression: Which of raw, c23 and c40 to read.
    """

    compression: Name = "c23"


class FaceForensics(DatasetAdapter):
    """FaceForensics++: 1,000 real videos, and 1,000 by each method.

    `manipulated_sequences/Deepfakes/c23/videos/004_982.mp4` puts the face of 982 into the video 004, which is
    its group; both are its identities. The official lists of pairs, `splits/{train,val,test}.json`
    (720/140/140 videos), are used if the root holds them; without them the source is split by identity.

    Cite: Rössler et al., FaceForensics++: Learning to Detect Manipulated Facial Images, ICCV 2019.
    """

    instructions = Instructions(
        tree="original_sequences/youtube/<compression>/videos/004.mp4\n"
        "manipulated_sequences/<method>/<compression>/videos/004_982.mp4\n"
        "splits/train.json, val.json, test.json (optional)",
        obtain="fill in the form linked at https://github.com/ondyari/FaceForensics; a download script comes "
        "by e-mail",
    )
    Options = FaceForensicsOptions

    @classmethod
    def expected_counts(cls, records: Sequence[RawFile]) -> Iterator[CountCheck]:
        """Real videos, and those of each method on disk; the actors' videos have no published split."""
        counts = Counter(record.method for record in records if "actors" not in record.path)
        for method in sorted({"real", *counts} - {"deepfakedetection"}):
            yield CountCheck(method, counts[method], VIDEOS, "exactly", "FaceForensics++")

    def records(self) -> list[RawFile]:
        """One record per video of the chosen compression."""
        splits = self._official_splits()
        return [
            self._record(path, splits)
            for path in self.files(VIDEO_SUFFIXES)
            if path.parts[0] in LEVELS and self.options.compression in path.parts[2:-1]
        ]

    def _record(self, path: PurePosixPath, splits: Mapping[str, Split]) -> RawFile:
        is_fake = path.parts[0] == "manipulated_sequences"
        # The actors' videos have descriptive names; only pairs of YouTube videos begin with the target's.
        has_pairs = path.parts[1] not in {"actors", "DeepFakeDetection"}
        people = path.stem.split("_") if has_pairs else []
        target = people[0] if people else path.stem
        return RawFile(
            path=str(path),
            kind="video",
            method=path.parts[1].lower() if is_fake else "real",
            domain="faceforensics",
            label=1 if is_fake else 0,
            group=f"{self.name}/{target}",
            identities=tuple(f"{self.name}/{person}" for person in people),
            own_split=splits.get(target, ""),
            video=self.own_group(path),
        )

    def tables(self) -> list[PurePosixPath]:
        """The official split lists that the root holds."""
        lists = [PurePosixPath("splits", f"{split}.json") for split in SPLITS]
        return [path for path in lists if (self.root / path).is_file()]

    def _official_splits(self) -> dict[str, Split]:
        found: dict[str, Split] = {}
        for path in self.tables():
            try:
                pairs = json.loads((self.root / path).read_text(encoding="utf-8"))
                found |= {video: SPLITS[path.stem] for pair in pairs for video in pair}
            except (ValueError, TypeError) as error:
                raise self.problem(f"{path}: not a list of pairs of videos", found=str(error)) from None
        return found
