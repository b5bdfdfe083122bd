"""The whole demo at its smallest, read with the adapters that read the real data sets."""

from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import pytest

from examples.demo import Recipe, celeb_df, dffd
from examples.demo.build import build, summarize
from fakeforensics.params import SourceParams
from fakeforensics.sources.registry import open_source

TINY = Recipe(
    celebrities=2,
    test_celebrities=2,
    takes=1,
    youtube_clips=1,
    frames=3,
    celeba=(1, 1, 1),
    ffhq=(1, 1, 1),
    whole=2,
    lessons=1,
    steps=1,
)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("demo") / "raw"
    return folder, build(folder, seed=0, recipe=TINY, workers=1)


def records(demo: tuple[Path, dict[str, Any]], layout: str, folder: str) -> Counter[tuple[str, str, int]]:
    source = open_source("demo", SourceParams(layout=layout, root=str(demo[0] / folder)))
    return Counter((record.domain, record.method, record.label) for record in source.records())


def test_celeb_df_reads_as_the_real_one(demo: tuple[Path, dict[str, Any]]) -> None:
    assert records(demo, "celeb_df", "Celeb-DF-v2") == {
        ("celeb_df", "real", 0): 3,
        ("celeb_df", "celeb_df", 1): 2,
    }


def test_dffd_reads_as_the_real_one(demo: tuple[Path, dict[str, Any]]) -> None:
    kinds = [("ffhq", "real", 0), ("ffhq", "stylegan", 1), ("ffhq", "faceapp", 1)]
    kinds += [("celeba", "real", 0), ("celeba", "stargan", 1), ("celeba", "pggan", 1)]
    assert records(demo, "dffd", "DFFD") == dict.fromkeys(kinds, 3)


def test_cnn_synth_reads_as_the_real_one(demo: tuple[Path, dict[str, Any]]) -> None:
    kinds = [("progan", "real", 0), ("progan", "pggan", 1), ("san", "real", 0), ("san", "san", 1)]
    assert records(demo, "cnn_synth", "CNN_synth") == dict.fromkeys(kinds, 2)


def test_the_summary_counts_what_lies_there(demo: tuple[Path, dict[str, Any]]) -> None:
    folder, summary = demo
    assert summary == summarize(folder, seed=0)
    assert "demo" in summary["note"].lower()
    assert summary["counts"]["DFFD/stargan/test"] == 1
    # Beside pictures and clips there are the list of test videos and the note.
    assert sum(summary["counts"].values()) + 2 == summary["files"]
    assert "synthetic" in (folder / "README.txt").read_text()
    assert summary["bytes"] == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_the_same_seed_gives_the_same_bytes_with_more_workers(
    demo: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    assert build(tmp_path / "again", seed=0, recipe=TINY, workers=2) == demo[1]


def test_real_and_fake_stills_share_size_and_coding(demo: tuple[Path, dict[str, Any]]) -> None:
    headers = {
        (path.suffix, cv2.imread(str(path)).shape, path.read_bytes()[:160])
        for path in (demo[0] / "DFFD").rglob("*.jpg")
    }
    # The first bytes of a JPEG hold its quantization tables: one quality, one sampling for all.
    assert len(headers) == 1


def test_a_failed_run_leaves_the_earlier_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/old").touch()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("examples.demo.build._run", fail)
    with pytest.raises(OSError, match="disk full"):
        build(tmp_path / "raw", seed=0, recipe=TINY, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]
    assert (tmp_path / "raw/old").is_file()


def test_scaling_keeps_pairs_of_people_and_enough_to_split() -> None:
    assert Recipe().scaled(1.0) == Recipe()
    half = Recipe().scaled(0.5)
    assert (half.celeba, half.whole, half.celebrities) == ((64, 12, 32), 24, 6)
    for scale in (0.001, 0.3, 0.7, 1.3, 3.0):
        recipe = Recipe().scaled(scale)
        assert recipe.celebrities % 2 == recipe.test_celebrities % 2 == 0
        assert 2 <= recipe.test_celebrities <= recipe.celebrities - 4
        assert min(*recipe.celeba, *recipe.ffhq) >= 4
        assert recipe.whole >= 8


def test_nobody_is_both_in_and_out_of_the_test_list(tmp_path: Path) -> None:
    people: dict[bool, set[str]] = {True: set(), False: set()}
    for clip in celeb_df.plan(Recipe()):
        people[clip.is_test] |= {clip.person, clip.donor or clip.person}
    assert not people[True] & people[False]
    assert len(people[False]) >= 6
    celeb_df.write_testing_list(TINY, tmp_path)
    # As in the real list, 1 means real.
    assert (tmp_path / "List_of_testing_videos.txt").read_text().splitlines() == [
        "1 Celeb-real/id0_0000.mp4",
        "0 Celeb-synthesis/id0_id1_0000.mp4",
        "1 Celeb-real/id1_0000.mp4",
        "0 Celeb-synthesis/id1_id0_0000.mp4",
        "1 YouTube-real/00000.mp4",
    ]


def test_an_edit_is_in_the_split_of_its_photograph() -> None:
    places: dict[tuple[str, int], set[str]] = {}
    for still in dffd.plan(Recipe()):
        places.setdefault((dffd.DOMAINS[still.folder], still.number), set()).add(still.split)
    assert all(len(splits) == 1 for splits in places.values())
