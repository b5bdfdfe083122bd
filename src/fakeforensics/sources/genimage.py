"""GenImage, AIGIBench and similar trees: a folder per generator with generated images and real images."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Literal

from fakeforensics.sources.base import (
    ITSELF,
    LABEL_NAMES,
    OUTERMOST,
    AdapterOptions,
    CountCheck,
    DatasetAdapter,
    Doubts,
    Instructions,
    RawFile,
    Rules,
)
from fakeforensics.sources.split_folders import Split, SplitFolders, split_of

LABELS: dict[str, Literal[0, 1]] = {"nature": 0, "ai": 1, "0_real": 0, "1_fake": 1}
GENIMAGE = frozenset(["nature", "ai"])
# Folder that an archive of GenImage unpacks to, below or instead of the generator's folder → the generator.
GENERATORS: Mapping[str, str] = {
    "imagenet_ai_0508_adm": "adm",
    "imagenet_ai_0419_biggan": "biggan",
    "imagenet_glide": "glide",
    "imagenet_midjourney": "midjourney",
    **dict.fromkeys(("imagenet_ai_0419_sdv4", "stable_diffusion_v_1_4", "stable_diffusion_v1.4"), "sd14"),
    **dict.fromkeys(("imagenet_ai_0424_sdv5", "stable_diffusion_v_1_5", "stable_diffusion_v1.5"), "sd15"),
    "imagenet_ai_0419_vqdm": "vqdm",
    "imagenet_ai_0424_wukong": "wukong",
    "sdv1.4": "sd14",
}
# Names of ImageNet's training and validation photographs. Copies with other names cannot be matched.
PHOTOGRAPH = re.compile(r"n\d{8}_\d+|ILSVRC2012_val_\d{8}")
# In AIGIBench's training and validation folders these are categories of ProGAN's images.
PROGAN_CATEGORIES = frozenset(["car", "cat", "chair", "horse"])
# Numbers of GenImage's generated images for training and testing: 162 and 6 for each of 1,000 classes, but
# 166 and 8 by Stable Diffusion 1.5. The total is 1,350,000.
GENERATED = (162_000, 6_000)
GENERATED_BY: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(("adm", "biggan", "glide", "midjourney", "sd14", "vqdm", "wukong"), GENERATED),
    "sd15": (166_000, 8_000),
}
# Numbers of ImageNet's photographs for training and testing, divided among the generators.
PHOTOGRAPHS = (1_281_167, 50_000)
# Numbers of generated images by test set, as AIGIBench's README states them; there are as many real images.
AIGIBENCH_TESTS: Mapping[str, int] = {
    "communityai": 6_000,
    "socialrf": 3_000,
    "faceswap": 4_000,
    "inswap": 4_000,
    "wfir": 1_000,
}


class GenImage(DatasetAdapter):
    """GenImage: 1,331,167 photographs and 1,350,000 images by 8 generators; AIGIBench: 25 test sets.

    In GenImage, `<generator>/train/ai` holds generated images, and `nature` holds photographs of ImageNet.
    The folder `val` is its testing set, and it has no validation set. In AIGIBench, the images are in
    `train/<category or generator>/0_real` and `1_fake`, and likewise in `val` and `test`. The fakes of the
    categories car, cat, chair and horse are by ProGAN. Other sets are read in the same way: the outermost
    folder that is not named like a split is the generator.

    Method and domain are the generator's name in lower case, so that each generator's images are compared
    with the photographs next to them. No list says which images belong together, so each image is a separate
    group. Only photographs of GenImage with the same name in ImageNet are one group, even if they are next to
    different generators. Images are kept whole, because these sets are not about faces.

    Cite: Zhu et al., GenImage: A Million-Scale Benchmark for Detecting AI-Generated Image, NeurIPS 2023; Li
    et al., Is Artificial Intelligence Generated Image Detection a Solved Problem?, NeurIPS 2025 (AIGIBench).
    """

    instructions = Instructions(
        tree="<generator>/train/ai/<image>  <generator>/train/nature/<image>  <generator>/val/… \n"
        "(GenImage; its archives' folders such as imagenet_ai_0419_sdv4/ may be in between or alone)\n"
        "train/<generator>/0_real/<image>  train/<generator>/1_fake/<image>  val/…  test/…   (AIGIBench)",
        obtain="GenImage: the download linked at https://github.com/GenImage-Dataset/GenImage. AIGIBench: "
        "huggingface.co/datasets/HorizonTEL/AIGIBench. Unpack the archives of each generator",
    )
    crop = "whole"
    Options = AdapterOptions

    @classmethod
    def expected_counts(cls, records: Sequence[RawFile]) -> Iterator[CountCheck]:
        """Compare the numbers of images of the generators on disk.

        The photographs of GenImage are compared only if all its generators are on disk. Of AIGIBench, the
        five test sets whose numbers are known are compared.
        """
        is_genimage = {record.path: _is_genimage(PurePosixPath(record.path)) for record in records}
        found = Counter(
            (is_genimage[record.path], record.domain, record.label, record.own_split) for record in records
        )
        generators = {domain for genimage, domain, _, _ in found if genimage}
        splits: tuple[Split, Split] = ("train", "test")
        for generator in sorted(generators & GENERATED_BY.keys()):
            for split, expected in zip(splits, GENERATED_BY[generator], strict=True):
                here = found[True, generator, 1, split]
                yield CountCheck(f"{generator}, ai, {split}", here, expected, "exactly", "GenImage")
        if generators >= GENERATED_BY.keys():
            for split, expected in zip(splits, PHOTOGRAPHS, strict=True):
                here = sum(found[True, generator, 0, split] for generator in generators)
                yield CountCheck(f"nature, {split}", here, expected, "exactly", "GenImage")
        others = {domain for genimage, domain, _, _ in found if not genimage}
        for name, expected in AIGIBENCH_TESTS.items():
            for label in (0, 1) if name in others else ():
                here = found[False, name, label, "test"]
                yield CountCheck(
                    f"{name}, {LABEL_NAMES[label]}", here, expected, "exactly", "README of AIGIBench"
                )

    def records(self) -> list[RawFile]:
        """One record per image."""
        files = self.files()
        splits = SplitFolders(self, files, LABELS)
        return [self._record(path, *splits.find(path)) for path in files]

    def _record(self, path: PurePosixPath, place: int, named: Split, doubts: Doubts) -> RawFile:
        folders = path.parts[:-1]
        labels = [folder for folder in folders if folder in LABELS]
        above = [folder for index, folder in enumerate(folders) if index != place and folder not in LABELS]
        if len(labels) != 1 or not above:
            raise self.problem(
                f"{path}: the folders do not say whether it is real or fake and of which generator",
                expected="one of the folders " + ", ".join(LABELS) + ", below or above a generator's",
                found=str(path.parent),
                fix="restore the original folders; if the root is a generator's folder, use its parent",
            )
        label = LABELS[labels[0]]
        split: Split = "test" if labels[0] in GENIMAGE and named == "val" else named
        generator = self._generator(path, above, split)
        is_photograph = labels[0] == "nature" and PHOTOGRAPH.fullmatch(path.stem) is not None
        return RawFile(
            path=str(path),
            kind="image",
            method=generator if label else "real",
            domain=generator,
            label=label,
            group=f"{self.name}/nature/{path.stem}" if is_photograph else self.own_group(path),
            own_split=split,
            rules=Rules(
                split="folder val, GenImage's testing set" if split != named else OUTERMOST if split else "",
                group="photograph's name in ImageNet" if is_photograph else ITSELF,
                label="folder ai or nature" if labels[0] in GENIMAGE else "folder 0_real or 1_fake",
                doubts=doubts,
            ),
        )

    def _generator(self, path: PurePosixPath, folders: Sequence[str], split: Split) -> str:
        """The name of the first folder that is a generator of GenImage, else of the outermost folder."""
        names = [re.sub(r"[^a-z0-9_.+-]+", "_", folder.lower()) for folder in folders]
        name = next((name for name in names if name in GENERATORS or name in GENERATED_BY), names[0])
        if not name[0].isalnum() or split_of(name):
            raise self.problem(
                f"{path}: {name} is not a generator's name",
                expected="a name that begins with a letter or digit and is not named like a split",
                found=folders[0],
                fix="rename the folder",
            )
        if not _is_genimage(path) and split in {"train", "val"} and name in PROGAN_CATEGORIES:
            return "progan"
        return GENERATORS.get(name, name)


def _is_genimage(path: PurePosixPath) -> bool:
    return bool(GENIMAGE & set(path.parts[:-1]))
