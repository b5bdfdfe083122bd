from pathlib import Path

import yaml

from fakeforensics.sources.base import RawFile
from fakeforensics.sources.cnn_synth import TEST_COUNTS
from fakeforensics.sources.dffd import MANY_FAKE_FACES
from fakeforensics.sources.registry import adapter_class

TABLES = Path(__file__).parents[3] / "src/fakeforensics/thesis/tables.yaml"


def files(path: str, count: int, label: int = 0, **values: str) -> list[RawFile]:
    named = {"method": "real", "domain": "x", "own_split": "test"} | values
    return [
        RawFile(path=f"{path}/{n}.png", kind="image", label=label, group=f"{path}/{n}", **named)  # type: ignore[arg-type]
        for n in range(count)
    ]


def missed(layout: str, records: list[RawFile]) -> dict[str, tuple[int, int]]:
    counts = adapter_class(layout).expected_counts(records)
    return {count.name: (count.found, count.expected) for count in counts if not count.is_met}


def test_counts_agree_with_the_thesis() -> None:
    tables = yaml.safe_load(TABLES.read_text())
    folders = {"pggan": "progan", "sitd": "seeingdark"}
    assert {
        folders.get(name, name): (row["real"], row["fake"]) for name, row in tables["cnn_synth_sizes"].items()
    } == TEST_COUNTS
    sizes = tables["mff_sizes"]
    for (domain, method), expected in MANY_FAKE_FACES.items():
        rows = [
            row["fake" if method != "real" else "real"]
            for name, row in sizes.items()
            if name.endswith(f"_{domain}") and (method == "real" or name.startswith(method))
        ]
        assert all(tuple(row) == expected for row in rows)
        assert rows


def test_a_missing_class_of_cnn_synth_is_noticed() -> None:
    records = [
        file
        for domain, counts in TEST_COUNTS.items()
        for label, count in enumerate(counts)
        if (domain, label) != ("san", 1)
        for file in files(f"{domain}/{label}", count, label, domain=domain)
    ]
    tests = {name: numbers for name, numbers in missed("cnn_synth", records).items() if "progan_" not in name}
    assert tests == {"san, fake": (0, 219)}


def test_swapped_folders_show_where_the_classes_differ_in_size() -> None:
    records = files("deepfake/0_real", 2698, 0, domain="deepfake")
    records += files("deepfake/1_fake", 2707, 1, domain="deepfake")
    found = missed("cnn_synth", records)
    assert (found["deepfake, real"], found["deepfake, fake"]) == ((2698, 2707), (2707, 2698))


def test_the_training_archive_is_counted_by_category() -> None:
    # Half of 400 and of 36,006 images are of each class.
    records = files("progan_val/cat/0_real", 200, domain="progan", own_split="val")
    records += files("progan_val/progan/car/0_real", 200, domain="progan", own_split="val")
    records += files("progan_val/dog/0_real", 199, domain="progan", own_split="val")
    found = missed("cnn_synth", records)
    assert "progan_val, cat, real" not in found
    assert "progan_val, car, real" not in found
    assert found["progan_val, dog, real"] == (199, 200)
    assert found["progan_train, tvmonitor, fake"] == (0, 18003)


def test_every_count_of_cnn_synth_belongs_to_a_part_that_can_be_downloaded() -> None:
    adapter = adapter_class("cnn_synth")
    counts = adapter.expected_counts([])
    assert {count.part for count in counts} == {archive.part for archive in adapter.archives}


def test_dffd_may_hold_more_than_table_4_2() -> None:
    records = [
        file
        for (domain, method), counts in MANY_FAKE_FACES.items()
        for split, count in zip(("train", "val", "test"), counts, strict=True)
        for file in files(
            f"{domain}{method}{split}", count + 1, domain=domain, method=method, own_split=split
        )
    ]
    assert missed("dffd", records) == {}


def test_dffd_without_split_folders_is_counted_as_a_whole() -> None:
    found = missed("dffd", files("ffhq", 14000, domain="ffhq", own_split=""))
    assert found["ffhq, real"] == (14000, 14999)


def test_celeb_df_version_one_is_recognized() -> None:
    records = files("Celeb-real", 158) + files("YouTube-real", 250) + files("Celeb-synthesis", 795)
    assert missed("celeb_df", records) == {}
    assert missed("celeb_df", [*records, *files("Celeb-real/more", 1)])["Celeb-real"] == (159, 590)


def test_the_pilot_study_needs_an_instance_to_test_on() -> None:
    records = [RawFile("p", "image", "pggan", "celeba", 1, f"g{n}", instance=f"pggan/{n}") for n in range(9)]
    assert missed("gan_instances", records)["instances of pggan"] == (9, 10)


def test_a_users_folder_has_no_published_counts() -> None:
    assert missed("folder", files("0_real", 3)) == {}
