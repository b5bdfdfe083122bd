"""The ranking of detectors over several seeds, and two claims that it tests.

The claims: the joint detector is better than BCE, and one-class detectors are better than chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean
from typing import Any, NamedTuple

from fakeforensics.models.card import Sees, trained_on
from fakeforensics.reporting.blocks import EMPTY, Block, Cell, Column, Row, Table, Text
from fakeforensics.reporting.results import ProtocolResults

_SEES: dict[Sees, str] = {
    "reals": "reals",
    "reals+simulated": "reals, own fakes",
    "reals+fakes": "reals, fakes",
    "reals+reference": "reals, reference set",
    "elsewhere": "trained elsewhere",
}
_ONE_CLASS: tuple[Sees, ...] = ("reals", "reals+simulated", "reals+reference")
_UNSEEN, _ALL = "mean_unseen", "mean"


class Ranked(NamedTuple):
    """A score of a detector over several seeds, from `seeds.json`.

    Attributes:
        detector: The detector's name.
        label: The heading of the score.
        sees: The data that the detector is trained on.
        cost: The cost of training, such as `processor_seconds`.
        ap: Test set, `mean` or `mean_unseen` → mean, deviation and interval of the average precision, as
            fractions.
        difference: `mean` or `mean_unseen` → the paired difference to the baseline and its interval.
    """

    detector: str
    label: str
    sees: Sees
    cost: dict[str, float]
    ap: dict[str, dict[str, float]]
    difference: dict[str, dict[str, float]]


def seed_blocks(results: ProtocolResults) -> list[Block]:
    """The machines of training, the ranking of the detectors over seeds, and the two claims; or a note."""
    cards = [results.cards[name] for name, card in results.detectors.items() if card.sees != "elsewhere"]
    machines = dict.fromkeys(map(trained_on, cards))
    if not machines:
        return []
    text = f"Trained on: {'; '.join(machines)}. "
    text += "On another processor, the last bits of the results differ, and so do the models. "
    found = results.seeds
    if found is None:
        text += (
            "The figures are for one seed, so differences between detectors or commits may be due to chance. "
            f"`make seeds PROTOCOL={results.name} SEEDS=0,1,2` measures how much they vary with the seed."
        )
        return [Text(text, "note")]
    ranking = ranked(found)
    if not ranking:
        return [Text(text, "note")]
    return [Text(text, "note"), _table(results, found, ranking), *_claims(results, found, ranking)]


def ranked(found: dict[str, Any]) -> list[Ranked]:
    """The scores of a `seeds.json`, best first by their mean over the unseen test sets, else over all."""
    scores = [
        Ranked(
            name,
            about["label"] if len(about["scores"]) == 1 else f"{about['label']} {score['label']}",
            about["sees"],
            about["cost"],
            score["ap"],
            score.get("difference", {}),
        )
        for name, about in found["detectors"].items()
        for score in about["scores"].values()
        if score["ap"]
    ]
    return sorted(scores, key=lambda one: -one.ap[_main(scores)]["mean"])


def _main(scores: list[Ranked]) -> str:
    return _UNSEEN if all(_UNSEEN in one.ap for one in scores) else _ALL


def random_ap(reals: int, fakes: int) -> float:
    """The expected average precision of a random order of images without ties, a fraction.

    It is larger than the share of fakes, and the difference grows if there are fewer images. With n images
    and their harmonic number H = 1 + 1/2 + … + 1/n it is (H + (fakes − 1) / (n − 1) · (n − H)) / n, which is
    the mean precision at the rank of a fake.

    Args:
        reals: Number of real images.
        fakes: Number of fakes, at least 1; together at least 2 images.
    """
    size = reals + fakes
    harmonic = sum(1 / rank for rank in range(1, size + 1))
    return (harmonic + (fakes - 1) / (size - 1) * (size - harmonic)) / size


def _table(results: ProtocolResults, found: dict[str, Any], ranking: list[Ranked]) -> Table:
    main = _main(ranking)
    unseen = [name for name in results.ranked if name in results.protocol.unseen]
    seen = [name for name in results.ranked if name not in unseen]
    sets = [*unseen, *seen]
    label = found["detectors"].get(found["baseline"], {}).get("label", found["baseline"])
    columns = (
        Column("Sees", numeric=False),
        Column("Mean, unseen" if main == _UNSEEN else "Mean"),
        Column(f"Against {label}"),
        *(Column(results.label(name), "Unseen") for name in unseen),
        *(Column(results.label(name), "Seen" if unseen else "") for name in seen),
        Column("Training, s"),
    )
    rows = tuple(
        Row(
            one.label,
            (
                Cell(_SEES[one.sees]),
                _mean(one.ap[main]),
                _difference(one.difference.get(main)),
                *(_mean(one.ap[name]) if name in one.ap else Cell(EMPTY) for name in sets),
                Cell(f"{one.cost['processor_seconds']:,.0f}"),
            ),
        )
        for one in ranking
    )
    seeds = ", ".join(map(str, found["seeds"]))
    caption = f"Average precision over the seeds {seeds}, in percent, sorted by the first mean, best first."
    notes = (
        "A value is the mean over seeds ± their standard deviation. Below it: its 95% interval from a "
        f"bootstrap over groups and seeds. Against {label}: the paired difference in the mean, in percentage "
        "points.",
        "Training: processor time in seconds. Work that several detectors share is counted for the first of "
        f"them. Trained on: {'; '.join(found['trained_on'])}.",
    )
    return Table(caption, "Detector", columns, rows, notes)


def _mean(ap: dict[str, float]) -> Cell:
    text = f"{100 * ap['mean']:.1f} ± {100 * ap['deviation']:.1f}"
    return Cell(text, f"{100 * ap['low']:.1f} … {100 * ap['high']:.1f}")


def _difference(values: dict[str, float] | None) -> Cell:
    if values is None:
        return Cell(EMPTY)
    interval = f"{100 * values['low']:+.1f} … {100 * values['high']:+.1f}"
    return Cell(f"{100 * values['difference']:+.1f}", interval)


def _claims(results: ProtocolResults, found: dict[str, Any], ranking: list[Ranked]) -> Iterator[Text]:
    """The evidence for two claims: joint is better than bce, one-class detectors are better than chance."""
    main = _main(ranking)
    where = "the unseen test sets" if main == _UNSEEN else "the test sets"
    for one in ranking:
        if one.detector == "joint" and found["baseline"] == "bce" and main in one.difference:
            difference = one.difference[main]
            low, high = difference["low"], difference["high"]
            verdict = (
                "is better than"
                if low > 0
                else "is worse than"
                if high < 0
                else "is not clearly different from"
            )
            yield Text(
                f"{one.label} {verdict} BCE on {where}: {100 * difference['difference']:+.1f} percentage "
                f"points, 95% interval {100 * low:+.1f} to {100 * high:+.1f}."
            )
    names = [name for name in results.ranked if main == _ALL or name in results.protocol.unseen]
    counts = [(results.counts or {}).get("test", {}).get(name) for name in names]
    one_class = [one for one in ranking if one.sees in _ONE_CLASS]
    if not one_class or not all(counts):
        return
    chance = fmean(random_ap(count["real"], count["fake"]) for count in counts if count)
    above = [one.label for one in one_class if one.ap[main]["low"] > chance]
    below = [one.label for one in one_class if one.ap[main]["high"] < chance]
    other = [one.label for one in one_class if one.label not in {*above, *below}]
    parts = {
        "Better than chance": above,
        "Not distinguishable from chance": other,
        "Worse than chance": below,
    }
    yield Text(
        f"Detectors trained without the protocol's fakes, on {where}, where a random order has an average "
        f"precision of {100 * chance:.1f}: "
        + "; ".join(f"{kind.lower()}: {', '.join(labels)}" for kind, labels in parts.items() if labels)
        + "."
    )
