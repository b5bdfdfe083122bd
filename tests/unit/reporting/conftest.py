"""A small project as the earlier stages leave it: protocols, counts, metrics, thresholds, scores, crops."""

import json
from pathlib import Path

import pytest
import yaml

SCORES = {"bce": ("sl",), "sad": ("cd",), "joint": ("sl", "cd")}


def write(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))


class Project:
    """Writes the files that the report reads into a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def protocol(self, name, test, unseen=(), reference=None, title="Train on A, test on B", source="mff"):
        value = {
            "title": title,
            "reference": reference,
            "train": [{"source": source}],
            "test": {set_: [{"source": source}] for set_ in test},
            "unseen": list(unseen),
        }
        write(self.root / f"protocols/{name}.yaml", yaml.safe_dump(value, sort_keys=False))

    def counts(self, name, test, real=60, fake=40):
        def part(real, fake, method):
            return {"real": real, "fake": fake, "methods": {"real": real, method: fake}}

        value = {
            "train": part(1000, 990, "stylegan"),
            "val": part(100, 99, "stylegan"),
            "test": {set_: part(real, fake, set_) for set_ in test},
            "dropped": {},
            "identity_overlap": {},
        }
        write(self.root / f"data/manifests/{name}/counts.json", value)

    def metrics(self, name, ap, intervals=True):
        """`ap`: test set → (bce, sad, joint_sl, joint_cd), fractions."""
        places = {("bce", "sl"): 0, ("sad", "cd"): 1, ("joint", "sl"): 2, ("joint", "cd"): 3}
        for objective, scores in SCORES.items():
            value = {
                "ap": {
                    score: {set_: values[places[objective, score]] for set_, values in ap.items()}
                    for score in scores
                }
            }
            if intervals:
                value["intervals"] = {
                    score: {set_: [x - 0.02, min(x + 0.01, 1)] for set_, x in by_set.items()}
                    for score, by_set in value["ap"].items()
                }
            write(self.root / f"metrics/{name}/{objective}.json", value)


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)
