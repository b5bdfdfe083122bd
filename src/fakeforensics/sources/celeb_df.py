"""Celeb-DF, version 1 and 2: videos of celebrities and face swaps made from them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Literal

from fakeforensics.sources.base import (
    ITSELF,
    LABEL_NAMES,
    VIDEO_SUFFIXES,
    AdapterOptions,
    CountCheck,
    DatasetAdapter,
    Instructions,
    RawFile,
    Rules,
)

LABELS: dict[str, Literal[0, 1]] = {"Celeb-real": 0, "YouTube-real": 0, "Celeb-synthesis": 1}
REAL_NAME = re.compile(r"(id\d+)_(\d+)")
FAKE_NAME = re.compile(r"(id\d+)_(id\d+)_(\d+)")
# Version → its numbers of videos in the order of LABELS.
VERSIONS: Mapping[str, tuple[int, int, int]] = {"v1": (158, 250, 795), "v2": (590, 300, 5639)}
TESTED_V2 = (178, 340)  # test videos of version 2, by label


class CelebDFOptions(AdapterOptions):
    """Settings of the adapter.

    Args:
        testing_list: The official list of test videos, relative to the root.
    """

    testing_list: str = "List_of_testing_videos.txt"


class CelebDF(DatasetAdapter):
    """Celeb-DF v1 and v2.

    The data set holds videos of celebrities from YouTube and improved DeepFake swaps between them. Version 2
    has 590 + 300 real and 5,639 fake videos; version 1 has 158 + 250 and 795. To get access, fill in the form
    at https://github.com/yuezunli/celeb-deepfakeforensics.

    The label comes from the folder. The official list names the test videos, with lines such as
    `1 Celeb-real/id0_0000.mp4` in which 1 means real. Other videos have no official split. `id16_id6_0012`
    shows the person 6 in the real video `id16_0012`: both persons are its identities, and the real video
    names its group.

    Cite: Li et al., Celeb-DF: A Large-scale Challenging Dataset for DeepFake Forensics, CVPR 2020.
    """

    instructions = Instructions(
        tree="Celeb-real/id0_0000.mp4 …  YouTube-real/00000.mp4 …  Celeb-synthesis/id0_id1_0000.mp4 …\n"
        "List_of_testing_videos.txt\n"
        "(a folder videos/ below each of the three is accepted)",
        obtain="fill in the form linked at https://github.com/yuezunli/celeb-deepfakeforensics; the download "
        "link comes by e-mail. Unpack the archive and keep its list of test videos",
    )
    suffixes = VIDEO_SUFFIXES
    Options = CelebDFOptions

    @classmethod
    def expected_counts(cls, records: Sequence[RawFile]) -> Iterator[CountCheck]:
        """Videos by folder, and the test videos of version 2."""
        counts = Counter(PurePosixPath(record.path).parts[0] for record in records)
        found = tuple(counts[folder] for folder in LABELS)
        # The files on disk may be incomplete. They are version 1 if they do not exceed its numbers.
        version = "v1" if found[0] <= VERSIONS["v1"][0] and found[2] <= VERSIONS["v1"][2] else "v2"
        for folder, here, expected in zip(LABELS, found, VERSIONS[version], strict=True):
            yield CountCheck(folder, here, expected, "exactly", f"Celeb-DF {version}")
        if version == "v2":
            tested: Counter[int] = Counter(record.label for record in records if record.own_split == "test")
            for label, name in enumerate(LABEL_NAMES):
                found_tests, expected = tested[label], TESTED_V2[label]
                yield CountCheck(f"test videos, {name}", found_tests, expected, "exactly", "Celeb-DF v2")

    def records(self) -> list[RawFile]:
        """One record per video; `own_split` is `test` for videos on the official list, else empty."""
        listed = self._testing_list()
        videos = [path for path in self.files() if path.parts[0] in LABELS]
        if not videos:
            raise self.problem("none of the folders " + ", ".join(LABELS) + " holds a video")
        if not any(_plain(path) in listed for path in videos):
            raise self.problem(
                f"none of the {len(listed)} videos in {self.options.testing_list} is on disk",
                found=f"listed {min(listed)}, on disk {videos[0]}",
            )
        return [self._record(path, _plain(path) in listed) for path in videos]

    def tables(self) -> list[PurePosixPath]:
        """The official list of test videos."""
        return [PurePosixPath(self.options.testing_list)]

    def _record(self, path: PurePosixPath, is_test: bool) -> RawFile:
        self.refuse_split_folders(path)
        folder = path.parts[0]
        group = path.stem
        people: list[str] = []
        pattern = {"Celeb-real": REAL_NAME, "Celeb-synthesis": FAKE_NAME}.get(folder)
        if pattern is not None:
            match = pattern.fullmatch(path.stem)
            if match is None:
                raise self.problem(
                    f"{path}: the name does not say who the video shows",
                    fix="restore the name that the file has in the data set",
                )
            *people, take = match.groups()
            group = f"{people[0]}_{take}"
        return RawFile(
            path=str(path),
            kind="video",
            method="celeb_df" if LABELS[folder] else "real",
            domain="celeb_df",
            label=LABELS[folder],
            group=f"{self.name}/{group}",
            own_split="test" if is_test else "",
            identities=tuple(f"{self.name}/{person}" for person in people),
            video=self.own_group(path),
            rules=Rules(
                split=f"official list {self.options.testing_list}" if is_test else "",
                group="file name <target>_<source>_<take>" if LABELS[folder] else ITSELF,
                label="top folder",
            ),
        )

    def _testing_list(self) -> set[str]:
        path = self.root / self.options.testing_list
        if not path.is_file():
            raise self.problem(
                f"{path}: no such file",
                fix="copy it from the data set: without it, official test videos could end up in training",
            )
        listed = set()
        for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
            if not line.strip():
                continue
            digit, _, name = line.strip().partition(" ")
            video = PurePosixPath(name.strip())
            folder = video.parts[0] if video.parts else ""
            if digit not in {"0", "1"} or folder not in LABELS:
                raise self.problem(
                    f"{path}, line {number}: not a line of the official list",
                    found=line,
                    fix="a line is `1 Celeb-real/id0_0000.mp4`, where 1 means real",
                )
            if int(digit) == LABELS[folder]:
                raise self.problem(
                    f"{path}, line {number}: the digit contradicts the folder",
                    found=line,
                    fix="restore the official list, in which 1 means real and 0 means fake",
                )
            listed.add(_plain(video))
        if not listed:
            raise self.problem(f"{path} is empty")
        return listed


def _plain(path: PurePosixPath) -> str:
    return f"{path.parts[0]}/{path.name}"
