"""Celeb-DF++: the videos of Celeb-DF version 2 with swaps, reenactments and talking faces by 22 methods."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Literal

from fakeforensics.reading import read_text
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

LABELS: dict[str, Literal[0, 1]] = {"Celeb-real": 0, "YouTube-real": 0, "Celeb-synthesis": 1}
# Folder below Celeb-synthesis → the number of test videos of each of its methods.
TESTED_BY_SCENARIO: Mapping[str, int] = {"FaceSwap": 200, "FaceReenact": 200, "TalkingFace": 300}
TESTED_REALS = 178
# The folder of the swaps of Celeb-DF version 2, as the README and as the archive name it.
FROM_CELEB_DF = ("celeb-df", "celeb-df-v2")
VIDEOS: Mapping[str, int] = {"Celeb-real": 590, "YouTube-real": 300, "Celeb-synthesis": 53_196}
METHODS = 22
REAL_NAME = re.compile(r"(id\d+)_(\d+)")
PAIR_NAME = re.compile(r"(id\d+)_(id\d+)_(\d+)")
# The name of a talking face ends with the clip that drives it: id0_0000_test_00012.
TALKING_NAME = re.compile(r"(id\d+)_(\d+)(?:_.+)?")
LIST = "List_of_testing_videos.txt"


class CelebDFPP(DatasetAdapter):
    """Celeb-DF++: 590 + 300 real videos, and 53,196 fakes by 22 methods.

    The real videos are those of Celeb-DF version 2, and one of the methods is its 5,639 swaps. So a protocol
    must not select both data sets. The label comes from the top folder, the method from the folder of the
    video. `List_of_testing_videos.txt` names the test videos, where 1 means real; other videos have no
    official split. To get access, fill in the form at https://github.com/OUC-VAS/Celeb-DF-PP.

    `id3_id28_0001` belongs to the group of the real video `id3_0001`; id3 and id28 are its identities. In
    TalkingFace `id3_0001_test_00012` shows the person 3 of the real video `id3_0001`. The repository does not
    explain the names, so this adapter reads them like the names of Celeb-DF.

    Cite: Li et al., Celeb-DF++: A Large-scale Challenging Video DeepFake Benchmark for Generalizable
    Forensics, arXiv:2507.18015, 2025.
    """

    instructions = Instructions(
        tree="Celeb-real/id0_0000.mp4 …  YouTube-real/00000.mp4 …\n"
        "Celeb-synthesis/FaceSwap/<method>/id0_id1_0000.mp4 …\n"
        "Celeb-synthesis/FaceReenact/<method>/id0_id1_0000.mp4 …\n"
        "Celeb-synthesis/TalkingFace/<method>/id0_0000_test_00012.mp4 …\n"
        f"{LIST}\n"
        "(a folder videos/ around the videos is accepted)",
        obtain="fill in the form linked at https://github.com/OUC-VAS/Celeb-DF-PP; the download link comes "
        "by e-mail. Unpack the archive and keep its list of test videos",
    )
    suffixes = VIDEO_SUFFIXES
    Options = AdapterOptions

    @classmethod
    def expected_counts(cls, records: Sequence[RawFile]) -> Iterator[CountCheck]:
        """Compare the numbers of videos by top folder, of methods, and of test videos by method.

        The test videos of Celeb-DF's own swaps are not compared, because the README and the official list
        disagree about their number.
        """
        paths = [_plain(PurePosixPath(record.path)) for record in records]
        found = Counter(path.parts[0] for path in paths)
        for folder, expected in VIDEOS.items():
            yield CountCheck(folder, found[folder], expected, "exactly", "arXiv:2507.18015")
        methods = {path.parts[1:3]: record.method for path, record in zip(paths, records, strict=True)}
        fakes = {folders: method for folders, method in methods.items() if folders[0] in TESTED_BY_SCENARIO}
        yield CountCheck("methods", len(set(fakes.values())), METHODS, "exactly", "arXiv:2507.18015")
        tested = Counter(record.method for record in records if record.own_split == "test")
        origin = "README of Celeb-DF++"
        yield CountCheck("test videos, real", tested["real"], TESTED_REALS, "exactly", origin)
        for (scenario, folder), method in sorted(fakes.items()):
            if folder.lower() not in FROM_CELEB_DF:
                name, expected = f"test videos, {method}", TESTED_BY_SCENARIO[scenario]
                yield CountCheck(name, tested[method], expected, "exactly", origin)

    def records(self) -> list[RawFile]:
        """One record per video; `own_split` is `test` for videos on the official list, else empty."""
        listed = self._testing_list()
        videos = [path for path in self.files() if path.parts[0] in LABELS]
        if not videos:
            raise self.problem("none of the folders " + ", ".join(LABELS) + " holds a video")
        if not any(_plain(path) in listed for path in videos):
            raise self.problem(
                f"none of the {len(listed)} videos in {LIST} is on disk",
                found=f"listed {min(listed)}, on disk {videos[0]}",
                fix="restore the names of folders and files, or the list of this version of the data set",
            )
        self._check_methods(videos, {path.parent for path in listed})
        return [self._record(path, _plain(path) in listed) for path in videos]

    def tables(self) -> list[PurePosixPath]:
        """The official list of test videos."""
        return [PurePosixPath(LIST)]

    def _check_methods(self, videos: Sequence[PurePosixPath], listed: set[PurePosixPath]) -> None:
        for path in videos:
            folders = _plain(path).parent
            if not LABELS[path.parts[0]]:
                continue
            if len(folders.parts) != 3 or folders.parts[1] not in TESTED_BY_SCENARIO:
                raise self.problem(
                    f"{path} is not in the folder of a method",
                    expected=" or ".join(
                        f"Celeb-synthesis/{name}/<method>/<video>" for name in TESTED_BY_SCENARIO
                    ),
                    fix="restore the original folders; swaps without a folder of their method are Celeb-DF "
                    "version 2, which the layout `celeb_df` reads",
                )
            # Every method has test videos. If a folder was renamed, its test videos could be trained on.
            if folders not in listed:
                raise self.problem(
                    f"{LIST} names no video in {folders}",
                    expected=", ".join(sorted(map(str, listed))),
                    found=str(path),
                    fix="restore the folder's name, or the list of this version of the data set",
                )

    def _record(self, path: PurePosixPath, is_test: bool) -> RawFile:
        self.refuse_split_folders(path)
        top, *folders = _plain(path).parent.parts
        label = LABELS[top]
        people, take, rule = self._names(path, top, folders)
        return RawFile(
            path=str(path),
            kind="video",
            method=_method(folders[1]) if label else "real",
            domain="celeb_df",
            label=label,
            group=f"{self.name}/{people[0]}_{take}" if people else f"{self.name}/{path.stem}",
            own_split="test" if is_test else "",
            identities=tuple(f"{self.name}/{person}" for person in people),
            video=self.own_group(path),
            rules=Rules(split=f"official list {LIST}" if is_test else "", group=rule, label="top folder"),
        )

    def _names(
        self, path: PurePosixPath, top: str, folders: Sequence[str]
    ) -> tuple[tuple[str, ...], str, str]:
        """The people in a video, the take, and the rule by which the name was read."""
        if top == "YouTube-real":
            return (), "", ITSELF
        if top == "Celeb-real":
            pattern, form, rule = REAL_NAME, "id0_0000", ITSELF
        elif folders[0] == "TalkingFace":
            pattern, form, rule = TALKING_NAME, "id0_0000_test_00012", "file name <target>_<take>_…"
        else:
            pattern, form, rule = PAIR_NAME, "id0_id1_0000", "file name <target>_<source>_<take>"
        match = pattern.fullmatch(path.stem)
        if match is None:
            raise self.problem(
                f"{path}: the name does not say who the video shows",
                expected=f"a name like {form}",
                found=path.stem,
                fix="restore the name that the file has in the data set",
            )
        *people, take = match.groups()
        return tuple(people), take, rule

    def _testing_list(self) -> set[PurePosixPath]:
        path = self.root / LIST
        lines = read_text(
            path, "copy it from the data set: without it, official test videos could end up in training"
        )
        listed = set()
        for number, line in enumerate(lines.removeprefix("\ufeff").splitlines(), start=1):
            if not line.strip():
                continue
            digit, _, name = line.strip().partition(" ")
            video = PurePosixPath(name.strip())
            label = LABELS.get(video.parts[0]) if video.parts else None
            # The digit means the opposite of a label: 1 is real.
            if label is None or digit not in {"0", "1"} or int(digit) == label:
                raise self.problem(
                    f"{path}, line {number}: not a line of the official list",
                    expected="`1 Celeb-real/id0_0000.mp4` or `0 Celeb-synthesis/…`, where 1 means real",
                    found=line,
                    fix="restore the list from the data set",
                )
            listed.add(_plain(video))
        if not listed:
            raise self.problem(f"{path} is empty", fix="restore the list from the data set")
        return listed


def _plain(path: PurePosixPath) -> PurePosixPath:
    return PurePosixPath(*(part for part in path.parts if part != "videos"))


def _method(folder: str) -> str:
    """A method's name; Celeb-DF's own swaps have the name that the layout `celeb_df` gives them."""
    return "celeb_df" if folder.lower() in FROM_CELEB_DF else folder.lower()
