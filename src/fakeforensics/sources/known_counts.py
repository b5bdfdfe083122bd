"""How many files the published data sets hold, to be compared with what lies on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from fakeforensics.sources.record import RawFile

LABEL_NAMES = ("real", "fake")

# Table 4.1 of the thesis, by folder name; real and fake.
CNN_SYNTH_TEST: Mapping[str, tuple[int, int]] = {
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
    *("airplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *(
        "diningtable",
        "dog",
        "horse",
        "motorbike",
        "person",
        "pottedplant",
        "sheep",
        "sofa",
        "train",
        "tvmonitor",
    ),
)
# The public archives: half real, half fake.
PROGAN_TRAIN_PER_CATEGORY = 36006
PROGAN_VAL_PER_CATEGORY = 400

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

CELEB_DF_FOLDERS = ("Celeb-real", "YouTube-real", "Celeb-synthesis")
CELEB_DF_VERSIONS: Mapping[str, tuple[int, int, int]] = {"v1": (158, 250, 795), "v2": (590, 300, 5639)}
CELEB_DF_V2_TESTED = (178, 340)

FACE_FORENSICS_VIDEOS = 1000
# Tables 3.1 to 3.6 see nine instances of PGGAN, of the others three, and test on a tenth of PGGAN.
PILOT_INSTANCES: Mapping[str, int] = {"pggan": 10, "cramergan": 3, "mmdgan": 3, "sngan": 3}
CELEBA_IMAGES = 202_599


@dataclass(frozen=True)
class CountCheck:
    """A count on disk beside the published one.

    Args:
        what: What was counted.
        found: How many are on disk.
        expected: How many there should be.
        rule: Whether more than expected are welcome.
        origin: Who says so.
    """

    what: str
    found: int
    expected: int
    rule: Literal["exactly", "at least"]
    origin: str

    @property
    def is_met(self) -> bool:
        """Whether the count on disk will do."""
        return self.found == self.expected if self.rule == "exactly" else self.found >= self.expected


def compare_counts(layout: str, records: Sequence[RawFile]) -> list[CountCheck]:
    """Counts on disk beside those of the published data set; none for a layout without such.

    Args:
        layout: The layout's name in params.yaml.
        records: All files of the source.
    """
    compare = _LAYOUTS.get(layout)
    return list(compare(records)) if compare else []


def _cnn_synth(records: Sequence[RawFile]) -> Iterator[CountCheck]:
    tests: Counter[tuple[str, int]] = Counter(
        (record.domain, record.label) for record in records if record.own_split == "test"
    )
    for domain, counts in CNN_SYNTH_TEST.items():
        for label, expected in enumerate(counts):
            found = tests[domain, label]
            yield CountCheck(f"{domain}, {LABEL_NAMES[label]}", found, expected, "exactly", "table 4.1")
    parents = Counter(
        PurePosixPath(record.path).parts[:-1] for record in records if record.own_split != "test"
    )
    for archive, per_category in (
        ("progan_train", PROGAN_TRAIN_PER_CATEGORY),
        ("progan_val", PROGAN_VAL_PER_CATEGORY),
    ):
        for category in LSUN_CATEGORIES:
            for label, folder in enumerate(("0_real", "1_fake")):
                found = sum(
                    count
                    for parts, count in parents.items()
                    if parts[0] == archive and parts[-2:] == (category, folder)
                )
                what = f"{archive}, {category}, {LABEL_NAMES[label]}"
                yield CountCheck(what, found, per_category // 2, "exactly", "the public archive")


def _dffd(records: Sequence[RawFile]) -> Iterator[CountCheck]:
    counts: Counter[tuple[str, str, str]] = Counter(
        (record.domain, record.method, record.own_split) for record in records
    )
    for (domain, method), expected in MANY_FAKE_FACES.items():
        what = f"{domain}, {method}"
        if counts[domain, method, ""]:
            found = sum(counts[domain, method, split] for split in ("", "train", "val", "test"))
            yield CountCheck(what, found, sum(expected), "at least", "table 4.2")
            continue
        for split, number in zip(("train", "val", "test"), expected, strict=True):
            yield CountCheck(
                f"{what}, {split}", counts[domain, method, split], number, "at least", "table 4.2"
            )


def _celeb_df(records: Sequence[RawFile]) -> Iterator[CountCheck]:
    counts = Counter(PurePosixPath(record.path).parts[0] for record in records)
    found = tuple(counts[folder] for folder in CELEB_DF_FOLDERS)
    # What is on disk is a copy, perhaps incomplete, of the version that it does not exceed.
    version = "v1" if found[2] <= CELEB_DF_VERSIONS["v1"][2] and found[0] <= 158 else "v2"
    for folder, here, expected in zip(CELEB_DF_FOLDERS, found, CELEB_DF_VERSIONS[version], strict=True):
        yield CountCheck(folder, here, expected, "exactly", f"Celeb-DF {version}")
    if version == "v2":
        tested: Counter[int] = Counter(record.label for record in records if record.own_split == "test")
        for label, expected in enumerate(CELEB_DF_V2_TESTED):
            what = f"test videos, {LABEL_NAMES[label]}"
            yield CountCheck(what, tested[label], expected, "exactly", "Celeb-DF v2")


def _faceforensics(records: Sequence[RawFile]) -> Iterator[CountCheck]:
    counts = Counter(record.method for record in records if "actors" not in record.path)
    for method in sorted({"real", *counts} - {"deepfakedetection"}):
        yield CountCheck(method, counts[method], FACE_FORENSICS_VIDEOS, "exactly", "FaceForensics++")


def _gan_instances(records: Sequence[RawFile]) -> Iterator[CountCheck]:
    real = sum(record.label == 0 for record in records)
    yield CountCheck("CelebA, real", real, CELEBA_IMAGES, "exactly", "CelebA")
    instances = Counter(method for method, _ in {(record.method, record.instance) for record in records})
    for method, expected in PILOT_INSTANCES.items():
        what = f"instances of {method}"
        yield CountCheck(what, instances[method], expected, "at least", "tables 3.1 to 3.6")


_LAYOUTS: Mapping[str, Callable[[Sequence[RawFile]], Iterator[CountCheck]]] = {
    "celeb_df": _celeb_df,
    "cnn_synth": _cnn_synth,
    "dffd": _dffd,
    "faceforensics": _faceforensics,
    "gan_instances": _gan_instances,
}
