import re
from pathlib import Path

from fakeforensics.demo.celeb_df import plan, write_testing_list
from fakeforensics.demo.recipe import Recipe

CLIPS = plan(Recipe())


def test_names_are_the_real_sets() -> None:
    patterns = {
        "Celeb-real": r"id\d+_\d{4}",
        "YouTube-real": r"\d{5}",
        "Celeb-synthesis": r"id(\d+)_id(?!\1_)\d+_\d{4}",
    }
    assert {clip.folder for clip in CLIPS} == set(patterns)
    assert all(re.fullmatch(patterns[clip.folder], clip.name) for clip in CLIPS)
    assert len({clip.path for clip in CLIPS}) == len(CLIPS)


def test_every_swap_has_its_target_clip_and_that_clips_scene() -> None:
    scenes = {clip.name: clip.scene for clip in CLIPS if clip.folder == "Celeb-real"}
    for clip in CLIPS:
        if clip.folder == "Celeb-synthesis":
            target, _, take = clip.name.split("_")
            assert scenes[f"{target}_{take}"] == clip.scene


def test_nobody_is_both_in_and_out_of_the_test_list() -> None:
    people: dict[bool, set[str]] = {True: set(), False: set()}
    for clip in CLIPS:
        people[clip.is_test] |= {clip.person, clip.donor or clip.person}
    assert not people[True] & people[False]
    assert len(people[False]) >= 6


def test_the_list_says_1_for_real(tmp_path: Path) -> None:
    write_testing_list(Recipe(celebrities=2, test_celebrities=2, takes=1, youtube_clips=2), tmp_path / "set")
    assert (tmp_path / "set/List_of_testing_videos.txt").read_text().splitlines() == [
        "1 Celeb-real/id0_0000.mp4",
        "0 Celeb-synthesis/id0_id1_0000.mp4",
        "1 Celeb-real/id1_0000.mp4",
        "0 Celeb-synthesis/id1_id0_0000.mp4",
        "1 YouTube-real/00000.mp4",
    ]
