from typing import Any

import pandas as pd
import pytest

from fakeforensics.errors import UserError
from fakeforensics.splits.counts import count, table
from fakeforensics.splits.manifest import Manifests, build_manifests
from fakeforensics.splits.protocol import Protocol
from tests.unit.splits.conftest import Rows, index, row


def protocol(**values: Any) -> Protocol:
    return Protocol.model_validate(
        {"title": "a test", "train": [{"source": "d"}], "test": {"d": [{"source": "d"}]}} | values
    )


def build(plan: Protocol, **indexes: pd.DataFrame) -> Manifests:
    return build_manifests("p", plan, lambda source: indexes[source], seed=0)


def own_splits(stills: Rows, source: str = "d") -> pd.DataFrame:
    """4 train, 2 val and 3 test images of each of real, a and b."""
    return pd.concat(
        [
            stills(source, dict.fromkeys(("real", "a", "b"), count), own_split=split, prefix=f"{split}/")
            for split, count in (("train", 4), ("val", 2), ("test", 3))
        ],
        ignore_index=True,
    )


def test_train_and_validation_hold_the_training_selection_alone(stills: Rows) -> None:
    plan = protocol(
        train=[{"source": "d", "methods": ["real", "a"]}],
        test={
            "a": [{"source": "d", "methods": ["real", "a"]}],
            "b": [{"source": "d", "methods": ["real", "b"]}],
        },
        unseen=["b"],
    )
    made = build(plan, d=own_splits(stills))
    assert set(made.train["method"]) == set(made.val["method"]) == {"real", "a"}
    assert (len(made.train), len(made.val)) == (8, 4)
    # 3 real images recur in both sets, under the same keys.
    assert made.test.value_counts(["test_set", "method"], sort=False).to_dict() == {
        ("a", "a"): 3,
        ("a", "real"): 3,
        ("b", "b"): 3,
        ("b", "real"): 3,
    }
    assert made.test["key"].nunique() == 9
    assert not made.test.duplicated(["test_set", "key"]).any()


def test_reals_are_shared_by_the_methods_of_their_domain_or_repeated_for_each(stills: Rows) -> None:
    rows = own_splits(stills)
    shared, repeated = (build(protocol(reals=how), d=rows) for how in ("shared", "repeated"))
    # Two methods: 4 real training images count twice, 2 of validation as well; fakes stay.
    for made, train, val in ((shared, 4, 2), (repeated, 8, 4)):
        counts = count(made)
        assert (counts["train"]["real"], counts["train"]["fake"]) == (train, 8)
        assert (counts["val"]["real"], counts["val"]["fake"]) == (val, 4)
    pd.testing.assert_frame_equal(shared.test, repeated.test)
    assert shared.train.equals(build(protocol(), d=rows).train)  # the default


