"""Who trains, validates and tests: the data set's own word first, then a seeded cut by group or person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain

import pandas as pd

from fakeforensics.splits.chance import deal
from fakeforensics.splits.protocol import Holdout

DROPPED_STRADDLES = "persons of both training and validation"
DROPPED_TEST_GROUP = "made from an official test video, or its original"
ATTEMPTS = 100
LARGEST_CIRCLE = 0.5  # share of all persons; beyond it circles would make for too coarse a cut


def cut_source(index: pd.DataFrame, holdout: Holdout, seed: int) -> pd.DataFrame:
    """Assign every row of one source to a split.

    Rows keep the split that their data set prescribes. Rows without one are cut by person where the data set
    names persons, else by group; a source that prescribes test images gets no others from the cut. If a
    source prescribes training images but no validation, validation is cut from its training images.

    Args:
        index: One source's index: at least group, own_split, identities (";"-joined), method, label.
        holdout: The shares to cut.
        seed: Seed of the experiment's splits.

    Returns:
        A frame with the index's row labels and the columns `split` ("train", "val", "test", or "" if dropped)
        and `dropped` (the reason, or "").
    """
    result = pd.DataFrame({"split": index["own_split"].astype(object), "dropped": ""}, index=index.index)
    own = set(index["own_split"])
    free = index["own_split"].isin([""] if "val" in own or "train" not in own else ["", "train"])
    rest = index[free]
    if rest.empty:
        return result
    shares = {"val": holdout.val, "train": 1.0}
    if "test" not in own and not own & {"train", "val"}:
        shares = {"test": holdout.test, **shares}
    by_person = (rest["identities"] != "").any()
    split = _cut_by_person(rest, shares, seed) if by_person else _cut_by_group(rest, shares, seed)
    dropped = split.map({"": DROPPED_STRADDLES}).fillna("")
    of_test = rest["group"].isin(index.loc[index["own_split"] == "test", "group"])
    unprescribed = rest["own_split"] == ""
    # Only where the data set leaves a row's split open may we drop it; a contradiction in the data set's own
    # splits is for the leak check to report.
    split[of_test & unprescribed], dropped[of_test & unprescribed] = "", DROPPED_TEST_GROUP
    result.loc[rest.index, "split"] = split
    result.loc[rest.index, "dropped"] = dropped
    return result


def _cut_by_group(rows: pd.DataFrame, shares: Mapping[str, float], seed: int) -> pd.Series[str]:
    # Groups of the same methods are dealt out together, so that each method gets its share of every split.
    content = rows.assign(content=rows["domain"] + "/" + rows["method"] + "/" + rows["instance"])
    kinds = content.groupby("group")["content"].agg(lambda values: "+".join(sorted(set(values))))
    parts: dict[str, str] = {}
    for _, groups in kinds.groupby(kinds):
        parts |= deal(groups.index, shares, seed)
    return rows["group"].map(parts).astype(object)


def _cut_by_person(rows: pd.DataFrame, shares: Mapping[str, float], seed: int) -> pd.Series[str]:
    """Cut persons, then drop ("") the rows that show persons of several parts.

    A clip whose person is not named counts as a person of its own. Where swaps tie persons into small
    circles, a circle goes as a whole and nothing is lost. In Celeb-DF they tie nearly everybody together:
    persons are dealt out singly then, and of the seeded cuts the first that leaves both classes in every part
    is taken.
    """
    keys = ["identities", "group", "label"]
    clips = rows[keys].drop_duplicates()
    named = (clips["identities"] != "").tolist()
    cast = [
        tuple(people.split(";")) if is_named else (group,)
        for people, group, is_named in zip(clips["identities"], clips["group"], named, strict=True)
    ]
    circle = _circles([people for people, is_named in zip(cast, named, strict=True) if is_named])
    if max(Counter(circle.values()).values()) > LARGEST_CIRCLE * len(circle):
        circle = {person: person for person in circle}
    known = set(circle.values())
    unknown = {person for people in cast for person in people if person not in circle}
    dealt = (deal(known, shares, seed + n) | deal(unknown, shares, seed + n) for n in range(ATTEMPTS))
    cuts = ([_common_part(people, circle, parts) for people in cast] for parts in dealt)
    labels = clips["label"].tolist()
    needed = {(part, label) for part in shares for label in labels}
    first = next(cuts)
    best = next((cut for cut in chain([first], cuts) if needed <= set(zip(cut, labels, strict=True))), first)
    table = dict(zip(clips.itertuples(index=False, name=None), best, strict=True))
    split = [table[clip] for clip in rows[keys].itertuples(index=False, name=None)]
    return pd.Series(split, index=rows.index, dtype=object)


def _common_part(people: tuple[str, ...], circle: Mapping[str, str], parts: Mapping[str, str]) -> str:
    """The part that all of a clip's persons are in; "" where they disagree."""
    chosen = {parts[circle.get(person, person)] for person in people}
    return chosen.pop() if len(chosen) == 1 else ""


def _circles(casts: Iterable[tuple[str, ...]]) -> dict[str, str]:
    """The circle of each person: those whom clips tie together, named after one of them."""
    leader: dict[str, str] = {}

    def find(person: str) -> str:
        while leader.setdefault(person, person) != person:
            leader[person] = leader[leader[person]]
            person = leader[person]
        return person

    for people in casts:
        first, *others = sorted(map(find, people))
        leader |= dict.fromkeys(others, first)
    return {person: find(person) for person in list(leader)}
