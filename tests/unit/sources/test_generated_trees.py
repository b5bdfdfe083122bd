"""Laws over generated folders: nothing called test is trained on, and a fake goes with its original."""

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from fakeforensics.errors import UserError
from fakeforensics.params import SourceParams
from fakeforensics.sources.base import read_records
from fakeforensics.sources.registry import open_source
from fakeforensics.splits.assign import assign_source
from fakeforensics.splits.protocol import Holdout
from fakeforensics.splits.select import check_leaks

SEEDS = st.integers(0, 1000)
NUMBERED = range(10)
NUMBERS = st.sampled_from(NUMBERED)
# Names of split folders as archives have them, in any case, and names that only look a little like one.
SPLITS = st.sampled_from(["train", "val", "test", "Train", "validation", "TEST", "testing", "training"])
PLAIN = st.sampled_from(["cat", "church", "testimony", "trainer", "set1"])
# A tree that fails is small enough to read, and shrinking it would write hundreds of others.
quick = settings(max_examples=30, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))


def splits_of(layout, paths, seed, **options):
    """The split of each file: "" if it is dropped; None if the source or its splits are refused."""
    with TemporaryDirectory() as folder:
        for path in paths:
            file = Path(folder, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(path)
        for name, text in options.pop("texts", {}).items():
            Path(folder, name).write_text(text, encoding="utf-8")
        source = SourceParams(layout=layout, root=folder, options=options)
        try:
            records = read_records(open_source("s", source))
        except UserError:
            return None
    rows = pd.DataFrame(
        {
            "key": record.path,
            "raw_path": record.path,
            "group": record.group,
            "own_split": record.own_split,
            "identities": ";".join(record.identities),
            "method": record.method,
            "domain": record.domain,
            "instance": record.instance,
            "label": record.label,
            "source": "s",
            "sha256": record.path,
            "raw_sha256": record.path,
        }
        for record in records
    )
    assigned = rows.join(assign_source(rows, Holdout(), seed))
    try:
        check_leaks("p", assigned[assigned["split"] != ""])
    except UserError:
        return None
    return dict(zip(assigned["raw_path"], assigned["split"], strict=True))


# Where the split folder may lie: outside, in the middle, or inside.
ORDERS = st.sampled_from(
    [("split", "label"), ("split", "plain", "label"), ("plain", "split", "label"), ("label", "split")]
)


@quick
@given(
    ORDERS,
    st.lists(
        st.fixed_dictionaries(
            {
                "split": SPLITS,
                "plain": PLAIN,
                "label": st.sampled_from(["0_real", "1_fake"]),
                "name": st.sampled_from(["a", "b", "c", "d"]),
            }
        ),
        min_size=4,
        max_size=16,
    ),
    SEEDS,
)
def test_nothing_below_a_test_folder_of_plain_folders_is_ever_trained_on(order, places, seed):
    paths = {"/".join([*(place[level] for level in order), place["name"]]) + ".png" for place in places}
    found = splits_of("folder", sorted(paths), seed)
    assume(found is not None)
    for path, split in found.items():
        if {"test", "testing"} & {part.lower() for part in Path(path).parts[:-1]}:
            assert split == "test", found


@quick
@given(
    st.sets(st.integers(0, 30), min_size=4, max_size=12),
    st.lists(st.tuples(st.integers(0, 11), st.sampled_from(["gan", "swap"])), min_size=4, max_size=20),
    SEEDS,
)
def test_a_fake_with_the_name_of_a_real_file_goes_with_it(numbers, made, seed):
    reals = [f"person{number:02d}" for number in sorted(numbers)]
    paths = {f"0_real/{name}.png" for name in reals}
    paths |= {f"1_fake/{method}/{reals[place % len(reals)]}.png" for place, method in made}
    found = splits_of("folder", sorted(paths), seed)
    assert found is not None
    for path, split in found.items():
        assert split == found[f"0_real/{Path(path).name}"]


@quick
@given(
    st.sets(st.integers(0, 30), min_size=6, max_size=14),
    st.lists(st.tuples(st.integers(0, 13), st.integers(0, 13)), min_size=3, max_size=20, unique=True),
    st.booleans(),
    SEEDS,
)
def test_a_swap_of_faceforensics_is_never_apart_from_either_original(numbers, swaps, of_actors, seed):
    names = sorted(numbers)
    pairs = {(names[a % len(names)], names[b % len(names)]) for a, b in swaps}
    pairs = {(a, b) for a, b in pairs if a != b}
    assume(pairs)
    scene = "__meeting_serious" if of_actors else ""
    width = 2 if of_actors else 3
    kind, method = ("actors", "DeepFakeDetection") if of_actors else ("youtube", "Deepfakes")
    code = "__ABCDEFGH" if of_actors else ""
    reals = {n: f"original_sequences/{kind}/c23/videos/{n:0{width}d}{scene}.mp4" for n in names}
    fakes = {
        (a, b): f"manipulated_sequences/{method}/c23/videos/{a:0{width}d}_{b:0{width}d}{scene}{code}.mp4"
        for a, b in pairs
    }
    found = splits_of("faceforensics", [*reals.values(), *fakes.values()], seed)
    assert found is not None
    for (a, b), path in fakes.items():
        if found[path]:
            assert found[path] == found[reals[a]] == found[reals[b]], (path, found)


@quick
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=8, max_size=24, unique=True),
    st.lists(st.tuples(st.integers(0, 23), st.integers(0, 12)), min_size=4, max_size=30, unique=True),
    st.sets(st.integers(0, 53), min_size=2, max_size=8),
    SEEDS,
)
def test_celeb_df_trains_on_no_listed_video_and_on_no_swap_of_one(reals, swaps, listed, seed):
    real = sorted({f"Celeb-real/id{person}_{clip:04d}.mp4" for person, clip in reals})
    fake = set()
    for place, other in swaps:
        person, clip = re.fullmatch(r"Celeb-real/id(\d+)_(\d+)\.mp4", real[place % len(real)]).groups()
        if int(person) != other:
            fake.add(f"Celeb-synthesis/id{person}_id{other}_{clip}.mp4")
    every = real + sorted(fake)
    tests = sorted({every[place % len(every)] for place in listed})
    assume(fake and {name.startswith("Celeb-real") for name in tests} == {True, False})
    # the list says 1 for real
    lines = "".join(f"{int(name.startswith('Celeb-real'))} {name}\n" for name in tests)
    found = splits_of("celeb_df", every, seed, subset=True, texts={"List_of_testing_videos.txt": lines})
    assume(found is not None)
    for path in tests:
        assert found[path] == "test"
    for path in fake:
        original = re.sub(r"Celeb-synthesis/(id\d+)_id\d+(_\d+)", r"Celeb-real/\1\2", path)
        if found[path] in ("train", "val"):
            assert found[original] in (found[path], ""), (path, found)
        if found[path] == "test":
            assert found[original] in ("test", ""), (path, found)


