"""FaceForensics++: YouTube videos and their manipulations by several methods."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from fakeforensics.params import Name
from fakeforensics.sources.base import (
    ITSELF,
    VIDEO_SUFFIXES,
    AdapterOptions,
    CountCheck,
    DatasetAdapter,
    Instructions,
    RawFile,
    Rules,
)
from fakeforensics.sources.split_folders import Split, split_of

VIDEOS = 1000  # number of real videos, and of fake videos by each method
LEVELS = ("original_sequences", "manipulated_sequences")
# 004, or an actor and a scene: 01__meeting_serious
REAL_NAME = re.compile(r"(\d+)(__[^_]+(?:_[^_]+)*)?")
# 004_982, or two actors, a scene and a code: 01_02__meeting_serious__YVGY8LOK
FAKE_NAME = re.compile(r"(\d+)_(\d+)(?:(__[^_]+(?:_[^_]+)*)(?:__[^_]+)?)?")
UNLISTED = "a video of YouTube that is on none of the official lists"


class FaceForensicsOptions(AdapterOptions):
    """Settings of the adapter.

    Args:
        compression: The compression to read: `raw`, `c23` or `c40`.
    """

    compression: Name = "c23"


class FaceForensics(DatasetAdapter):
    """FaceForensics++: 1,000 real videos, and 1,000 by each method.

    `manipulated_sequences/Deepfakes/c23/videos/004_982.mp4` shows the face of 982 in the video 004. The video
    004 is its group, and both are its identities. In DeepFakeDetection the actor 02 replaces the actor 01 in
    `01_02__meeting_serious__YVGY8LOK.mp4`, whose original is `01__meeting_serious.mp4`. The official lists of
    pairs, train.json, val.json and test.json (720/140/140 videos), may be in any folder below the root.
    Without them the source is split by identity.

    Cite: Rössler et al., FaceForensics++: Learning to Detect Manipulated Facial Images, ICCV 2019.
    """

    instructions = Instructions(
        tree="original_sequences/youtube/<compression>/videos/004.mp4\n"
        "manipulated_sequences/<method>/<compression>/videos/004_982.mp4\n"
        "splits/train.json, val.json, test.json (optional; all three, in any folder)",
        obtain="fill in the form linked at https://github.com/ondyari/FaceForensics; a download script comes "
        "by e-mail",
    )
    suffixes = VIDEO_SUFFIXES
    Options = FaceForensicsOptions

    @classmethod
    def expected_counts(cls, records: Sequence[RawFile]) -> Iterator[CountCheck]:
        """Compare the numbers of real videos and of videos by each method on disk.

        The videos of actors (DeepFakeDetection) are not compared.
        """
        counts = Counter(record.method for record in records if "actors" not in record.path)
        for method in sorted({"real", *counts} - {"deepfakedetection"}):
            yield CountCheck(method, counts[method], VIDEOS, "exactly", "FaceForensics++")

    def records(self) -> list[RawFile]:
        """One record per video of the chosen compression."""
        splits = self._official_splits()
        records = [
            self._record(path, splits)
            for path in self.files()
            if path.parts[0] in LEVELS and self.options.compression in path.parts[2:-1]
        ]
        if splits and records and not any(record.own_split for record in records):
            raise self.problem(
                "no video on the official lists is on disk",
                found=f"listed {min(splits)}, on disk {records[0].path}",
            )
        return records

    def _record(self, path: PurePosixPath, splits: Mapping[str, Split]) -> RawFile:
        self.refuse_split_folders(path)
        is_fake = path.parts[0] == "manipulated_sequences"
        match = (FAKE_NAME if is_fake else REAL_NAME).fullmatch(path.stem)
        if match is None:
            raise self.problem(
                f"{path}: the name does not say which video it is, or which it was made from",
                expected="004, 004_982, 01__meeting_serious or 01_02__meeting_serious__YVGY8LOK",
                fix="restore the name that the file has in the data set",
            )
        *people, scene = match.groups()
        official = {"" if scene else splits.get(person, "") for person in people}
        if len(official) > 1:
            raise self.problem(
                f"{path}: the official lists put its two videos into different splits",
                found=", ".join(people),
            )
        (split,) = official
        name = ("<target>_<source>" if is_fake else "") + ("__<scene>" if scene else "")
        return RawFile(
            path=str(path),
            kind="video",
            method=path.parts[1].lower() if is_fake else "real",
            domain="faceforensics",
            label=1 if is_fake else 0,
            group=f"{self.name}/{people[0]}{scene or ''}",
            identities=tuple(f"{self.name}/{person}" for person in people),
            own_split=split,
            video=self.own_group(path),
            rules=Rules(
                split=f"official list {split}.json" if split else "",
                group=f"file name {name}" if is_fake else ITSELF,
                label="top folder",
                doubts=(UNLISTED,) if splits and not split and not scene else (),
            ),
        )

    def tables(self) -> list[PurePosixPath]:
        """The official lists, in any folder below the root; empty if there are none.

        Raises:
            UserError: If only some of the three are there, or one occurs twice.
        """
        found = [
            path
            for path in self.all_files()
            if path.suffix.lower() == ".json" and split_of(path.stem) and path.parts[0] not in LEVELS
        ]
        if found and sorted(split_of(path.stem) for path in found) != ["test", "train", "val"]:
            raise self.problem(
                "the official lists are incomplete, or there are several copies of one",
                expected="train.json, val.json and test.json once each",
                found=", ".join(map(str, found)),
                fix="add the missing lists, or remove all: videos on a missing list could be trained on",
            )
        return found

    def _official_splits(self) -> dict[str, Split]:
        found: dict[str, Split] = {}
        for path in self.tables():
            try:
                pairs = json.loads((self.root / path).read_text(encoding="utf-8"))
                videos = {video for one, other in pairs for video in (one, other)}
            except (ValueError, TypeError) as error:
                raise self.problem(f"{path}: not a list of pairs of videos", found=str(error)) from None
            if twice := videos & found.keys():
                raise self.problem(f"{path}: {min(twice)} is also on another official list")
            found |= dict.fromkeys(videos, split_of(path.stem))
        return found
