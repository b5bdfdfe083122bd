"""DFFD: still images of whole-face synthesis and attribute edits."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, field_validator

from fakeforensics.params import Group, Name
from fakeforensics.sources.base import (
    ITSELF,
    OUTERMOST,
    AdapterOptions,
    CountCheck,
    DatasetAdapter,
    Instructions,
    RawFile,
    Rules,
    SharedNumbers,
)
from fakeforensics.sources.split_folders import SplitFolders


class DFFDFolder(Group):
    """The content of one folder of the data set.

    Args:
        method: The forgery method; `real` for a folder of real images.
        domain: The image domain.
        photos: The folder of the photographs that the images were made from; a folder of photographs names
            itself. Files with the same number in both folders are one group. Without `photos` every file is a
            separate group.
        label: 0 real, 1 fake; by default 0 if the method is `real`, else 1.
    """

    method: Name
    domain: Name
    photos: Name | None = None
    label: Literal[0, 1] | None = None


FOLDERS = {
    "ffhq": DFFDFolder(method="real", domain="ffhq", photos="ffhq"),
    "faceapp": DFFDFolder(method="faceapp", domain="ffhq", photos="ffhq"),
    "stylegan_ffhq": DFFDFolder(method="stylegan", domain="ffhq"),
    "celeba": DFFDFolder(method="real", domain="celeba", photos="celeba"),
    "stargan": DFFDFolder(method="stargan", domain="celeba", photos="celeba"),
    "stylegan_celeba": DFFDFolder(method="stylegan", domain="celeba"),
    "pggan": DFFDFolder(method="pggan", domain="celeba"),
    "pggan_v1": DFFDFolder(method="pggan", domain="celeba"),
    "pggan_v2": DFFDFolder(method="pggan", domain="celeba"),
}
SEVERAL = "a fake's name holds the numbers of several photographs: the first one is taken as its original"
# Table 4.2 of the thesis, a sub-sample of DFFD: train, validation and test by domain and method.
MANY_FAKE_FACES: Mapping[tuple[str, str], tuple[int, int, int]] = {
    ("ffhq", "real"): (10000, 999, 4000),
    ("ffhq", "stylegan"): (9999, 1000, 4000),
    ("ffhq", "faceapp"): (6309, 999, 4000),
    ("celeba", "real"): (10000, 1000, 4000),
    ("celeba", "stylegan"): (10000, 1000, 4000),
    ("celeba", "stargan"): (10000, 1000, 4000),
    ("celeba", "pggan"): (9975, 998, 4000),
}


class DFFDOptions(AdapterOptions):
    """Settings of the adapter.

    Args:
        folders: The content of each folder; entries are added to the built-in table or replace its rows.
        ignore: Folders to skip.
        number: Regular expression whose first group finds a photograph's number in a file name.
    """

    folders: dict[str, DFFDFolder] = Field(default={})
    ignore: tuple[str, ...] = ()
    number: Annotated[str, Field(min_length=1)] = r"(?:^|[^0-9A-Za-z])(\d+)(?=$|[^0-9A-Za-z])"

    @field_validator("number")
    @classmethod
    def _one_group(cls, value: str) -> str:
        try:
            groups = re.compile(value).groups
        except re.error as error:
            raise ValueError(f"not a regular expression ({error})") from None
        if groups < 1:
            raise ValueError("no (group) that captures the number")
        return value


class DFFD(DatasetAdapter):
    r"""Diverse Fake Face Dataset: its images, from which Many Fake Faces is sampled.

    Real images are from FFHQ and CelebA. Fakes are FaceApp edits of FFHQ, StarGAN edits of CelebA, StyleGAN
    images in the style of either, and PGGAN images in the style of CelebA. The official split is 50%
    training, 5% validation and 45% test with disjoint identities. The tree of the archive differs between
    copies; `options.folders` in params.yaml says what each folder holds, for example

        folders: {FaceAPP: {method: faceapp, domain: ffhq, photos: ffhq}}

    A photograph and the edits made from it have the same number (`00042.png`, `000042_Blond_Hair.jpg`) and
    are one group; each image made from noise is a separate group.

    Cite: Dang et al., On the Detection of Digital Face Manipulation, CVPR 2020.
    """

    instructions = Instructions(
        tree="<folder>/<split>/<image>\n"
        "folder: " + ", ".join(FOLDERS) + " (others: `options.folders`)\n"
        "split: train, validation (or val, eval), test; without this level the source is split by group",
        obtain="apply at cvlab.cse.msu.edu/dffd-dataset.html; a password and instructions come by e-mail. "
        "Unpack the parts ffhq, faceapp, stylegan_ffhq, celeba, stargan, stylegan_celeba and pggan",
    )
    Options = DFFDOptions

    @classmethod
    def expected_counts(cls, records: Sequence[RawFile]) -> Iterator[CountCheck]:
        """Compare the numbers of images by domain, method and split; without split folders not by split."""
        counts = Counter((record.domain, record.method, record.own_split) for record in records)
        for (domain, method), expected in MANY_FAKE_FACES.items():
            found = {split: counts[domain, method, split] for split in ("", "train", "val", "test")}
            name = f"{domain}, {method}"
            if found.pop(""):
                total = sum(number for (*key, _), number in counts.items() if key == [domain, method])
                yield CountCheck(name, total, sum(expected), "at least", "table 4.2")
                continue
            for (split, here), number in zip(found.items(), expected, strict=True):
                yield CountCheck(f"{name}, {split}", here, number, "at least", "table 4.2")

    def records(self) -> list[RawFile]:
        """One record per image, with the split that its folder names."""
        table, files = FOLDERS | self.options.folders, self.files()
        unknown = sorted({path.parts[0] for path in files if path.parts[0] not in table})
        if unknown:
            raise self.problem(
                "no rule for " + ", ".join(unknown),
                fix=f"describe them in sources.{self.name}.options.folders, or list them in "
                f"sources.{self.name}.options.ignore",
            )
        kinds = [table[path.parts[0]] for path in files]
        photos = {
            f"{kind.photos}/{number}"
            for path, kind in zip(files, kinds, strict=True)
            if kind.photos and kind.method == "real"
            for number in self._numbers(path)[:1]
        }
        splits = SplitFolders(self, files)
        return [self._record(*each, splits, photos) for each in zip(files, kinds, strict=True)]

    def shared_numbers(self, records: Sequence[RawFile]) -> list[SharedNumbers]:
        """Pair each folder of fakes with each folder of real images of the same domain."""
        table = FOLDERS | self.options.folders
        numbered: dict[str, dict[str, RawFile]] = {}
        for record in records:
            path = PurePosixPath(record.path)
            for number in self._numbers(path):
                numbered.setdefault(path.parts[0], {}).setdefault(number, record)
        found = []
        for fake, fakes in sorted(numbered.items()):
            for real, reals in sorted(numbered.items()):
                one, other = table[real], table[fake]
                if (one.method == "real", other.method == "real") != (
                    True,
                    False,
                ) or one.domain != other.domain:
                    continue
                pairs = [(reals[number], fakes[number]) for number in sorted(fakes.keys() & reals.keys())]
                found.append(
                    SharedNumbers(
                        real,
                        fake,
                        len(fakes),
                        tuple((a.path, b.path) for a, b in pairs),
                        joined=other.photos is not None and one.photos == other.photos,
                        across_splits=sum(a.own_split != b.own_split for a, b in pairs),
                    )
                )
        return [shared for shared in found if shared.pairs]

    def ignores(self, path: PurePosixPath) -> bool:
        """Whether a file is in a folder that `options.ignore` names."""
        return path.parts[0] in self.options.ignore

    def _record(
        self, path: PurePosixPath, folder: DFFDFolder, splits: SplitFolders, photos: Collection[str]
    ) -> RawFile:
        is_real = folder.method == "real"
        _, split, doubts = splits.find(path)
        group, rule = self.own_group(path), ITSELF
        if folder.photos is not None:
            named = [f"{folder.photos}/{number}" for number in self._numbers(path)]
            known = [photo for photo in named if photo in photos]
            group = f"{self.name}/{[*known, *named, f'{folder.photos}/{path.stem}'][0]}"
            rule = "photograph's number in the file name" if named else "file name"
            doubts += (SEVERAL,) if len(set(known)) > 1 and not is_real else ()
        return RawFile(
            path=str(path),
            kind="image",
            method=folder.method,
            domain=folder.domain,
            label=folder.label if folder.label is not None else (0 if is_real else 1),
            group=group,
            own_split=split,
            rules=Rules(OUTERMOST if split else "", rule, "top folder", doubts),
        )

    def _numbers(self, path: PurePosixPath) -> list[str]:
        # Copies of the data set differ in the number of leading zeros.
        found = re.finditer(self.options.number, path.stem)
        return [match.group(1).lstrip("0").zfill(5) for match in found]