@quick
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["train", "validation", "test"]),
            st.sampled_from(["celeba", "ffhq", "faceapp", "stargan", "pggan_v1"]),
            st.integers(0, 9),
        ),
        min_size=6,
        max_size=30,
        unique=True,
    ),
    SEEDS,
)
def test_dffd_trains_on_nothing_below_its_test_folders(places, seed):
    paths = [f"{kind}/{split}/{number:05d}.png" for split, kind, number in places]
    found = splits_of("dffd", paths, seed, subset=True)
    assume(found is not None)
    assert all(split in ("test", "") for path, split in found.items() if "/test/" in path)


@quick
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["train", "val", "test"]),
            st.sampled_from(["progan", "san"]),
            st.sampled_from(["cat", "test", "train"]),
            st.sampled_from(["0_real", "1_fake"]),
            st.integers(0, 3),
        ),
        min_size=6,
        max_size=30,
        unique=True,
    ),
    SEEDS,
)
def test_cnn_synth_keeps_its_splits_whatever_its_categories_are_called(places, seed):
    paths = [f"{s}/{model}/{category}/{kind}/{n:05d}.png" for s, model, category, kind, n in places]
    found = splits_of("cnn_synth", paths, seed, subset=True)
    assume(found is not None)
    # without a folder for validation, some training images are held out for it
    assert all((split == "test") == path.startswith("test/") for path, split in found.items() if split)


