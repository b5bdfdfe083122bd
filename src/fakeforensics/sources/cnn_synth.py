"""CNN Synth: the 13 test sets of CNNDetection, and its ProGAN training archive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Literal

from pydantic import Field

from fakeforensics.params import Name
from fakeforensics.sources.base import (
    ITSELF,
    LABEL_NAMES,
    OUTERMOST,
    AdapterOptions,
    Archive,
    CountCheck,
    DatasetAdapter,
    Doubts,
    Instructions,
    RawFile,
    Rules,
)
from fakeforensics.sources.split_folders import Split, SplitFolders, split_of

LABELS: dict[str, Literal[0, 1]] = {"0_real": 0, "1_fake": 1}
ARCHIVES: Mapping[str, Split] = {
    "progan_train": "train",
    "progan_val": "val",
    "CNN_synth_testset": "test",
}
METHODS = {"progan": "pggan", "seeingdark": "sitd"}
# Sets whose fakes are made from photographs → the name of their pool of photographs. CRN and IMLE share one.
OWN_POOLS = ("sitd", "seeingdark", "san", "gaugan", "cyclegan", "stargan")
POOLS = {"crn": "gta", "imle": "gta"} | {name: name for name in OWN_POOLS}

# Table 4.1 of the thesis: number of real and fake images by folder name.
TEST_COUNTS: Mapping[str, tuple[int, int]] = {
    "biggan": (2000, 2000),
    "crn": (6382, 6382),
    "cyclegan": (1321, 1321),
    "deepfake": (2707, 2698),
    "gaugan": (5000, 5000),
    "imle": (6382, 6382),
    "progan": (4000, 4000),
    "san": (219, 219),
    "seeingdark": (180, 180),
    "stargan": (1999, 1999),
    "stylegan": (5991, 5991),
    "stylegan2": (7988, 7988),
    "whichfaceisreal": (1000, 1000),
}
LSUN_CATEGORIES = (
    *("airplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable"),
    *("dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
# Images per category in the public archives: half real, half fake.
PER_CATEGORY = {"train": 36006, "val": 400}


class CNNSynthOptions(AdapterOptions):
    """Settings of the adapter.

    Args:
        methods: Folder name → method, if they differ; progan → pggan and seeingdark → sitd are built in.
    """

    methods: dict[str, Name] = Field(default={})


class CNNSynth(DatasetAdapter):
    """CNN Synth (CNNDetection): images by 13 generators, and ProGAN images of 20 LSUN categories to train on.

    Real images are in `0_real`, fakes in `1_fake`; progan, stylegan, stylegan2 and cyclegan have one folder
    per category above these. The test archive holds 45,169 real and 45,160 fake images (table 4.1 of the
    thesis), the training archive 36,006 images per category.

    The domain is the set's folder name; the method is the thesis's name for it. All sets outside
    `progan_train` and `progan_val` are test sets. Images are kept whole, because this set is not about faces.

    Cite: Wang et al., CNN-generated images are surprisingly easy to spot… for now, CVPR 2020.
    """

    instructions = Instructions(
        tree="<set>/0_real/<image>  <set>/1_fake/<image>  or  <set>/<category>/0_real/<image> …\n"
        "(the sets may be below CNN_synth_testset/ or test/)\n"
        "progan_train/<category>/0_real/<image> …  progan_val/<category>/0_real/<image> …",
        obtain="run `fakeforensics data fetch cnn_synth`, or unpack the archives from "
        "huggingface.co/datasets/sywang/CNNDetection",
    )
    crop = "whole"
    Options = CNNSynthOptions
    repository = "sywang/CNNDetection"
    archives = (
        Archive("test", ("CNN_synth_testset.zip",)),
        Archive("val", ("progan_val.zip",), "progan_val"),
        Archive(
            "train",
            tuple(f"progan_train.7z.{volume:03d}" for volume in range(1, 8)),
            "progan_train",
            inner="progan_train.zip",
        ),
    )

    @classmethod
    def expected_counts(cls, records: Sequence[RawFile]) -> Iterator[CountCheck]:
        """Compare the numbers of images by set and class, in the training archives by category and class."""
        tests: Counter[tuple[str, int]] = Counter(
            (record.domain, record.label) for record in records if record.own_split == "test"
        )
        for domain, counts in TEST_COUNTS.items():
            for label, expected in enumerate(counts):
                name = f"{domain}, {LABEL_NAMES[label]}"
                yield CountCheck(name, tests[domain, label], expected, "exactly", "table 4.1", "test")
        parents = [PurePosixPath(record.path).parts[:-1] for record in records if record.own_split != "test"]
        # Some copies of the archives have a folder `progan` in between.
        trained = Counter((parts[0], *parts[-2:]) for parts in parents)
        for part, per_category in PER_CATEGORY.items():
            for category in LSUN_CATEGORIES:
                for folder, label in LABELS.items():
                    found = trained[f"progan_{part}", category, folder]
                    name = f"progan_{part}, {category}, {LABEL_NAMES[label]}"
                    yield CountCheck(name, found, per_category // 2, "exactly", "the public archive", part)

    def records(self) -> list[RawFile]:
        """One record per image."""
        files = self.files()
        # Only top folders are splits: below them, `train` is a category of objects.
        tops = [PurePosixPath(path.parts[0], path.name) for path in files]
        splits = SplitFolders(self, tops, {*LABELS, *ARCHIVES})
        return [self._record(path, splits.find(top)) for path, top in zip(files, tops, strict=True)]

    def _record(self, path: PurePosixPath, found: tuple[int, Split, Doubts]) -> RawFile:
        folders = path.parts[:-1]
        labels = [folder for folder in folders if folder in LABELS]
        archive = ARCHIVES.get(path.parts[0], "")
        split = archive or found[1]
        inner = folders[1:] if split else folders
        if split in {"train", "val"} and inner[:1] != ("progan",):
            inner = ("progan", *inner)
        if len(labels) != 1 or inner[0] in LABELS or split_of(inner[0]):
            raise self.problem(f"{path} is not in the 0_real or 1_fake folder of a set")
        label = LABELS[labels[0]]
        rule = (
            f"archive folder {folders[0]}" if archive else OUTERMOST if split else "all other sets are test"
        )
        return RawFile(
            path=str(path),
            kind="image",
            method=(METHODS | self.options.methods).get(inner[0], inner[0]) if label else "real",
            domain=inner[0],
            label=label,
            group=self._group(path, inner),
            own_split=split or "test",
            rules=Rules(
                rule, "file name in the set" if inner[0] in POOLS else ITSELF, "folder 0_real or 1_fake"
            ),
        )

    def _group(self, path: PurePosixPath, inner: tuple[str, ...]) -> str:
        if inner[0] not in POOLS:
            return self.own_group(path)
        category = [folder for folder in inner[1:] if folder not in LABELS]
        return "/".join([self.name, POOLS[inner[0]], *category, path.stem])
