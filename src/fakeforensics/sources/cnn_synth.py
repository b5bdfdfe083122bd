"""CNN Synth: the 13 test sets of CNNDetection, and its ProGAN training archive."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import ClassVar, Literal

from pydantic import Field

from fakeforensics.params import Name
from fakeforensics.sources.layout import Layout, LayoutOptions
from fakeforensics.sources.record import RawFile, Split

LABELS: dict[str, Literal[0, 1]] = {"0_real": 0, "1_fake": 1}
ARCHIVES: Mapping[str, Split] = {
    "progan_train": "train",
    "progan_val": "val",
    "CNN_synth_testset": "test",
    "test": "test",
}
METHODS = {"progan": "pggan", "seeingdark": "sitd"}
# Sets whose fakes are made from an image, and its pool: CRN and IMLE render the same street scenes.
POOLS = {
    "crn": "gta",
    "imle": "gta",
    "sitd": "sitd",
    "seeingdark": "seeingdark",
    "san": "san",
    "gaugan": "gaugan",
    "cyclegan": "cyclegan",
    "stargan": "stargan",
}


class CNNSynthOptions(LayoutOptions):
    """Settings of the layout.

    Args:
        methods: Method of a set where it is not the folder's name; progan (pggan) and seeingdark (sitd) are
            built in.
    """

    methods: dict[str, Name] = Field(default={})


class CNNSynth(Layout):
    """CNN Synth (CNNDetection): images by 13 generators, and ProGAN images of 20 LSUN categories to train on.

    Real images are in `0_real`, fakes in `1_fake`; progan, stylegan, stylegan2 and cyclegan have a folder a
    category above these. The test archive holds 45,169 real and 45,160 fake images (table 4.1 of the thesis),
    the training archive 36,006 images a category. Both come from
    huggingface.co/datasets/sywang/CNNDetection.

    The domain is the set's folder name; the method is what the thesis calls it. Everything outside
    `progan_train` and `progan_val` is test. Images are kept whole: this set is not about faces.

    Cite: Wang et al., CNN-generated images are surprisingly easy to spot… for now, CVPR 2020.
    """

    tree: ClassVar[str] = (
        "<set>/0_real/<image>  <set>/1_fake/<image>  or  <set>/<category>/0_real/<image> …\n"
        "(the sets may lie below CNN_synth_testset/ or test/)\n"
        "progan_train/<category>/0_real/<image> …  progan_val/<category>/0_real/<image> …"
    )
    obtain: ClassVar[str] = (
        "run `fakeforensics data fetch cnn_synth`, or unpack the archives from Hugging Face"
    )
    crop: ClassVar[Literal["faces", "whole"]] = "whole"
    Options: ClassVar[type[LayoutOptions]] = CNNSynthOptions

    def records(self) -> list[RawFile]:
        """One record an image."""
        return [self._record(path) for path in self.files()]

    def _record(self, path: PurePosixPath) -> RawFile:
        folders = path.parts[:-1]
        labels = [folder for folder in folders if folder in LABELS]
        archive = folders[0] if folders and folders[0] in ARCHIVES else None
        inner = folders[1:] if archive else folders
        if archive and ARCHIVES[archive] != "test" and inner[:1] != ("progan",):
            inner = ("progan", *inner)
        if len(labels) != 1 or inner[0] in LABELS:
            raise self.problem(f"{path} lies in no set's 0_real or 1_fake folder")
        label = LABELS[labels[0]]
        return RawFile(
            path=str(path),
            kind="image",
            method=(METHODS | self.options.methods).get(inner[0], inner[0]) if label else "real",
            domain=inner[0],
            label=label,
            group=self._group(path, inner),
            own_split=ARCHIVES[archive] if archive else "test",
        )

    def _group(self, path: PurePosixPath, inner: tuple[str, ...]) -> str:
        if inner[0] not in POOLS:
            return self.own_group(path)
        category = [folder for folder in inner[1:] if folder not in LABELS]
        return "/".join([self.name, POOLS[inner[0]], *category, path.stem])
