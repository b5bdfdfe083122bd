"""DFFD: still images of whole-face synthesis and attribute edits."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from fakeforensics.params import Group, Name
from fakeforensics.sources.layout import SPLIT_FOLDERS, Layout, LayoutOptions
from fakeforensics.sources.record import RawFile


class Folder(Group):
    """What one folder of the data set holds.

    Args:
        method: The forgery method; `real` makes it a folder of real images.
        domain: The image world.
        photos: The folder whose photographs these are or were made from: files with the same number in both
            are one group. Without it every file is a group of its own.
        label: 0 real, 1 fake; by default what the method says.
    """

    method: Name
    domain: Name
    photos: Name | None = None
    label: Literal[0, 1] | None = None


FOLDERS = {
    "ffhq": Folder(method="real", domain="ffhq", photos="ffhq"),
    "faceapp": Folder(method="faceapp", domain="ffhq", photos="ffhq"),
    "stylegan_ffhq": Folder(method="stylegan", domain="ffhq"),
    "celeba": Folder(method="real", domain="celeba", photos="celeba"),
    "stargan": Folder(method="stargan", domain="celeba", photos="celeba"),
    "stylegan_celeba": Folder(method="stylegan", domain="celeba"),
    "pggan": Folder(method="pggan", domain="celeba"),
    "pggan_v1": Folder(method="pggan", domain="celeba"),
    "pggan_v2": Folder(method="pggan", domain="celeba"),
}


class DFFDOptions(LayoutOptions):
    """Settings of the layout.

    Args:
        folders: What each folder holds; entries are added to the built-in table or replace its rows.
        ignore: Folders to leave alone.
        number: Regular expression whose first group finds a photograph's number in a file name.
    """

    folders: dict[str, Folder] = Field(default={})
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


class DFFD(Layout):
    r"""Diverse Fake Face Dataset, the image part that Many Fake Faces is drawn from.

    Real: FFHQ, CelebA. Fake: FaceApp edits of FFHQ, StarGAN edits of CelebA, StyleGAN trained on either,
    PGGAN trained on CelebA. Its own split is 50/5/45 % with disjoint identities. Access by application at
    cvlab.cse.msu.edu/dffd-dataset.html. The archive's tree differs between copies: `options.folders` in
    params.yaml says what each folder holds, for example

        folders: {FaceAPP: {method: faceapp, domain: ffhq, photos: ffhq}}

    A photograph and the edits made from it carry the same number (`00042.png`, `000042_Blond_Hair.jpg`) and
    form one group; images made from noise are groups of their own.

    Cite: Dang et al., On the Detection of Digital Face Manipulation, CVPR 2020.
    """

    tree: ClassVar[str] = (
        "<folder>/<split>/<image>\n"
        "folder: " + ", ".join(FOLDERS) + " (others: `options.folders`)\n"
        "split: train, validation (or val, eval), test; without this level the split is cut by group"
    )
    obtain: ClassVar[str] = (
        "apply at cvlab.cse.msu.edu/dffd-dataset.html; a password and instructions come by e-mail. Unpack "
        "the parts ffhq, faceapp, stylegan_ffhq, celeba, stargan, stylegan_celeba and pggan"
    )
    Options: ClassVar[type[LayoutOptions]] = DFFDOptions

    def records(self) -> list[RawFile]:
        """One record an image, with the split that its folder prescribes."""
        table = FOLDERS | self.options.folders
        files = [path for path in self.files() if path.parts[0] not in self.options.ignore]
        unknown = sorted({path.parts[0] for path in files if path.parts[0] not in table})
        if unknown:
            raise self.problem(
                "no rule for " + ", ".join(unknown),
                fix=f"say what they hold in sources.{self.name}.options.folders, or name them in "
                f"sources.{self.name}.options.ignore",
            )
        return [self._record(path, table[path.parts[0]]) for path in files]

    def _record(self, path: PurePosixPath, folder: Folder) -> RawFile:
        is_real = folder.method == "real"
        group = self.own_group(path)
        if folder.photos is not None:
            match = re.search(self.options.number, path.stem)
            # Copies differ in how many leading zeros they write.
            photo = match.group(1).lstrip("0").zfill(5) if match else path.stem
            group = f"{self.name}/{folder.photos}/{photo}"
        return RawFile(
            path=str(path),
            kind="image",
            method=folder.method,
            domain=folder.domain,
            label=folder.label if folder.label is not None else (0 if is_real else 1),
            group=group,
            own_split=SPLIT_FOLDERS.get(path.parts[1].lower(), "") if len(path.parts) > 2 else "",
        )
