"""The manifests of every protocol of the thesis, from a replica of its data sets' trees."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pandas as pd
import pytest
import yaml

from fakeforensics.sources.base import DatasetAdapter
from fakeforensics.sources.registry import adapter_class
from fakeforensics.splits.counts import count
from fakeforensics.splits.manifest import Manifests, build_manifests
from fakeforensics.splits.protocol import load_protocol
from fakeforensics.splits.sample import limit_rows
from tests.replicas import celeb_df_v2, celeb_df_v2_tests
from tests.unit.splits.conftest import index, row

ROOT = Path(__file__).parents[3]
PILOTS = sorted(path.stem for path in (ROOT / "protocols").glob("pilot_*.yaml"))
NAMES = [*sorted(path.stem for path in (ROOT / "protocols").glob("mff_*.yaml")), "cnn_synth"]
TABLES = yaml.safe_load((ROOT / "src/fakeforensics/thesis/tables.yaml").read_text())
LAYOUT = {"dffd": "dffd", "celeb_df": "celeb_df", "cnn_synth": "cnn_synth", "pilot": "gan_instances"}
SETS = [
    *("biggan", "crn", "deepfake", "gaugan", "imle", "san", "seeingdark", "stargan", "whichfaceisreal"),
    *(f"{name}/cat" for name in ("progan", "stylegan", "stylegan2", "cyclegan")),
]


def dffd() -> Iterator[str]:
    for folder in ("ffhq", "faceapp", "stylegan_ffhq", "celeba", "stargan", "stylegan_celeba", "pggan"):
        for start, split in enumerate(("train", "validation", "test")):
            yield from (f"{folder}/{split}/{start * 100 + n:05d}.png" for n in range(6))


def celeb_df() -> Iterator[str]:
    for person in range(12):
        yield f"Celeb-real/id{person}_0000.mp4"
        yield f"Celeb-real/id{person}_0001.mp4"
        yield from (f"Celeb-synthesis/id{person}_id{face}_0001.mp4" for face in range(12) if face != person)
    yield from (f"YouTube-real/{n:05d}.mp4" for n in range(4))


def cnn_synth() -> Iterator[str]:
    for folder in [*SETS, "progan_train/cat", "progan_val/cat"]:
        yield from (f"{folder}/{label}/{n}.png" for label in ("0_real", "1_fake") for n in range(4))


def pilot() -> Iterator[str]:
    yield from (f"celeba/{n:06d}.jpg" for n in range(60))
    for method, instances in (("pggan", 10), ("cramergan", 3), ("mmdgan", 3), ("sngan", 3)):
        for seed in range(1, instances + 1):
            yield from (f"{method}/seed_{seed}/{n}.png" for n in range(12))


TREES = {"dffd": dffd, "celeb_df": celeb_df, "cnn_synth": cnn_synth, "pilot": pilot}


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    made = {}
    for source, paths in TREES.items():
        root = tmp_path_factory.mktemp(source)
        for path in paths():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()
        if source == "celeb_df":
            listed = [
                f"1 Celeb-real/id{n}_0000.mp4\n0 Celeb-synthesis/id{n}_id{n + 1}_0001.mp4\n" for n in (0, 5)
            ]
            (root / "List_of_testing_videos.txt").write_text("".join(listed))
        made[source] = stored(source, adapter_class(LAYOUT[source])(source, root))
    return made


def stored(source: str, adapter: DatasetAdapter, frames: int = 40) -> pd.DataFrame:
    """The index that the faces stage would write: one row per still, 40 per clip."""
    rows = [
        row(
            source,
            f"{record.path}#{frame}",
            method=record.method,
            domain=record.domain,
            label=record.label,
            group=record.group,
            own_split=record.own_split,
            identities=";".join(record.identities),
            instance=record.instance,
            video=record.video,
            frame=frame,
            raw_path=record.path,
            raw_sha256=record.path,
        )
        for record in adapter.records()
        for frame in (range(frames) if record.kind == "video" else [-1])
    ]
    return index(rows)


def build(name: str, indexes: dict[str, pd.DataFrame]) -> Manifests:
    return build_manifests(name, load_protocol(name, ROOT / "protocols"), lambda source: indexes[source], 0)


def test_every_table_of_chapter_4_has_its_protocol() -> None:
    tables = {name for name in TABLES if name.startswith("table_4") and name != "table_4_10"}
    assert {load_protocol(name, ROOT / "protocols").reference for name in NAMES} == tables


@pytest.mark.parametrize("name", NAMES)
def test_a_protocol_has_the_tables_sets_and_fills_them(name: str, indexes: dict[str, pd.DataFrame]) -> None:
    plan = load_protocol(name, ROOT / "protocols")
    reference = TABLES[plan.reference]
    assert list(plan.test) == [row for row in reference["rows"] if not row.startswith("average")]
    if "unseen" in reference:
        assert list(plan.unseen) == reference["unseen"]
    counts = count(build(name, indexes))
    assert all(counts["test"][test_set]["fake"] for test_set in plan.test)
    assert counts["train"]["real"]
    assert counts["val"]["fake"]


@pytest.mark.parametrize("table", [name for name in TABLES if name.startswith("table_3")])
def test_a_table_of_chapter_3_names_a_protocol_for_each_number_of_instances(table: str) -> None:
    for figures in TABLES[table]["test"].values():
        assert list(figures) == list(TABLES[table]["protocols"])
    for number, name in TABLES[table]["protocols"].items():
        plan = load_protocol(name, ROOT / "protocols")
        assert set(TABLES[table]["test"]) <= set(plan.test)
        assert plan.unseen == tuple(plan.test)
        assert plan.sampling is not None
        assert plan.sampling.settings()["seen"] == number
        assert plan.sampling.settings()["of"] == len(TABLES[table]["protocols"])


def test_every_protocol_of_the_pilot_study_is_in_a_table() -> None:
    used = [set(TABLES[name]["protocols"].values()) for name in TABLES if name.startswith("table_3")]
    assert set().union(*used) == set(PILOTS)


@pytest.mark.parametrize("name", PILOTS)
def test_each_pilot_model_has_as_many_fakes_as_real_images(
    name: str, indexes: dict[str, pd.DataFrame]
) -> None:
    counts = count(build(name, indexes))
    # 12 samples of an instance: round(12 * 0.15) = 2 validate, 10 train; the first model needs them of one,
    # or of one of each of three methods.
    most = 30 if "three" in name else 10
    assert (counts["train"]["real"], counts["train"]["fake"]) == (most, most)
    assert all(numbers["fake"] and not numbers["real"] for numbers in counts["test"].values())


def test_celeb_df_frames_are_as_many_as_the_test_counts_suggest(indexes: dict[str, pd.DataFrame]) -> None:
    trained = build("mff_4_8", indexes).train.groupby(["method", "video"]).size()
    assert set(trained["celeb_df"]) == {4}
    tests = build("mff_4_9", indexes).test
    clips = tests[tests["test_set"] == "celeb_df"].groupby(["label", "video"]).size()
    assert set(clips[0]) == {32}
    assert set(clips[1]) == {16}


def test_the_official_test_videos_are_test_and_nothing_else(indexes: dict[str, pd.DataFrame]) -> None:
    made = build("mff_4_8", indexes)
    tested = {"id0_0000", "id0_id1_0001", "id5_0000", "id5_id6_0001"}
    clips = made.test.loc[made.test["test_set"] == "celeb_df", "video"].str.rpartition("/")[2]
    assert set(clips) == tested
    others = pd.concat([made.train, made.val])
    assert not others["key"].isin(made.test["key"]).any()
    strict = build("mff_4_8_strict", indexes)
    pd.testing.assert_frame_equal(strict.test, made.test)
    assert not pd.concat([strict.train, strict.val])["group"].isin(strict.test["group"]).any()


@pytest.fixture(scope="module")
def full_size(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """Indexes of DFFD and Celeb-DF with as many names as the archives hold at least, or exactly."""
    celeb = tmp_path_factory.mktemp("celeb")
    names = celeb_df_v2()
    listed = "".join(f"{int('real' in name)} {name}\n" for name in celeb_df_v2_tests(names))
    (celeb / "List_of_testing_videos.txt").write_text(listed)
    folders = ("ffhq", "faceapp", "stylegan_ffhq", "celeba", "stargan", "stylegan_celeba", "pggan")
    images = [
        f"{folder}/{split}/{start * 20000 + number:05d}.png"
        for folder in folders
        for start, (split, count) in enumerate({"train": 10050, "validation": 1050, "test": 4050}.items())
        for number in range(count)
    ]
    made = {}
    for source, paths, frames in (("celeb_df", names, 32), ("dffd", images, 0)):
        adapter = adapter_class(LAYOUT[source])(source, celeb)
        adapter.all_files = lambda paths=paths: sorted(map(PurePosixPath, paths))  # type: ignore[method-assign, misc]
        made[source] = stored(source, adapter, frames)
    return made


SHORT = {"stylegan_ffhq": "ffhq/stylegan", "faceapp_ffhq": "ffhq/faceapp", "pggan_celeba": "celeba/pggan"}
SHORT |= {"stylegan_celeba": "celeba/stylegan", "stargan_celeba": "celeba/stargan"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mff_4_6", "mff_4_7", "mff_4_8"])
def test_every_number_of_table_4_2_is_met(name: str, full_size: dict[str, pd.DataFrame]) -> None:
    counts = count(build(name, full_size))
    sizes = TABLES["mff_sizes"]
    splits = {"train": counts["train"], "val": counts["val"]}
    for place, (split, here) in enumerate(splits.items()):
        for test_set, kind in SHORT.items():
            if kind in here["methods"]:
                assert here["methods"][kind] == sizes[test_set]["fake"][place], (split, kind)
                real = here["methods"][f"{kind.partition('/')[0]}/real"]
                assert real == sizes[test_set]["real"][place]
        assert here["methods"]["celeb_df/real"] == sizes["celeb_df"]["real"][place]
        assert here["methods"]["celeb_df/celeb_df"] == sizes["celeb_df"]["fake"][place]
    for test_set, here in counts["test"].items():
        assert [here["real"], here["fake"]] == [sizes[test_set]["real"][2], sizes[test_set]["fake"][2]]
    assert counts["leaks"]["celeb_df"]["persons_train_val"] == 59
    assert counts["leaks"]["celeb_df"]["fake_relatives"] > 1000


@pytest.mark.slow
def test_the_strict_cut_shares_no_person_and_has_fewer_swaps(full_size: dict[str, pd.DataFrame]) -> None:
    made = build("mff_4_8_strict", full_size)
    drawn = pd.concat([made.train, made.val])
    assert not drawn["group"].isin(made.test["group"]).any()
    people = {
        split: {name for joined in rows["identities"] if joined for name in joined.split(";")}
        for split, rows in drawn.groupby("split")
    }
    assert not people["train"] & people["val"]
    swaps = {name: build(name, full_size).train for name in ("mff_4_8", "mff_4_8_strict")}
    videos = {name: rows.loc[rows["method"] == "celeb_df", "video"].nunique() for name, rows in swaps.items()}
    assert videos["mff_4_8_strict"] < videos["mff_4_8"] / 2
    # Every official test video is there, although a limit takes some of its frames.
    tested = made.test[made.test["test_set"] == "celeb_df"].groupby("label")["video"].nunique()
    assert tested.to_dict() == {0: 178, 1: 340}


def test_cnn_synth_validates_on_as_many_images_of_every_category_as_the_thesis() -> None:
    categories = [f"category{n}" for n in range(20)]
    paths = [
        f"{folder}/{category}/{label}/{number}.png"
        for folder, each in (("progan_train", 10), ("progan_val", 200))
        for category in categories
        for label in ("0_real", "1_fake")
        for number in range(each)
    ]
    plan = load_protocol("cnn_synth", ROOT / "protocols")
    adapter = adapter_class("cnn_synth")("cnn_synth", ROOT)
    adapter.all_files = lambda: sorted(map(PurePosixPath, paths))  # type: ignore[method-assign]
    rows = stored("cnn_synth", adapter).assign(split=lambda index: index["own_split"])
    kept, _ = limit_rows(rows, plan, 0)
    val = kept[kept["split"] == "val"]
    assert len(val) == TABLES["cnn_synth_training"]["val_images"]
    # 200 images of each category: half of them real.
    each = val.groupby([val["raw_path"].str.split("/").str[1], "label"]).size()
    assert set(each) == {TABLES["cnn_synth_training"]["val_images_per_category"] // 2}
    assert (kept["split"] == "train").sum() == 20 * 2 * 10  # fewer than the limit: all
