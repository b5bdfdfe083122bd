"""Replicas of data sets: their trees, names and lists with tiny made-up pictures in them."""

import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from examples.demo.celeb_df import write_clip

SETS = [
    *("biggan", "crn", "deepfake", "gaugan", "imle", "san", "seeingdark", "stargan", "whichfaceisreal"),
    *(f"{name}/cat" for name in ("progan", "stylegan", "stylegan2", "cyclegan")),
]
PERSONS, FRAMES = 8, 2


def dffd() -> Iterator[tuple[str, int]]:
    """The files of Many Fake Faces but for Celeb-DF, and their labels."""
    for folder in ("ffhq", "faceapp", "stylegan_ffhq", "celeba", "stargan", "stylegan_celeba", "pggan"):
        for start, split in enumerate(("train", "validation", "test")):
            for number in range(6):
                yield f"{folder}/{split}/{start * 100 + number:05d}.png", folder not in ("ffhq", "celeba")


def cnn_synth() -> Iterator[tuple[str, int]]:
    """The thirteen test sets, and a category to train on."""
    for folder in [*SETS, "progan_train/cat", "progan_val/cat"]:
        for name, label in (("0_real", 0), ("1_fake", 1)):
            yield from ((f"{folder}/{name}/{number}.png", label) for number in range(6))


def pilot() -> Iterator[tuple[str, int]]:
    """CelebA's aligned photographs, and the samples of every instance."""
    yield from ((f"celeba/{number:06d}.jpg", 0) for number in range(60))
    for method, instances in (("pggan", 10), ("cramergan", 4), ("mmdgan", 4), ("sngan", 4)):
        for seed in range(1, instances + 1):
            yield from ((f"{method}/seed_{seed}/{number}.png", 1) for number in range(12))


def celeb_df() -> Iterator[tuple[str, int]]:
    """Two videos of each person, and everybody with everybody else's face."""
    for person in range(PERSONS):
        yield from ((f"Celeb-real/id{person}_000{number}.mp4", 0) for number in range(2))
        faces = (face for face in range(PERSONS) if face != person)
        yield from ((f"Celeb-synthesis/id{person}_id{face}_0001.mp4", 1) for face in faces)
    yield from ((f"YouTube-real/{number:05d}.mp4", 0) for number in range(2))


def celeb_df_v2() -> list[str]:
    """As many names as Celeb-DF version 2 has videos: 590 and 300 real ones, 5,639 swaps.

    59 persons with ten clips each, onto which the faces of the next ten persons are swapped.
    """
    people, takes = range(59), range(10)
    swaps = [
        f"Celeb-synthesis/id{person}_id{(person + step) % 59}_{take:04d}.mp4"
        for step in range(1, 11)
        for person in people
        for take in takes
    ]
    return [
        *(f"Celeb-real/id{person}_{take:04d}.mp4" for person in people for take in takes),
        *(f"YouTube-real/{number:05d}.mp4" for number in range(300)),
        *swaps[:5639],
    ]


def celeb_df_v2_tests(names: list[str]) -> list[str]:
    """178 and 340 of these names, as the official list has them, made from about half of the clips."""
    real, other, swaps = names[:590], names[590:890], names[890:]
    return [*real[::5][:108], *other[::4][:70], *swaps[::16][:340]]


def celeb_df_pp() -> Iterator[tuple[str, int]]:
    """Two videos of each of four persons, and fakes from each by a method of each scenario and Celeb-DF's."""
    persons = range(4)
    for person in persons:
        yield from ((f"Celeb-real/id{person}_000{take}.mp4", 0) for take in range(2))
        other = (person + 1) % len(persons)
        for method in ("FaceSwap/Celeb-DF-v2", "FaceSwap/BlendFace", "FaceReenact/DaGAN"):
            yield f"Celeb-synthesis/{method}/id{person}_id{other}_0001.mp4", 1
        yield f"Celeb-synthesis/TalkingFace/SadTalker/id{person}_0001_test_00012.mp4", 1
    yield from ((f"YouTube-real/{number:05d}.mp4", 0) for number in range(2))


def dfdc() -> Iterator[tuple[str, int]]:
    """Two training parts with three originals and two fakes of each, and four test videos."""
    for part, letter in enumerate("ab"):
        for number in range(3):
            yield f"dfdc_train_part_{part}/{letter}real{number}.mp4", 0
            yield from ((f"dfdc_train_part_{part}/{letter}real{number}fake{n}.mp4", 1) for n in range(2))
    yield from ((f"test/test{number}.mp4", number % 2) for number in range(4))


def df40() -> Iterator[tuple[str, int]]:
    """Six pairs of FaceForensics++ in all splits and two of Celeb-DF, by a method of each kind."""
    for number in range(6):
        video, pair = f"{2 * number:03d}", f"{2 * number:03d}_{2 * number + 1:03d}"
        for frame in ("000", "010"):
            yield f"FaceForensics++/original_sequences/youtube/c23/frames/{video}/{frame}.png", 0
            yield f"DF40_train/simswap/frames/{pair}/{frame}.png", 1
            if number == 5:
                yield f"DF40/blendface/ff/frames/{pair}/{frame}.png", 1
        yield f"DF40_train/StyleGAN2/{video}/seed{number:04d}.png", 1
    for person in range(2):
        yield f"Celeb-DF-v2/Celeb-real/frames/id{person}_0000/000.png", 0
        yield f"DF40/blendface/cdf/frames/id{person}_id{1 - person}_0000/000.png", 1
        yield f"DF40/StyleGAN2/cdf/Fake_from_Celeb-real/id{person}_0000/seed0.png", 1
    for number in range(2):
        yield f"DF40/stargan/real/real/{number}.png", 0
        yield f"DF40/stargan/fake/fake/{number}.png", 1


