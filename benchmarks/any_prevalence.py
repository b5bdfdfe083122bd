"""The threshold for any share of fakes, on published scores of other detectors.

    pip install --no-deps deepsafe-bench==1.0.0
    python -m benchmarks.any_prevalence
    python -m benchmarks.any_prevalence --role any                       # all sets
    python -m benchmarks.any_prevalence --role development --draws 20    # a quick look
    python -m benchmarks.any_prevalence --scores predictions_medium.csv.gz --json any_prevalence.json

A set is one detector, one domain of reals and one generator. The threshold that is used now comes from the
reals of another domain and from fakes of generators that are in no set. Which generators and detectors are
for development, and which are held out, their names' hashes say: see `role_of_generator`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import typer
from jaxtyping import Int
from typer import Option

from fakeforensics.metrics.operating import deployed_threshold
from fakeforensics.metrics.ranking import rank, roc_auc
from fakeforensics.thresholds.any_share import choose

PACKAGE, INSIDE = "deepsafe", Path("assets/predictions_medium.csv.gz")
DOMAINS = {"images": ("coco", "openfake"), "video": ("lavdf", "msrvtt"), "audio": ("audio A", "audio B")}
PREVALENCES = (0.01, 0.1, 0.5, 0.9)
RANDOM = "random"  # one for each draw, uniform between 0 and 1
ALLOWED = 0.05  # of accuracy, that a set may lose against validation's threshold
DISTINCT = 100  # detectors with fewer values, such as readers of watermarks, rank nothing
FAKES_AT_LEAST = 40  # in a set; smaller generators are pooled
RULES = ("any share", "conformal 5%", "Youden")
AUC_GROUPS = ((0.0, 1.1), (0.8, 1.1), (0.6, 0.8), (0.0, 0.6))
MEANS = ("bad draws", "estimate", "error", "covered", "width", "fallback")

Role = Literal["development", "held out"]
Row = dict[str, Any]
Places = Int[np.ndarray, " n"]
ROLES: tuple[Role, ...] = ("development", "held out")


@dataclass(frozen=True)
class Published:
    """The scores of one detector on one domain of reals and one generator.

    Attributes:
        detector: Its name.
        domain: Where the reals are from.
        generator: Whose fakes these are.
        unseen_detector: Whether the detector is held out as well.
        reals: Scores.
        fakes: Scores.
        threshold: Chosen for accuracy on other reals and other generators.
    """

    detector: str
    domain: str
    generator: str
    unseen_detector: bool
    reals: np.ndarray
    fakes: np.ndarray
    threshold: float

    @property
    def auc(self) -> float:
        """How well the detector ranks this set."""
        scores = np.concatenate([self.reals, self.fakes])
        return roc_auc(scores, (np.arange(scores.size) >= self.reals.size).astype(np.int8))


def main(
    scores: Annotated[Path | None, Option(help="The table; by default that of the package.")] = None,
    role: Annotated[str, Option(help="`held out` or `development` generators, or `any`.")] = "held out",
    known: Annotated[int, Option(min=1, help="Known reals.")] = 50,
    unlabeled: Annotated[int, Option(min=50, help="Unlabeled scores.")] = 800,
    draws: Annotated[int, Option(min=2, help="Draws of both, for each set and prevalence.")] = 200,
    every: Annotated[int, Option(min=1, help="Take every so many-th set only.")] = 1,
    seed: Annotated[int, Option(help="Of the draws.")] = 0,
    json_file: Annotated[Path | None, Option("--json", help="Write the table by set here.")] = None,
) -> None:
    """Print the share of the gap that each rule closes, by prevalence and by how well detectors rank."""
    table = pd.read_csv(scores or _installed())
    sets = [one for one in published_sets(table) if role in (one[0], "any")][::every]
    if not sets:
        raise typer.BadParameter("no set has this role", param_hint="--role")
    if known >= min(one.reals.size for _, one in sets):
        raise typer.BadParameter("a set has no more reals than that", param_hint="--known")
    rows = [{"role": of, **row} for of, one in sets for row in measure(one, known, unlabeled, draws, seed)]
    if json_file is not None:
        json_file.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    found = pd.DataFrame(rows)
    print(f"{len(sets)} sets, {known} known reals, {unlabeled} scores, {draws} draws")
    for of, unseen in itertools.product(ROLES, (False, True)):
        for low, high in AUC_GROUPS:
            here = (found["role"] == of) & (found["unseen_detector"] == unseen)
            group = found[here & found["auc"].between(low, high, "left")]
            if not group.empty:
                whose = "held-out" if unseen else "development"
                count = len(group) // (len(PREVALENCES) + 1)
                print(f"\n{of} generators, {whose} detectors, AUC {low:g} to {min(high, 1):g}: {count} sets")
                print(summarize(group).to_string(index=False, float_format="{:.2f}".format))


def summarize(rows: pd.DataFrame) -> pd.DataFrame:
    """By prevalence and rule: share of the gap closed over the sets, and the set that loses most.

    `losing` is the share of sets that lose more than 0.05 in the mean over the draws, `bad draws` that of
    single draws. For the estimate of the prevalence: its mean, its mean absolute error, how often its
    interval covers the truth, the interval's width, and how often the rule falls back.
    """
    found = []
    for prevalence, here in rows.groupby("prevalence"):
        gap = (here["oracle"] - here["validation"]).sum()
        line = {"prevalence": prevalence, "gap": gap / len(here)}
        for rule in RULES:
            won = here[rule] - here["validation"]
            line |= {rule: won.sum() / gap}
            line |= {"worst": won.min(), "losing": (won < -ALLOWED).mean()} if rule == RULES[0] else {}
        found.append(line | {name: here[name].mean() for name in MEANS})
    return pd.DataFrame(found)


def measure(one: Published, known: int, unlabeled: int, draws: int, seed: int) -> Iterator[Row]:
    """A row for each prevalence: accuracies at that prevalence on the whole set, means over the draws.

    The last row has a prevalence of its own for each draw, uniform between 0 and 1.
    """
    scores = np.concatenate([one.reals, one.fakes])
    cells, place = np.unique(scores, return_inverse=True)
    reals, fakes = place[: one.reals.size], place[one.reals.size :]
    right, hit = _share_below(reals, cells.size), 1 - _share_below(fakes, cells.size)
    validation = int(np.searchsorted(cells, one.threshold))
    for prevalence in (*PREVALENCES, None):
        identity = f"{one.detector}/{one.domain}/{one.generator}/{prevalence}"
        generator = np.random.default_rng([seed, *hashlib.sha256(identity.encode()).digest()[:8]])
        wanted = generator.random(draws) if prevalence is None else np.full(draws, prevalence)
        counts = np.round(wanted * unlabeled).astype(np.int64)
        share = counts / unlabeled
        given, mixed = _drawn(reals, fakes, cells.size, known, counts, unlabeled, generator)
        found = choose(mixed / unlabeled, given, np.full(draws, validation), unlabeled)
        conformal = _conformal_cut(given, max(0.05, 1 / (known + 1)))
        cuts = {
            "any share": np.where(found.is_unclear, conformal, found.cut),
            "conformal 5%": conformal,
            "Youden": np.argmax(_below(given) / known - _below(mixed) / unlabeled, axis=1),
        }
        base = share * hit[validation] + (1 - share) * right[validation]
        oracle = np.max(share[:, None] * hit + (1 - share[:, None]) * right, axis=1)
        won = {rule: share * hit[cut] + (1 - share) * right[cut] - base for rule, cut in cuts.items()}
        estimate = np.abs(found.fake_share - share)
        yield {
            "detector": one.detector,
            "domain": one.domain,
            "generator": one.generator,
            "unseen_detector": one.unseen_detector,
            "auc": one.auc,
            "prevalence": RANDOM if prevalence is None else f"{prevalence:g}",
            "validation": float(base.mean()),
            "oracle": float(oracle.mean()),
            **{rule: float((base + of).mean()) for rule, of in won.items()},
            "bad draws": float((won[RULES[0]] < -ALLOWED).mean()),
            "estimate": float(found.fake_share.mean()),
            "error": float(estimate.mean()),
            "covered": float(((found.low <= share) & (share <= found.high)).mean()),
            "width": float((found.high - found.low).mean()),
            "fallback": float(found.is_unclear.mean()),
        }


def _drawn(
    reals: Places,
    fakes: Places,
    cells: int,
    known: int,
    counts: Places,
    unlabeled: int,
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """For each draw the number of known reals in each cell, and of unlabeled scores, `counts` being fakes."""
    given = np.empty((counts.size, cells), dtype=np.int64)
    mixed = np.empty((counts.size, cells))
    for draw, count in enumerate(counts):
        order = generator.permutation(reals.size)
        rest = reals[order[known:]]
        given[draw] = np.bincount(reals[order[:known]], minlength=cells)
        of_reals = generator.choice(rest, unlabeled - count, replace=unlabeled - count > rest.size)
        of_fakes = generator.choice(fakes, count, replace=count > fakes.size)
        mixed[draw] = np.bincount(np.concatenate([of_reals, of_fakes]), minlength=cells)
    return given, mixed


def _below(counts: np.ndarray) -> np.ndarray:
    """For each draw and cut, the number below it; the last cut is above all cells."""
    below: np.ndarray = np.pad(np.cumsum(counts, axis=1), ((0, 0), (1, 0)))
    return below


def _share_below(places: Places, cells: int) -> np.ndarray:
    below: np.ndarray = _below(np.bincount(places, minlength=cells)[None])[0] / places.size
    return below


def _conformal_cut(given: np.ndarray, alpha: float) -> Places:
    """The first cell above the known real that the conformal threshold lies at."""
    known = int(given[0].sum())
    rank = math.ceil((1 - alpha) * (known + 1) - 1e-9)
    cut: Places = np.argmax(np.cumsum(given, axis=1) >= rank, axis=1) + 1
    return cut


def published_sets(table: pd.DataFrame) -> Iterator[tuple[Role, Published]]:
    """The sets of every detector, with their roles."""
    for column in [name for name in map(str, table) if name.startswith("prob_")]:
        rows = table[table[column].notna()]
        if rows[column].nunique() <= DISTINCT:
            continue
        detector = column.removeprefix("prob_")
        modality = rows.loc[rows["label"] == "real", "modality"].mode()[0]
        mine = rows[rows["modality"] == modality]
        source, values = mine["generator"].map(partial(_unit, modality=modality)), mine[column]
        is_real = mine["label"] == "real"
        if modality == "audio":
            of_reals = mine["generator"].map(lambda name: f"audio {'AB'[_digest(name)[0] % 2]}")
        else:
            of_reals = mine["generator"]
        roles = source.map(role_of_generator)
        of_known = values[~is_real & (roles == "known")].to_numpy()
        for domain, other in (DOMAINS[modality], DOMAINS[modality][::-1]):
            reals = [values[is_real & (of_reals == name)].to_numpy() for name in (domain, other)]
            chosen = _threshold(reals[1], of_known)
            for role in ROLES:
                fakes = {
                    str(name): of.to_numpy()
                    for name, of in values[~is_real & (roles == role)].groupby(source)
                }
                pooled = {name: of for name, of in fakes.items() if of.size >= FAKES_AT_LEAST}
                small = [of for of in fakes.values() if of.size < FAKES_AT_LEAST]
                if sum(of.size for of in small) >= FAKES_AT_LEAST:
                    pooled["small ones"] = np.concatenate(small)
                pooled["all"] = np.concatenate(list(fakes.values()))
                for name, of in pooled.items():
                    unseen = _digest(detector)[0] % 2 == 1
                    yield role, Published(detector, domain, name, unseen, reals[0], of, chosen)


def role_of_generator(name: str) -> Role | Literal["known"]:
    """By the hash of its name: a fifth are known, of the rest half are for development, half held out."""
    digest = _digest(name)
    if digest[0] % 5 == 0:
        return "known"
    return "held out" if digest[1] % 2 else "development"


def _unit(name: str, modality: str) -> str:
    """What is assigned a role: the generator; of audio its corpus and language, since those are small."""
    parts = name.split("_")
    return name if modality != "audio" else "_".join(parts[: 2 if parts[0] == "mlaad" else 1])


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def _threshold(reals: np.ndarray, fakes: np.ndarray) -> float:
    labels = np.repeat([0, 1], [reals.size, fakes.size])
    return deployed_threshold(rank(np.concatenate([reals, fakes]), labels), "accuracy")


def _installed() -> Path:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise typer.BadParameter(
            f"{PACKAGE} is not installed: pip install --no-deps deepsafe-bench==1.0.0", param_hint="--scores"
        )
    return Path(found.origin).parent / INSIDE


if __name__ == "__main__":
    typer.run(main)