@quick
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ffhq", "faceapp"]), st.sampled_from(["{:05d}", "{:d}", "{:06d}_Smile"]), NUMBERS
        ),
        min_size=6,
        max_size=30,
        unique=True,
    ),
    SEEDS,
)
def test_an_edit_of_dffd_is_never_apart_from_its_photograph(files, seed):
    # the numbers of photographs are written alike or not: 00042, 42, 000042_Smile
    paths = {f"{kind}/{style.format(number)}.png": number for kind, style, number in files}
    found = splits_of("dffd", sorted(paths), seed, subset=True)
    assert found is not None
    for number in NUMBERED:
        assert len({found[path] for path in paths if paths[path] == number}) <= 1, found


@quick
@given(
    st.sets(NUMBERS, min_size=4),
    st.lists(
        st.tuples(
            NUMBERS,
            st.sampled_from(["{}_{}", "swap-{}-{}", "{}/{}", "{}_fake{}", "GAN_{}_v{}"]),
            st.integers(1, 9),
        ),
        min_size=4,
        max_size=20,
        unique=True,
    ),
    SEEDS,
)
def test_an_edit_whose_name_holds_that_of_a_real_file_goes_with_it(numbers, edits, seed):
    words = [f"{name}{number}" for number, name in zip(sorted(numbers), "abcdefghij", strict=False)]
    paths = {f"0_real/{word}.png": word for word in words}
    for place, style, number in edits:
        word = words[place % len(words)]
        paths[f"1_fake/edit/{style.format(word, number)}.png"] = word
    found = splits_of("folder", sorted(paths), seed)
    assert found is not None
    for path, word in paths.items():
        assert found[path] == found[f"0_real/{word}.png"], (path, found)


@quick
@given(st.permutations(range(12)), st.integers(1, 4), st.integers(1, 4), SEEDS)
def test_faceforensics_follows_the_official_lists_to_the_letter(order, tests, validations, seed):
    pairs = [[f"{one:03d}", f"{other:03d}"] for one, other in zip(order[::2], order[1::2], strict=True)]
    tests, validations = pairs[:tests], pairs[tests : tests + min(validations, 5 - tests)]
    lists = {"test": tests, "val": validations, "train": pairs[len(tests) + len(validations) :]}
    split = {video: name for name, some in lists.items() for pair in some for video in pair}
    paths = {f"original_sequences/youtube/c23/videos/{video}.mp4": video for video in split}
    for one, other in pairs:
        for a, b in ((one, other), (other, one)):
            paths[f"manipulated_sequences/Deepfakes/c23/videos/{a}_{b}.mp4"] = a
    texts = {f"{name}.json": json.dumps(some) for name, some in lists.items()}
    found = splits_of("faceforensics", list(paths), seed, texts=texts)
    if validations:
        assert found == {path: split[video] for path, video in paths.items()}
    else:  # some videos to train on are held out for it
        assert {path for path, into in found.items() if into == "test"} == {
            path for path, video in paths.items() if split[video] == "test"
        }


@quick
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["celeba", "pggan/seed_1", "pggan/seed_2"]),
            st.one_of(st.just(""), SPLITS),
            NUMBERS,
        ),
        min_size=6,
        max_size=20,
        unique=True,
    ),
    SEEDS,
)
def test_samples_of_instances_below_a_folder_named_like_a_split_are_refused(files, seed):
    paths = sorted({"/".join(filter(None, (kind, split, f"{number}.png"))) for kind, split, number in files})
    found = splits_of("gan_instances", paths, seed, subset=True)
    is_split = any(split for _, split, _ in files)
    assert (found is None) == is_split
