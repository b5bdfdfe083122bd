"""Selects the rows that a protocol names, and checks them for leaks between splits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fakeforensics.errors import UserError
from fakeforensics.splits.protocol import Protocol, Selection, corrected
from fakeforensics.splits.rows import as_text, first_places, group_numbers, of_split, stacked, text

EXAMPLES = 5
LEAK_COLUMNS = (
    *(
        "key",
        "split",
        "group",
        "raw_sha256",
        "sha256",
        "label",
        "own_split",
        "identities",
        "source",
        "raw_path",
    ),
)


def matches(rows: pd.DataFrame, selection: Selection) -> NDArray[np.bool_]:
    """Which rows a selection names, whatever their split: Bool["rows"]."""
    mask = rows["source"].eq(selection.source)
    if selection.domain is not None:
        mask &= rows["domain"].isin(selection.domain)
    if selection.methods is not None:
        mask &= rows["method"].isin(selection.methods)
    return mask.to_numpy(dtype=bool)


def any_matches(rows: pd.DataFrame, selections: Iterable[Selection]) -> NDArray[np.bool_]:
    """Which rows at least one selection names, whatever their split: Bool["rows"]."""
    mask = np.zeros(len(rows), dtype=bool)
    for selection in selections:
        mask |= matches(rows, selection)
    return mask


def select_training(name: str, protocol: Protocol, rows: pd.DataFrame) -> pd.DataFrame:
    """The training and validation rows.

    Raises:
        UserError: If a selection finds nothing, or training or validation has no image of a class that the
            selections ask for.
    """
    is_train = (rows["split"] == "train").to_numpy()
    for selection in protocol.train:
        _must_find(name, "train", selection, is_train, rows)
    chosen = rows[(is_train | (rows["split"] == "val").to_numpy()) & any_matches(rows, protocol.train)]
    for split in ("train", "val"):
        _must_hold(name, split, chosen[chosen["split"] == split], _asked(protocol.train))
    return chosen.assign(test_set="")


def select_reference(name: str, protocol: Protocol, rows: pd.DataFrame) -> pd.DataFrame:
    """The training and validation rows of the reference set, with `reference_class`, a number from 0.

    Each source and domain is a class, in alphabetical order. Only real images are taken, because a detector
    that learns from a reference set must not see fakes. Without a reference set there are no rows.

    Raises:
        UserError: If a selection finds no real image, there are fewer than two classes, a class has no image
            in training or in validation, or an image is selected for training as well.
    """
    is_real, is_train = (rows["label"] == 0).to_numpy(), (rows["split"] == "train").to_numpy()
    for selection in protocol.reference_set:
        _must_find(name, "reference_set", selection, is_real & is_train, rows)
    usable = is_real & (is_train | (rows["split"] == "val").to_numpy())
    chosen = rows[usable & any_matches(rows, protocol.reference_set)]
    classes = _classes(chosen)
    if protocol.reference_set and len(classes) < 2:
        raise UserError(
            f"protocol {name!r}: reference_set has one class, {'/'.join(classes[0])}",
            expected="at least two sources or domains, each of which is a class",
            fix="select more domains or sources in `reference_set`",
        )
    for split in ("train", "val") if classes else ():
        here = chosen[chosen["split"] == split]
        missing = {*classes} - {*_classes(here)}
        if missing:
            raise UserError(
                f"protocol {name!r}: reference_set has no {split} image of {'/'.join(min(missing))}",
                fix="raise `holdout`, or leave that domain out of `reference_set`",
            )
    if (trained := any_matches(chosen, protocol.train)).any():
        raise UserError(
            f"protocol {name!r}: {int(trained.sum())} images of reference_set are in `train` as well",
            found=str(chosen.loc[trained, "key"].iloc[0]),
            fix="select other images in `reference_set`",
        )
    number = np.zeros(len(chosen), dtype=np.int64)
    for place, (source, domain) in enumerate(classes):
        number[(chosen["source"].eq(source) & chosen["domain"].eq(domain)).to_numpy()] = place
    return chosen.assign(test_set="", reference_class=number)


def _classes(rows: pd.DataFrame) -> list[tuple[str, str]]:
    return sorted(rows[["source", "domain"]].drop_duplicates().itertuples(index=False, name=None))


def select_tests(name: str, protocol: Protocol, rows: pd.DataFrame) -> pd.DataFrame:
    """The test rows of all sets, in the protocol's order; a row of several sets is repeated for each set.

    Raises:
        UserError: If a selection finds nothing, or a set has no image of a class that it asks for.
    """
    sets = []
    is_test = (rows["split"] == "test").to_numpy()
    for test_set, selections in protocol.test.items():
        found = []
        for selection in selections:
            usable = np.ones(len(rows), dtype=bool) if selection.splits == "all" else is_test
            _must_find(name, f"test set {test_set}", selection, usable, rows)
            found.append(rows[usable & matches(rows, selection)])
        chosen = stacked(found).drop_duplicates("key") if len(found) > 1 else found[0]
        _must_hold(name, f"test set {test_set}", chosen, _asked(selections))
        sets.append(of_split(chosen, "test").assign(test_set=test_set))
    return stacked(sets)


def count_undetected(protocol: Protocol, files: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count the files of each test set that gave no image. The protocol's limits do not apply to them.

    Args:
        protocol: The protocol.
        files: The files of all its sources that gave no image, with `split`.

    Returns:
        By test set: real_videos, fake_videos, real_stills, fake_stills. Sets without such files are left out.
    """
    found = {}
    kinds = ["real_videos", "fake_videos", "real_stills", "fake_stills"]
    for name, selections in protocol.test.items():
        chosen = np.zeros(len(files), dtype=bool)
        for selection in selections:
            usable = True if selection.splits == "all" else files["split"].eq("test").to_numpy()
            chosen |= matches(files, selection) & usable
        some = files[chosen].drop_duplicates(["source", "path"])
        if not some.empty:
            place = 2 * some["video"].eq("") + some["label"]
            found[name] = {kind: int((place == number).sum()) for number, kind in enumerate(kinds)}
    return found


