"""A small project as the earlier stages leave it: protocols, counts, metrics, thresholds, scores, crops."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from fakeforensics.reporting.project import read_results
from fakeforensics.storage.images import encode_png
from fakeforensics.storage.shards import ShardWriter

SCORES = {"bce": ("sl",), "sad": ("cd",), "joint": ("sl", "cd")}
PLACES = {("bce", "sl"): 0, ("sad", "cd"): 1, ("joint", "sl"): 2, ("joint", "cd"): 3}


class Project:
    """Writes the files that the report reads into a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name, value):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value if isinstance(value, str) else json.dumps(value))

    def results(self, name="p"):
        return read_results(self.root, name)

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
        """`ap`: test set → (bce, sad, joint_sl, joint_cd) as fractions; intervals reach 0.02 either way."""
        for objective, scores in SCORES.items():
            values = {
                score: {set_: row[PLACES[objective, score]] for set_, row in ap.items()} for score in scores
            }
            bounds = {
                score: {set_: [round(x - 0.02, 6), round(x + 0.02, 6)] for set_, x in by_set.items()}
                for score, by_set in values.items()
            }
            self.write(f"metrics/{name}/{objective}.json", {"ap": values})
            self.write(f"metrics/{name}/{objective}.details.json", {"ap_interval": bounds})

    def pilot(self, accuracy, name="p", **protocol):
        """A protocol of chapter 3 with the same accuracies, fractions, for every score."""
        seen = sorted({int(number) for values in accuracy.values() for number in values})
        self.protocol(list(accuracy), name, instances={"seen": seen}, **protocol)
        sizes = {str(number): {"real": 1000, "fake": 1000} for number in seen}
        self.counts(list(accuracy), name, real=0, instances=sizes)
        filed = {"sl": "accuracy", "cd": "accuracy_at_validation_threshold"}
        for objective, scores in SCORES.items():
            self.write(f"metrics/{name}/{objective}.json", {filed[s]: {s: accuracy} for s in scores})
            rows = [
                {"instances": number, "score": score, "test_set": set_, "accuracy": value}
                | {"accuracy_interval": [value - 0.02, value + 0.02]}
                for score in scores
                for set_, values in accuracy.items()
                for number, value in values.items()
            ]
            self.write(f"metrics/{name}/{objective}.details.json", {"fakes_alone": rows})
            self.write(f"metrics/{name}/{objective}.thresholds.json", {"table_4_10": []})

    def thresholds(self, rows, objective="bce", name="p"):
        self.write(f"metrics/{name}/{objective}.thresholds.json", {"table_4_10": rows})

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
                    place = writer.add(f"{set_}-{number}.png", encode_png(pixels))
                    rows.append(
                        {"key": f"mff/{set_}/{number}", "test_set": set_, "label": label, "source": "mff"}
                        | {"group": f"mff/{set_}/{number // 4}", "video": "", "frame": -1}
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
        for objective, scores in SCORES.items():
            mine = table.drop(columns=["raw_path", "shard", "offset", "size"])
            value = np.arange(len(mine)) % 8 - 3.5  # image 7 is the fakest, image 0 the most real
            mine = mine.assign(**{"logit": value} if "sl" in scores else {})
            mine = mine.assign(**{"score_cd": 10.0**value} if "cd" in scores else {})
            path = self.root / "data/scores" / name / f"{objective}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            mine.to_parquet(path)
            self.thresholds(
                [row for score in scores for set_ in test for row in pair(score, set_)], objective, name
            )
            for set_ in test:
                for kind, columns in {"pr": "recall,precision", "roc": "fpr,tpr"}.items():
                    lines = [f"{x},{x},0.0,{score}" for score in scores for x in (0, 0.5, 1)]
                    text = "\n".join([f"{columns},threshold,score", *lines])
                    self.write(f"plots/{name}/{objective}/{kind}/{set_}.csv", text)
            self.write(
                f"models/{name}/{objective}/model.json", {"settings": {"seed": 3}, "objective": objective}
            )


def pair(score, test_set, criterion="accuracy"):
    """An oracle's row at 0 (probability 0.5, distance 1) and validation's at 1."""
    rates = {"precision": 0.75, "recall": 0.9, "accuracy": 0.8}
    at = (0.0, 1.0) if score == "sl" else (1.0, 10.0)
    probability = ({"probability": 0.5}, {"probability": 0.731059}) if score == "sl" else ({}, {})
    what = {"score": score, "test_set": test_set, "criterion": criterion}
    return [
        what | {"chosen_on": "oracle", "threshold": at[0]} | probability[0] | rates,
        what | {"chosen_on": "validation", "threshold": at[1]} | probability[1] | rates | {"accuracy": 0.675},
    ]


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


@pytest.fixture
def full(project):
    """Two test sets with everything that the stages write."""
    sets = ("stylegan_ffhq", "faceapp_ffhq")
    project.protocol(sets, unseen=sets[1:], reference="table_4_4")
    project.counts(sets)
    project.metrics({sets[0]: (0.99, 0.98, 0.97, 0.96), sets[1]: (0.6, 0.7, 0.65, 0.72)})
    project.scored(sets)
    return project