def test_manifests_are_the_same_whatever_the_order_of_the_index(stills: Rows) -> None:
    rows = own_splits(stills)
    first, second = build(protocol(), d=rows), build(protocol(), d=rows.sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(first.train, second.train)
    pd.testing.assert_frame_equal(first.test, second.test)


def test_a_group_in_two_splits_is_refused_by_name(stills: Rows) -> None:
    rows = own_splits(stills)
    rows.loc[rows["key"].isin(["d/train/a/0001.png", "d/test/real/0002.png"]), "group"] = "d/photo"
    with pytest.raises(UserError, match="same group in two splits") as caught:
        build(protocol(), d=rows)
    assert "train: d, train/a/0001.png" in str(caught.value)
    assert "test: d, test/real/0002.png" in str(caught.value)


def test_a_cut_by_video_does_not_excuse_official_splits_that_contradict(stills: Rows) -> None:
    rows = own_splits(stills)
    rows.loc[rows["key"].isin(["d/train/a/0000.png", "d/test/a/0000.png"]), "group"] = "d/both"
    with pytest.raises(UserError, match="the same group in two splits"):
        build(protocol(holdout={"by": "video"}), d=rows)


@pytest.mark.parametrize("column", ["sha256", "raw_sha256"])
def test_identical_bytes_in_two_splits_are_refused_by_name(stills: Rows, column: str) -> None:
    d, e = own_splits(stills), own_splits(stills, "e")
    e.loc[e["key"] == "e/test/real/0000.png", column] = d.loc[
        d["key"] == "d/train/real/0000.png", column
    ].item()
    plan = protocol(test={"e": [{"source": "e"}]})
    with pytest.raises(UserError, match="same bytes in two splits") as caught:
        build(plan, d=d, e=e)
    assert "train: d, train/real/0000.png" in str(caught.value)
    assert "test: e, test/real/0000.png" in str(caught.value)


def test_one_picture_with_both_labels_is_refused(stills: Rows) -> None:
    rows = own_splits(stills)
    rows.loc[rows["key"].isin(["d/train/a/0001.png", "d/train/real/0002.png"]), "sha256"] = "same"
    with pytest.raises(UserError, match="labeled both real"):
        build(protocol(), d=rows)


def test_duplicates_in_a_folder_without_splits_stay_together(stills: Rows) -> None:
    rows = stills("d", {"real": 20, "a": 20})
    rows.loc[rows["key"].isin([f"d/real/{n:04d}.png" for n in range(6)]), "sha256"] = "same"
    made = build(protocol(), d=rows)
    everything = pd.concat([made.train, made.val, made.test])
    assert everything.loc[everything["sha256"] == "same", "split"].nunique() == 1


def test_duplicates_in_two_test_sets_are_scored_once() -> None:
    # CRN and IMLE are tested against the same 2 photographs, stored under two names each.
    rows = index(
        [
            row("s", f"{domain}/{method}/{n}.png", domain=domain, method=method, own_split="test", **same)
            for domain in ("crn", "imle")
            for method in ("real", domain)
            for n in range(2)
            for same in [{"sha256": f"photo{n}"} if method == "real" else {}]
        ]
    )
    train = index(
        [
            row("d", f"{split}/{method}.png", method=method, own_split=split)
            for split in ("train", "val")
            for method in ("real", "a")
        ]
    )
    plan = protocol(test={name: [{"source": "s", "domain": name}] for name in ("imle", "crn")})
    tests = build(plan, d=train, s=rows).test
    assert tests.groupby("test_set").size().to_dict() == {"crn": 4, "imle": 4}
    assert tests["key"].nunique() == 6
    reals = tests[tests["label"] == 0]
    assert set(reals["key"]) == {"s/crn/real/0.png", "s/crn/real/1.png"}


def test_an_empty_class_is_an_error(stills: Rows) -> None:
    rows = own_splits(stills)
    with pytest.raises(UserError, match="val holds no fake image"):
        build(protocol(), d=rows[(rows["own_split"] != "val") | (rows["label"] == 0)])
    with pytest.raises(UserError, match="test set d holds no real image"):
        build(protocol(), d=rows[(rows["own_split"] != "test") | (rows["label"] == 1)])


def test_training_on_reals_alone_leaves_out_fakes_and_asks_for_none(stills: Rows) -> None:
    made = build(protocol(train=[{"source": "d", "methods": "real"}]), d=own_splits(stills))
    assert set(made.train["method"]) == set(made.val["method"]) == {"real"}
    assert (len(made.train), len(made.val)) == (4, 2)
    assert set(made.test["label"]) == {0, 1}
    reals = own_splits(stills)[lambda rows: (rows["label"] == 0) | (rows["own_split"] == "test")]
    assert len(build(protocol(train=[{"source": "d", "methods": "real"}]), d=reals).train) == 4
    with pytest.raises(UserError, match="val holds no real image"):
        no_val = own_splits(stills)[lambda rows: (rows["own_split"] != "val") | (rows["label"] == 1)]
        build(protocol(train=[{"source": "d", "methods": "real"}]), d=no_val)


def of_domains(stills: Rows, *domains: str) -> pd.DataFrame:
    """2 train, 1 val and 1 test image of real and of a in each domain of the source r."""
    return pd.concat(
        [
            stills("r", {"real": count, "a": count}, own_split=split, prefix=f"{name}/{split}/", domain=name)
            for name in domains
            for split, count in (("train", 2), ("val", 1), ("test", 1))
        ],
        ignore_index=True,
    )


def test_a_reference_set_has_a_class_for_each_source_and_domain(stills: Rows) -> None:
    plan = protocol(reference_set=[{"source": "r", "domain": ["horse", "cat"]}, {"source": "e"}])
    made = build(
        plan, d=own_splits(stills), r=of_domains(stills, "cat", "dog", "horse"), e=own_splits(stills, "e")
    )
    reference = made.reference
    # in alphabetical order: e/faces, r/cat, r/horse; dogs are not asked for, and fakes are not taken
    assert reference.value_counts(["source", "domain", "reference_class"], sort=False).to_dict() == {
        ("e", "faces", 0): 4 + 2,
        ("r", "cat", 1): 2 + 1,
        ("r", "horse", 2): 2 + 1,
    }
    assert set(reference["label"]) == {0}
    assert set(reference["split"]) == {"train", "val"}
    assert set(reference["test_set"]) == {""}
    assert reference["key"].is_monotonic_increasing
    assert set(made.train["source"]) == {"d"}


def test_without_a_reference_set_there_are_no_rows_but_the_columns(stills: Rows) -> None:
    reference = build(protocol(), d=own_splits(stills)).reference
    assert reference.empty
    assert "reference_class" in reference


@pytest.mark.parametrize(
    ("reference_set", "message"),
    [
        ([{"source": "r", "domain": "cat"}], r"one class, r/cat(?s:.*)select more"),
        ([{"source": "r", "domain": "cow"}], r"reference_set: r \(cow\) matches no image"),
        ([{"source": "r"}, {"source": "d", "methods": "a"}], r"d \(a\) matches no image"),  # no fakes
        ([{"source": "r"}, {"source": "d", "methods": "real"}], r"6 images of reference_set are in `train`"),
    ],
)
def test_a_faulty_reference_set_is_refused(
    stills: Rows, reference_set: list[dict[str, str]], message: str
) -> None:
    plan = protocol(reference_set=reference_set)
    with pytest.raises(UserError, match=message):
        build(plan, d=own_splits(stills), r=of_domains(stills, "cat", "dog"))


def test_a_reference_image_in_the_test_set_is_a_leak(stills: Rows) -> None:
    rows = of_domains(stills, "cat", "dog")
    tests = own_splits(stills)
    bytes_of = rows.loc[rows["key"] == "r/cat/train/real/0000.png", "sha256"].item()
    tests.loc[tests["key"] == "d/test/real/0000.png", "sha256"] = bytes_of
    with pytest.raises(UserError, match="same bytes in two splits"):
        build(protocol(reference_set=[{"source": "r"}]), d=tests, r=rows)


def test_a_fake_only_set_is_allowed_where_it_is_asked_for(stills: Rows) -> None:
    made = build(protocol(test={"b": [{"source": "d", "methods": "b"}]}), d=own_splits(stills))
    assert set(made.test["label"]) == {1}


def test_a_selection_that_finds_nothing_says_what_there_is(stills: Rows) -> None:
    plan = protocol(test={"x": [{"source": "d", "methods": ["real", "stylegam"]}]})
    with pytest.raises(UserError, match="stylegam") as caught:
        build(plan, d=own_splits(stills))
    assert "faces, a, test: 3" in str(caught.value)


def test_an_unseen_set_may_not_hold_what_is_trained_on(stills: Rows) -> None:
    with pytest.raises(UserError, match="called unseen"):
        build(protocol(unseen=["d"]), d=own_splits(stills))


def test_with_sampling_an_unseen_set_may_hold_other_instances_of_a_method_alone() -> None:
    rows = index(
        [
            row("d", f"{instance or 'real'}/{n}.png", method=method, instance=instance)
            for method, instance in (("real", ""), ("a", "a/1"), ("a", "a/2"))
            for n in range(20)
        ]
    )
    sampling = {"module": "fakeforensics.thesis.instances", "seen": 1, "fakes": 4, "val_fakes": 1}
    plan = {"test": {"a": [{"source": "d", "methods": "a"}]}, "unseen": ["a"]}
    made = build(protocol(**plan, sampling=sampling | {"of": 1}), d=rows)
    assert set(made.train["instance"]) == {"", "a/1"}
    assert set(made.test["instance"]) == {"a/2"}
    with pytest.raises(UserError, match="called unseen"):
        build(protocol(**plan), d=rows)


def test_a_test_set_may_take_all_of_a_source_that_is_not_trained_on(stills: Rows) -> None:
    plan = protocol(test={"e": [{"source": "e", "splits": "all"}]})
    made = build(plan, d=own_splits(stills), e=own_splits(stills, "e"))
    assert len(made.test) == 27
    assert set(made.test["split"]) == {"test"}


def test_frames_are_spread_over_the_clip_and_differ_by_class() -> None:
    clips = index(
        [
            row("d", f"{method}.mp4#{n}", method=method, video=method, frame=n, group=method, own_split=split)
            for split, methods in (
                ("train", ("real", "a")),
                ("val", ("real2", "a2")),
                ("test", ("real3", "a3")),
            )
            for method in methods
            for n in range(10)
        ]
    )
    clips["method"] = clips["method"].str.rstrip("23")
    clips["label"] = (clips["method"] != "real").astype("int8")
    made = build(protocol(frames_per_video={"real": 5, "fake": 3}), d=clips)
    # 10 frames, 5 stretches of 2: the later of each pair, as floor((2j+1) * 10 / 10) = 1, 3, 5, 7, 9.
    assert made.train.loc[made.train["label"] == 0, "frame"].tolist() == [1, 3, 5, 7, 9]
    # 3 stretches of 3 1/3: floor((2j+1) * 10 / 6) = floor(1.67), floor(5), floor(8.33).
    assert made.train.loc[made.train["label"] == 1, "frame"].tolist() == [1, 5, 8]
    assert count(made)["frames_per_video"]["fake"] == {"asked": 3, "most": 3}
    assert "raise faces.frames_per_video" not in table(count(made))
    apart = count(
        build(protocol(frames_per_video={"real": 5, "fake": 3, "val": {"real": 2, "fake": 3}}), d=clips)
    )
    asked = {name: numbers["asked"] for name, numbers in apart["frames_per_video"].items()}
    assert asked == {"train real": 5, "val real": 2, "test real": 5, "fake": 3}
    more = count(build(protocol(frames_per_video={"real": 5, "fake": 32}), d=clips))
    assert more["frames_per_video"]["fake"] == {"asked": 32, "most": 10}
    assert "fake videos give at most 10 frames where the protocol asks for 32" in table(more)


def test_limits_keep_photographs_and_their_edits_together(stills: Rows) -> None:
    rows = own_splits(stills)
    rows["group"] = "d/" + rows["own_split"] + rows["key"].str[-8:-4]
    made = build(protocol(limits={"d": {"train": 2}}), d=rows)
    assert made.train["method"].value_counts().to_dict() == {"real": 2, "a": 2, "b": 2}
    assert made.train["group"].nunique() == 2
    assert made.subsampled == {f"d/faces/{method}/train": 4 for method in ("a", "b", "real")}
    assert len(made.val) == 6


def test_other_faces_than_the_main_one_are_left_out_and_counted(stills: Rows) -> None:
    rows = own_splits(stills)
    rows.loc[rows["key"] == "d/train/a/0000.png", "track"] = 1
    made = build(protocol(), d=rows)
    assert len(made.train) == 11
    assert made.dropped == {"d": {"a face other than the main person's": 1}}
