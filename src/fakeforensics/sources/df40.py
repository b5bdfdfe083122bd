"""DF40: cropped frames and images by 40 forgery methods, with the real videos that they were made from."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from fakeforensics.reading import read_text
from fakeforensics.sources.base import (
    ITSELF,
    AdapterOptions,
    CountCheck,
    DatasetAdapter,
    Instructions,
    RawFile,
    Rules,
)
from fakeforensics.sources.split_folders import Split, split_of

METHODS = 40
FAKES: dict[str, Split] = {"DF40_train": "train", "DF40": "test"}
FF, CELEB = "FaceForensics++", "Celeb-DF-v2"
TESTS = "List_of_testing_videos.txt"
SPLITS_PAGE = "https://github.com/ondyari/FaceForensics (dataset/splits)"
LABELS: dict[str, Literal[0, 1]] = {"real": 0, "fake": 1}
# Methods whose images are drawn from noise. Their folders have names of videos, but do not depend on these.
FROM_NOISE = frozenset(
    ["stylegan2", "stylegan3", "styleganxl", "ddim", "dit", "pixart", "sit", "rddm", "sd2.1", "vqgan"]
)
# A clip's folder: 004, 004_982, id0_0000, id0_id1_0000, or 00000 of YouTube-real.
FF_CLIP = re.compile(r"(\d{3})(?:_(\d{3}))?")
CELEB_CLIP = re.compile(r"(id\d+)_(?:(id\d+)_)?(\d+)")
YOUTUBE_CLIP = re.compile(r"\d{5}")
UNTOLD = "an edit of a frame whose path does not name the video"


class _Clip(NamedTuple):
    """The real video that a file was made from, and the people shown; "" and () if no folder names them."""

    video: str = ""
    people: tuple[str, ...] = ()


class DF40(DatasetAdapter):
    """DF40: fakes by 40 methods as cropped frames, in the folders of the preprocessed download.

    `DF40_train` and `DF40` hold the training and the testing data of the fakes. Most methods are applied to
    FaceForensics++ (`ff`) and Celeb-DF (`cdf`), whose real frames are separate downloads. The other methods
    come with real images, in `DF40/<method>/real` and `fake`. The label comes from these folders.

    The folder of a clip names two videos or persons: `004_982` is made from the video 004 with the face of
    982, `id0_id1_0000` from `id0_0000` with the face of id1. The video is its group, both persons are its
    identities. Files of `ff` have the split that the lists of FaceForensics++ give these videos, whatever
    their top folder. Files of `cdf` are test images, because DF40 does not train on them. An image drawn from
    noise is a separate group. For methods with their own real images, only files with the same name are one
    group, because nothing else says which photograph was edited.

    Cite: Yan et al., DF40: Toward Next-Generation Deepfake Detection, NeurIPS 2024.
    """

    instructions = Instructions(
        tree="DF40_train/<method>/[ff/]frames/004_982/000.png …  DF40/<method>/ff/frames/004_982/000.png …\n"
        "DF40/<method>/cdf/frames/id0_id1_0000/000.png …\n"
        "DF40_train/<method>/004/<image>  (drawn from noise; in DF40 below ff/ or cdf/)\n"
        "DF40/<method>/real/<image> …  DF40/<method>/fake/<image> …\n"
        "FaceForensics++/original_sequences/youtube/c23/frames/004/000.png …\n"
        "FaceForensics++/train.json, val.json, test.json   (needed for ff)\n"
        f"Celeb-DF-v2/Celeb-real/frames/id0_0000/000.png …  Celeb-DF-v2/{TESTS}   (needed for these)",
        obtain="the preprocessed downloads linked at https://github.com/YZY-stack/DF40: training and testing "
        "data, and the real data of FaceForensics++ and Celeb-DF; the lists of pairs from "
        "https://github.com/ondyari/FaceForensics, the list of test videos from Celeb-DF",
    )
    crop = "whole"
    Options = AdapterOptions

    @classmethod
    def expected_counts(cls, records: Sequence[RawFile]) -> Iterator[CountCheck]:
        """Compare the number of methods. The README states no numbers of files."""
        methods = {record.method for record in records if record.label}
        yield CountCheck("methods", len(methods), METHODS, "exactly", "README of DF40")

    def ignores(self, path: PurePosixPath) -> bool:
        """Whether a file is in a folder of landmarks or masks."""
        return bool({"landmarks", "masks"} & set(path.parts[:-1]))

    def records(self) -> list[RawFile]:
        """One record per frame or image."""
        files = self.files()
        if others := sorted({path.parts[0] for path in files} - {*FAKES, FF, CELEB}):
            raise self.problem(
                "files outside the top folders of the layout",
                expected=", ".join([*FAKES, FF, CELEB]),
                found=", ".join(others),
                fix="restore the names of the top folders, or move the others out of the source",
            )
        for folder in {path.parent for path in files}:
            self.refuse_split_folders(folder / "frame")
        tables = self.tables()
        ff, celeb = self._ff_splits(tables), self._celeb_tests(tables)
        records = [
            self._real(path, ff, celeb) if path.parts[0] in {FF, CELEB} else self._fake(path, ff)
            for path in files
        ]
        if not ff and any(record.domain == "faceforensics" for record in records):
            raise self.problem(
                "no official lists of FaceForensics++: without them, test videos could end up in training",
                expected=f"{FF}/train.json, val.json and test.json in {self.root}",
                found="none of them",
                fix=f"download them from {SPLITS_PAGE}",
            )
        if not celeb and any(path.parts[0] == CELEB for path in files):
            raise self.problem(
                "no official list of Celeb-DF: without it, test videos could end up in training",
                expected=f"{CELEB}/{TESTS} in {self.root}, with lines such as `1 Celeb-real/id0_0000.mp4`",
                found="no such file, or no real video in it",
                fix="copy it from Celeb-DF version 2",
            )
        return records

    def tables(self) -> list[PurePosixPath]:
        """The official lists of FaceForensics++ and Celeb-DF, which determine the splits.

        Raises:
            UserError: If one of the three lists of FaceForensics++ is missing or occurs twice.
        """
        files = [path for path in self.all_files() if path.parts[0] in {FF, CELEB}]
        lists = [path for path in files if path.parts[0] == FF and path.suffix == ".json"]
        lists = [path for path in lists if split_of(path.stem)]
        if lists and sorted(split_of(path.stem) for path in lists) != ["test", "train", "val"]:
            raise self.problem(
                "the official lists of FaceForensics++ are incomplete, or there are several copies of one",
                expected="train.json, val.json and test.json once each",
                found=", ".join(map(str, lists)),
                fix="add the missing lists, or remove the copies",
            )
        return [*(path for path in files if str(path) == f"{CELEB}/{TESTS}"), *lists]

    def _real(self, path: PurePosixPath, ff: Mapping[str, Split], celeb: Collection[str]) -> RawFile:
        is_ff = path.parts[0] == FF
        domain = "faceforensics" if is_ff else "celeb_df"
        clip = _clip(path.parent, domain)
        if not clip.video or len(clip.people) > 1:
            raise self.problem(
                f"{path}: no folder is named after a real video",
                expected="a folder like 004" if is_ff else "a folder like id0_0000 or 00000",
                found=str(path.parent),
                fix="restore the original folders; fakes belong below DF40_train or DF40",
            )
        split = ff.get(clip.video, "") if is_ff else ("test" if clip.video in celeb else "")
        table = f"{split}.json of {FF}" if is_ff else TESTS
        rules = Rules(f"official list {table}" if split else "", "folder of the video", "top folder")
        return self._record(path, "real", domain, 0, clip, split, rules)

    def _fake(self, path: PurePosixPath, ff: Mapping[str, Split]) -> RawFile:
        top, *folders = path.parts[:-1]
        if not folders:
            raise self.problem(
                f"{path} is not in the folder of a method",
                expected=f"{top}/<method>/…",
                found=str(path),
                fix="restore the original folders",
            )
        method = folders[0].lower()
        kinds = [folder for folder in folders[1:] if folder in {"ff", "cdf", *LABELS}]
        # No file of DF40_train is from Celeb-DF, and some methods there have no folder ff.
        kind = kinds[0] if kinds else "ff" if top == "DF40_train" else ""
        if kind in LABELS:
            return self._with_own_reals(path, method, LABELS[kind])
        if not kind:
            raise self.problem(
                f"{path}: no folder says what the file was made from",
                expected="a folder ff, cdf, real or fake below the method",
                found=str(path.parent),
                fix="restore the original folders",
            )
        domain = "faceforensics" if kind == "ff" else "celeb_df"
        is_noise = method in FROM_NOISE
        clip = _clip(path.parent, domain)
        split, rule = (
            self._split_of_fake(path, clip, ff) if kind == "ff" else (split_of("test"), "folder cdf")
        )
        doubts = (UNTOLD,) if not is_noise and not clip.video else ()
        group = ITSELF if is_noise or not clip.video else "folder <target>_<source>"
        rules = Rules(rule, group, "top folder", doubts)
        return self._record(path, method, domain, 1, _Clip() if is_noise else clip, split, rules)

    def _split_of_fake(self, path: PurePosixPath, clip: _Clip, ff: Mapping[str, Split]) -> tuple[Split, str]:
        splits = {ff[person] for person in clip.people if person in ff}
        if len(splits) > 1:
            raise self.problem(
                f"{path}: the official lists put its two videos into different splits",
                expected="both on one list",
                found=", ".join(f"{person} on {ff[person]}.json" for person in clip.people if person in ff),
                fix="restore the name of the clip's folder, or remove the clip",
            )
        if splits:
            (split,) = splits
            return split, f"official list {split}.json of {FF}"
        return FAKES[path.parts[0]], f"top folder {path.parts[0]}"

    def _with_own_reals(self, path: PurePosixPath, method: str, label: Literal[0, 1]) -> RawFile:
        top, *folders = path.parts[:-1]
        inner = [folder for folder in folders[1:] if folder not in {*LABELS, "frames"}]
        name = "/".join([*inner] or [path.stem])
        rules = Rules(f"top folder {top}", "name below real/ or fake/", "folder real or fake")
        return RawFile(
            path=str(path),
            kind="image",
            method=method if label else "real",
            domain=method,
            label=label,
            group=f"{self.name}/{method}/{name}",
            own_split=FAKES[top],
            video=f"{self.name}/{path.parent}" if inner else "",
            rules=rules,
        )

    def _record(
        self,
        path: PurePosixPath,
        method: str,
        domain: str,
        label: Literal[0, 1],
        clip: _Clip,
        split: Split,
        rules: Rules,
    ) -> RawFile:
        return RawFile(
            path=str(path),
            kind="image",
            method=method,
            domain=domain,
            label=label,
            group=f"{self.name}/{domain}/{clip.video}" if clip.video else self.own_group(path),
            own_split=split,
            identities=tuple(f"{self.name}/{domain}/{person}" for person in clip.people),
            video=f"{self.name}/{path.parent}" if clip.video else "",
            rules=rules,
        )

    def _ff_splits(self, tables: Iterable[PurePosixPath]) -> dict[str, Split]:
        found: dict[str, Split] = {}
        for path in (path for path in tables if path.parts[0] == FF):
            try:
                pairs = json.loads(read_text(self.root / path))
                videos = {str(video) for one, other in pairs for video in (one, other)}
            except (ValueError, TypeError) as error:
                raise self.problem(
                    f"{self.root / path}: not a list of pairs of videos",
                    expected='[["004", "982"], …]',
                    found=str(error),
                    fix=f"download it from {SPLITS_PAGE}",
                ) from None
            if twice := videos & found.keys():
                raise self.problem(
                    f"{self.root / path}: {min(twice)} is also on another official list",
                    expected="each video on one list",
                    found=f"it is also in {found[min(twice)]}.json",
                    fix=f"download the lists from {SPLITS_PAGE}",
                )
            found |= dict.fromkeys(videos, split_of(path.stem))
        return found

    def _celeb_tests(self, tables: Iterable[PurePosixPath]) -> set[str]:
        """The names of the real videos on the official list of test videos, in which 1 means real."""
        lists = [read_text(self.root / path) for path in tables if path.parts[0] == CELEB]
        lines = [line.strip() for text in lists for line in text.splitlines()]
        return {PurePosixPath(line).stem for line in lines if line.startswith("1 ")}


@lru_cache(maxsize=1024)  # paths are sorted, so files of the same folder follow each other
def _clip(folder: PurePosixPath, domain: str) -> _Clip:
    """The clip that the innermost folder with a clip's name stands for."""
    for name in reversed(folder.parts[1:]):
        if domain == "faceforensics" and (match := FF_CLIP.fullmatch(name)):
            target, source = match.groups()
            return _Clip(target, (target, source) if source else (target,))
        if domain == "celeb_df" and (match := CELEB_CLIP.fullmatch(name)):
            target, source, take = match.groups()
            return _Clip(f"{target}_{take}", (target, source) if source else (target,))
        if domain == "celeb_df" and YOUTUBE_CLIP.fullmatch(name):
            return _Clip(name)
    return _Clip()
