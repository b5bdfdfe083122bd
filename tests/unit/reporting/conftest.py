"""A small project as the earlier stages leave it: protocols, counts, metrics, thresholds, scores, crops."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.special import expit

from fakeforensics.images.codec import encode_png
from fakeforensics.images.shards import ShardWriter
from fakeforensics.metrics.table import ScoreTable, write_scores
from fakeforensics.params import Params
from fakeforensics.reporting.brief import read_brief, write_brief
from fakeforensics.reporting.overview import Entry, index_page
from fakeforensics.reporting.protocol_page import protocol_page
from fakeforensics.reporting.reference import ApReference, Reference
from fakeforensics.reporting.results import read_results
from fakeforensics.reporting.summary import pick
from tests.score_specs import SCORES

LABELS = {"bce": "BCE", "sad": "SAD", "joint": "BCE+SAD"}
# What a score of each scale is where a logit would be x.
ON_SCALE = {"logit": float, "positive": lambda x: 10.0**x, "probability": expit, "real": float}

# A publication with two test sets. It knows the thesis's detectors, and prints no average.
KEYS = (("bce", "sl"), ("sad", "cd"), ("joint", "sl"), ("joint", "cd"))
ROWS = {
    "stylegan_ffhq": (100.0, 99.99, 99.97, 99.99),
    "faceapp_ffhq": (68.95, 70.51, 59.32, 71.43),
}
REFERENCE = Reference(
    owner="the paper",
    table="table 7 of the paper",
    tag="paper, table 7",
    citation="The paper is Somebody, 2020.",
    labels={"stylegan_ffhq": "StyleGAN (FFHQ)", "faceapp_ffhq": "FaceApp (FFHQ)"},
    ap=ApReference({name: dict(zip(KEYS, row, strict=True)) for name, row in ROWS.items()}),
)


def make_params(*protocols, detectors=tuple(SCORES)):
    return Params(protocols=protocols, detectors=detectors, compare={"baseline": detectors[0]}, sources={})


class Project:
    """Writes the files that the report reads into a folder: by default for the thesis's three detectors."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.scores = dict(SCORES)
        self.labels = dict(LABELS)

    def write(self, name, value):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value if isinstance(value, str) else json.dumps(value))

    def read(self, name):
        return json.loads((self.root / name).read_text())

    def results(self, name="p", reference=None):
        return replace(read_results(self.root, name, tuple(self.scores)), reference=reference)

    def page(self, name="p", reference=None):
        """The page of a protocol."""
        return protocol_page(self.results(name, reference), make_params(name).thresholds)

    def entry(self, name="p", reference=None):
        """A protocol as the index sees it: through the file that its page leaves behind."""
        results = self.results(name)
        path = self.root / f"data/pages/{name}.json"
        write_brief(path, results, pick(results))
        brief = read_brief(path)
        return Entry(brief, replace(brief.results(), reference=reference))

    def index(self, *protocols, reference=None, views=()):
        """The page that leads to all others."""
        params = make_params(*protocols, detectors=tuple(self.scores))
        return index_page([self.entry(name, reference) for name in protocols], params, views)

    def chapters(self, *protocols, reference=None):
        """The index and the page of each protocol, without what is around them."""
        pages = [self.page(name, reference) for name in protocols]
        return [page.chapters[0] for page in (self.index(*protocols, reference=reference), *pages)]

    def card(self, detector, name="p", sees="reals+fakes", **more):
        part = {
            "name": detector,
            "label": self.labels[detector],
            "title": f"what {detector} is",
            "sees": sees,
            "scores": [score.model_dump(mode="json") for score in self.scores[detector]],
        }
        card = {
            "format": {"name": "fake-forensics detector", "version": 2},
            "weights_sha256": "0" * 64,
            "protocol": name,
            "detector": part,
        }
        self.write(f"models/{name}/{detector}/model.json", card | more)

    def trained_with(self, lambda_, detector="joint", name="p", **more):
        """Write into a card that the detector was trained with this lambda."""
        card = self.read(f"models/{name}/{detector}/model.json")
        card["detector"]["settings"] = {"lambda": lambda_}
        self.write(f"models/{name}/{detector}/model.json", json.dumps(card | more))

    def protocol(self, test, name="p", unseen=(), source="mff", **more):
        value = {
            "title": "Trained on A, tested on B",
            "train": [{"source": source}],
            "test": {set_: [{"source": source}] for set_ in test},
            "unseen": list(unseen),
        }
        self.write(f"protocols/{name}.yaml", yaml.safe_dump(value | more, sort_keys=False))

    def counts(self, test, name="p", real=60, fake=40, **more):
        def part(real, fake, method):
            return {
                "real": real,
                "fake": fake,
                "groups": real,
                "methods": {"x/real": real, f"x/{method}": fake},
            }

        value = {
            "train": part(1000, 990, "stylegan"),
            "val": part(100, 99, "stylegan"),
            "test": {set_: part(real, fake, set_) for set_ in test},
            "dropped": {},
            "subsampled": {},
            "identity_overlap": {},
        }
        self.write(f"data/manifests/{name}/counts.json", value | more)

    def metrics(self, ap, name="p"):
        """`ap`: test set → one fraction per column; intervals reach 0.02 either way. And the cards."""
        places = [(detector, score.name) for detector, scores in self.scores.items() for score in scores]
        for detector, scores in self.scores.items():
            values = {
                score.name: {set_: row[places.index((detector, score.name))] for set_, row in ap.items()}
                for score in scores
            }
            bounds = {
                score: {set_: [round(x - 0.02, 6), round(x + 0.02, 6)] for set_, x in by_set.items()}
                for score, by_set in values.items()
            }
            self.write(f"metrics/{name}/{detector}.json", {"ap": values})
            self.write(f"metrics/{name}/{detector}.details.json", {"ap_interval": bounds})
            self.write(f"metrics/{name}/{detector}.robustness.json", {})
            self.card(detector, name)

    def fakes_alone(self, accuracy, name="p", **protocol):
        """A protocol with test sets of fakes alone: the same accuracy, a fraction, for every score."""
        self.protocol(list(accuracy), name, **protocol)
        self.counts(list(accuracy), name, real=0)
        for detector, scores in self.scores.items():
            filed = {}
            for score in scores:
                measure = "accuracy" if score.even_odds is not None else "accuracy_at_validation_threshold"
                filed.setdefault(measure, {})[score.name] = accuracy
            self.write(f"metrics/{name}/{detector}.json", filed)
            rows = [
                {"score": score.name, "test_set": set_, "accuracy": value}
                | {"accuracy_interval": [value - 0.02, value + 0.02]}
                for score in scores
                for set_, value in accuracy.items()
            ]
            self.write(f"metrics/{name}/{detector}.details.json", {"fakes_alone": rows})
            self.write(f"metrics/{name}/{detector}.thresholds.json", {"table_4_10": []})
            self.write(f"metrics/{name}/{detector}.robustness.json", {})
            self.card(detector, name)

    def thresholds(self, rows, detector="bce", name="p"):
        self.write(f"metrics/{name}/{detector}.thresholds.json", {"table_4_10": rows})

    def scored(self, test, name="p"):
        """Scores, curves, thresholds, a manifest and crops of eight images a test set; fakes are bright."""
        folder = self.root / "data/images/mff"
        folder.mkdir(parents=True)
        rows = []
        with ShardWriter(folder, 2**20) as writer:
            for set_ in test:
                for number in range(8):
                    label = number % 2
                    pixels = np.full((40, 50, 3), 40 + 160 * label + number, np.uint8)
                    data = encode_png(pixels)
                    place = writer.add(f"{set_}-{number}.png", data)
                    rows.append(
                        {"key": f"mff/{set_}/{number}", "test_set": set_, "label": label, "source": "mff"}
                        | {"group": f"mff/{set_}/{number // 4}", "video": "", "frame": -1}
                        | {"sha256": hashlib.sha256(data).hexdigest(), "box": [], "split": "test"}
                        | {
                            "method": set_ if label else "real",
                            "domain": "x",
                            "raw_path": f"{set_}/{number}.png",
                        }
                        | place._asdict()
                    )
        table = pd.DataFrame(rows)
        manifests = self.root / "data/manifests" / name
        manifests.mkdir(parents=True, exist_ok=True)
        table.to_parquet(manifests / "test.parquet")
        trained = table[table["test_set"] == test[0]].assign(test_set="", split="train")
        trained.to_parquet(manifests / "train.parquet")
        for detector, scores in self.scores.items():
            mine = table.drop(columns=["raw_path", "shard", "offset", "size", "sha256", "box", "split"])
            value = np.arange(len(mine)) % 8 - 3.5  # image 7 is the fakest, image 0 the most real
            mine = mine.assign(
                **{score.column: [ON_SCALE[score.scale](x) for x in value] for score in scores}
            )
            path = self.root / "data/scores" / name / f"{detector}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            for score in scores:
                if score.probability_column:
                    mine[score.probability_column] = expit(mine[score.column])
            write_scores(path, ScoreTable(mine, scores))
            self.thresholds(
                [row for score in scores for set_ in test for row in pair(score, set_)], detector, name
            )
            for set_ in test:
                for kind, columns in {"pr": "recall,precision", "roc": "fpr,tpr"}.items():
                    lines = [f"{x},{x},0.0,{score.name}" for score in scores for x in (0, 0.5, 1)]
                    text = "\n".join([f"{columns},threshold,score", *lines])
                    self.write(f"plots/{name}/{detector}/{kind}/{set_}.csv", text)
            self.card(detector, name, settings={"seed": 3})


def pair(score, test_set, criterion="accuracy"):
    """An oracle's row at logit 0 (probability 0.5, distance 1, real 0) and validation's at logit 1."""
    rates = {"precision": 0.75, "recall": 0.9, "accuracy": 0.8}

    def row(chosen_on, logit):
        what = {"score": score.name, "test_set": test_set, "criterion": criterion, "chosen_on": chosen_on}
        what |= {"threshold": ON_SCALE[score.scale](logit)}
        is_probability = score.scale in ("logit", "probability")
        return what | ({"probability": round(expit(logit), 6)} if is_probability else {}) | rates

    return [row("oracle", 0.0), row("validation", 1.0) | {"accuracy": 0.675}]


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


@pytest.fixture
def full(project):
    """Two test sets with everything that the stages write."""
    sets = ("stylegan_ffhq", "faceapp_ffhq")
    project.protocol(sets, unseen=sets[1:])
    project.counts(sets)
    project.metrics({sets[0]: (0.99, 0.98, 0.97, 0.96), sets[1]: (0.6, 0.7, 0.65, 0.72)})
    project.scored(sets)
    return project