def genimage() -> Iterator[tuple[str, int]]:
    """Two generators of GenImage, one in its archive's folder."""
    for folder in ("Midjourney", "stable_diffusion_v_1_4/imagenet_ai_0419_sdv4"):
        for split in ("train", "val"):
            for number in range(4):
                yield f"{folder}/{split}/ai/{number}.png", 1
                yield f"{folder}/{split}/nature/n01440764_{len(folder)}{number}{len(split)}.png", 0


def aigibench() -> Iterator[tuple[str, int]]:
    """A category of ProGAN and Stable Diffusion to train on, and two test sets."""
    for folder in ("train/car", "train/sdv1.4", "val/car", "val/sdv1.4", "test/WFIR", "test/FLUX1-dev"):
        for name, label in (("0_real", 0), ("1_fake", 1)):
            yield from ((f"{folder}/{name}/{number}.png", label) for number in range(4))


def lists(source: str) -> Iterator[tuple[str, str]]:
    """The official lists of a data set: paths and texts."""
    if source == "celeb_df":
        pairs = (
            (f"1 Celeb-real/id{n}_0000.mp4", f"0 Celeb-synthesis/id{n}_id{n + 1}_0001.mp4") for n in (0, 5)
        )
        yield "List_of_testing_videos.txt", "".join(f"{line}\n" for pair in pairs for line in pair)
    elif source == "celeb_df_pp":
        tested = [name for name, _ in celeb_df_pp() if "/id0_" in name]
        lines = (f"{int('real' in name.partition('/')[0])} {name}\n" for name in tested)
        yield "List_of_testing_videos.txt", "".join(lines)
    elif source == "dfdc":
        for part in range(2):
            names = [name.rpartition("/")[2] for name, _ in dfdc() if f"part_{part}/" in name]
            entries = {
                name: {"label": "FAKE", "split": "train", "original": name.partition("fake")[0] + ".mp4"}
                if "fake" in name
                else {"label": "REAL", "split": "train", "original": None}
                for name in names
            }
            yield f"dfdc_train_part_{part}/metadata.json", json.dumps(entries)
        yield "test/labels.csv", "filename,label\n" + "".join(f"test{n}.mp4,{n % 2}\n" for n in range(4))
    elif source == "df40":
        pairs = [[f"{2 * number:03d}", f"{2 * number + 1:03d}"] for number in range(6)]
        for split, some in (("train", pairs[:4]), ("val", pairs[4:5]), ("test", pairs[5:])):
            yield f"FaceForensics++/{split}.json", json.dumps(some)
        yield (
            "Celeb-DF-v2/List_of_testing_videos.txt",
            "".join(f"1 Celeb-real/id{person}_0000.mp4\n" for person in range(2)),
        )


TREES = {"dffd": dffd, "celeb_df": celeb_df, "cnn_synth": cnn_synth, "pilot": pilot}
OTHER_TREES = {
    "celeb_df_pp": celeb_df_pp,
    "dfdc": dfdc,
    "df40": df40,
    "genimage": genimage,
    "aigibench": aigibench,
}
LAYOUTS = {"dffd": "dffd", "celeb_df": "celeb_df", "cnn_synth": "cnn_synth", "pilot": "gan_instances"}


def write_replicas(root: Path) -> dict[str, dict[str, object]]:
    """Write the thesis's four data sets below `root`; their entries for params.yaml.

    Pictures are kept whole, so that nobody has to look for faces in them.
    """
    for source in TREES:
        write_replica(root / source, source)
    return {
        source: {"layout": layout, "root": str(root / source), "crop": "whole", "options": {"subset": True}}
        for source, layout in LAYOUTS.items()
    }


def write_replica(root: Path, source: str) -> None:
    """Write one data set."""
    for name, label in (TREES | OTHER_TREES)[source]():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".mp4":
            write_clip(path, [picture(f"{name}{frame}", label) for frame in range(FRAMES)])
        else:
            # CRN and IMLE are tested against the same photographs.
            shared = name.replace("imle/0_real", "crn/0_real")
            size = (178, 218) if source == "pilot" and not label else (40, 40)
            cv2.imwrite(str(path), picture(f"{source}/{shared}", label, size))
    for name, text in lists(source):
        (root / name).write_text(text)


def picture(name: str, label: int, size: tuple[int, int] = (40, 40)) -> np.ndarray:
    """Colored squares that no other name has; a fake's columns are striped."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    squares = rng.integers(40, 200, (8, 8, 3)).astype(np.uint8)
    pixels = cv2.resize(squares, size, interpolation=cv2.INTER_NEAREST)
    pixels[:, ::4] += np.uint8(30 * label)
    return pixels