def check_unseen(name: str, protocol: Protocol, train: pd.DataFrame, tests: pd.DataFrame) -> None:
    """Make sure that no set in `unseen` holds fakes of a kind that is trained on.

    A kind is a source, domain and method. With `sampling` it is also an instance, so that other instances of
    a method count as unseen.

    Raises:
        UserError: If a set does. The message names the set and the kind.
    """
    kinds = ["source", "domain", "method", *(["instance"] if protocol.sampling else [])]
    seen = train.loc[train["label"] == 1, kinds].drop_duplicates()
    for test_set in protocol.unseen:
        fakes = tests.loc[(tests["test_set"] == test_set) & (tests["label"] == 1), kinds].drop_duplicates()
        both = fakes.merge(seen)
        if not both.empty:
            raise UserError(
                f"protocols/{name}.yaml: {test_set} is called unseen, but its fakes are trained on",
                found="\n".join(", ".join(kind) for kind in both.itertuples(index=False)),
                fix="take it out of `unseen`, or take these fakes out of `train`",
            )


def check_leaks(name: str, rows: pd.DataFrame, by: Literal["person", "video"] = "person") -> None:
    """Make sure that no group, file or person is in two splits.

    Persons are compared between training and validation only.

    Args:
        name: The protocol's name.
        rows: All rows of training, validation, reference and test sets, with `LEAK_COLUMNS`.
        by: The protocol's `holdout.by`. With `video`, persons may be in several splits, and the other files
            of an official test file's group may be in training: `splits.counts.count` counts both.

    Raises:
        UserError: If a group or identical bytes are in two splits, if the same bytes have both labels, or if
            training and validation share an identity. The message names the rows.
    """
    rows = rows.drop_duplicates(["split", "key"])
    if by == "video":
        rows = rows.assign(group=text(rows["group"]) + np.where(rows["own_split"] == "", "", " (official)"))
    for column, name_of in (
        ("group", "the same group"),
        ("raw_sha256", "files with the same bytes"),
        ("sha256", "images with the same bytes"),
    ):
        _refuse(name, rows, column, "split", f"{name_of} in two splits")
    for column in ("raw_sha256", "sha256"):
        _refuse(name, rows, column, "label", "the same bytes labeled both real (0) and fake (1)")
    if by == "video":
        return
    shown = rows[(rows["identities"] != "") & (rows["split"] != "test")]
    shown = shown.drop_duplicates(["identities", "split"])
    shown = shown.assign(identity=text(shown["identities"]).str.split(";"))
    shown = shown.explode("identity", ignore_index=True)
    _refuse(name, shown, "identity", "split", "the same person in training and validation")


def _asked(selections: Iterable[Selection]) -> set[int]:
    """The classes that the selections ask for; a selection without `methods` asks for both."""
    return {int(method != "real") for one in selections for method in one.methods or ("real", "any fake")}


def _must_find(
    name: str, where: str, selection: Selection, usable: NDArray[np.bool_], rows: pd.DataFrame
) -> None:
    found = usable & matches(rows, selection)
    for column, wanted in (("domain", selection.domain), ("method", selection.methods)):
        missing = [value for value in wanted or () if not (found & rows[column].eq(value).to_numpy()).any()]
        if missing or not found.any():
            have = as_text(rows.loc[rows["source"] == selection.source, ["domain", "method", "split"]])
            kinds = have["domain"] + ", " + have["method"] + ", " + have["split"].replace("", "left out")
            lines = [f"{kind}: {n}" for kind, n in kinds.value_counts().sort_index().items()]
            raise UserError(
                f"protocol {name!r}, {where}: {selection} matches no image"
                + (f" with {column} {', '.join(missing)}" if missing else ""),
                found="\n".join(lines) or f"source {selection.source} holds no image at all",
                fix=f"{corrected(name, missing, have[column].unique())}; or add the data to the source",
            )


def _must_hold(name: str, where: str, rows: pd.DataFrame, labels: set[int]) -> None:
    for label in sorted(labels - set(rows["label"].unique())):
        raise UserError(
            f"protocol {name!r}: {where} holds no {('real', 'fake')[label]} image",
            found=f"{len(rows)} images of " + (", ".join(sorted(set(rows["method"]))) or "nothing"),
            fix="add data of that class, select it in the protocol, or raise `holdout`",
        )


def _refuse(name: str, rows: pd.DataFrame, column: str, by: str, leak: str) -> None:
    first = first_places(group_numbers(rows, [column, by]))
    sides = rows[column].iloc[first]
    crossing = sides[sides.duplicated()].drop_duplicates()
    if crossing.empty:
        return
    shown = rows[rows[column].isin(crossing.head(EXAMPLES))].sort_values([column, by, "key"], kind="stable")
    # One example per side is more useful than all frames of one clip.
    shown = shown.drop_duplicates([column, by])
    lines = [f"{row[by]}: {row['source']}, {row['raw_path']}" for _, row in shown.iterrows()]
    raise UserError(
        f"protocol {name!r}: {leak}, {len(crossing)} time{'s' * (len(crossing) > 1)}",
        found="\n".join(lines),
        fix="remove or move one side in the source's folder, or correct the source's `options`",
    )
