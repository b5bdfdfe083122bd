import sys

import pytest

from fakeforensics import detectors
from fakeforensics.errors import UserError
from fakeforensics.models.card import Architecture
from fakeforensics.models.detector import NetworkDetector
from fakeforensics.models.registry import build_detector, detector_class, detector_names

MODULE = """
from typing import ClassVar

from fakeforensics.models.detector import NetworkDetector
from fakeforensics.metrics.spec import ScoreSpec


class Toy(NetworkDetector):
    name: ClassVar = {name!r}
    label: ClassVar = "Toy"
    title: ClassVar = "a toy"
    sees: ClassVar = "reals"
    scores: ClassVar = tuple(ScoreSpec(**score) for score in {scores!r})

    def losses(self, images, output, labels):
        return output

    def read(self, images, output):
        return {{"score_toy": output}}
"""


def score(name="toy", label="S_T", column="score_toy", scale="real"):
    return {"name": name, "label": label, "title": "t", "column": column, "scale": scale}


SCORE = score()


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes the module `toy` where detectors are found."""
    monkeypatch.setattr(detectors, "__path__", [*detectors.__path__, str(tmp_path)])

    def write_module(name="toy", scores=(SCORE,)):
        (tmp_path / "toy.py").write_text(MODULE.format(name=name, scores=list(scores)))

    yield write_module
    sys.modules.pop("fakeforensics.detectors.toy", None)
    vars(detectors).pop("toy", None)


def test_a_module_is_a_detector(write):
    write()
    assert detector_names() == sorted(detector_names())
    assert {"bce", "deep_svdd", "joint", "oc_svm", "sad", "toy"} <= {*detector_names()}
    assert issubclass(detector_class("toy"), NetworkDetector)
    assert detector_class("toy").scores[0].column == "score_toy"


@pytest.mark.parametrize("name", ["bce", "deep_svdd", "joint", "oc_svm", "sad"])
def test_the_packages_own_detectors_are_sound(name):
    assert detector_class(name).name == name


def test_an_unknown_detector_lists_the_known_ones():
    with pytest.raises(UserError, match=r"'focal'(?s:.*)bce, (?s:.*)joint, (?s:.*)focal\.py"):
        detector_class("focal")


def test_a_module_without_its_detector_is_refused(write):
    write(name="other")
    with pytest.raises(UserError, match=r"toy\.py: does not define the detector 'toy'(?s:.*)0 of them"):
        detector_class("toy")


@pytest.mark.parametrize(
    "scores",
    [
        (),
        (score(), score(label="S_2", column="second")),
        (score(), score("second", column="second")),
        (score(), score("second", label="S_2")),
        # a logit's probability goes into `score_<name>`
        (score("toy", scale="logit", column="logit"), score("second", label="S_2", column="score_toy")),
        (score(column="score"),),
    ],
    ids=["none", "equal names", "equal labels", "equal columns", "column of a probability", "reserved"],
)
def test_scores_that_tables_could_not_tell_apart_are_refused(write, scores):
    write(scores=scores)
    with pytest.raises(UserError, match="the detector 'toy' does not declare its scores properly"):
        detector_class("toy")


@pytest.mark.parametrize("lambda_", [None, -0.1, float("nan"), float("inf"), "abc"])
def test_a_setting_out_of_range_is_refused(lambda_):
    with pytest.raises(UserError, match=r"settings of the detector 'joint': `lambda`"):
        build_detector("joint", Architecture(crop_size=32), {"lambda": lambda_})


def test_an_unknown_setting_is_refused():
    with pytest.raises(UserError, match=r"'bce': unknown key `lambda`"):
        build_detector("bce", Architecture(crop_size=32), {"lambda": 0.1})


def test_settings_reach_the_detector():
    assert build_detector("joint", Architecture(crop_size=32), {"lambda": 0.1}).settings.lambda_ == 0.1
    assert build_detector("deep_svdd", Architecture(crop_size=32), {}).settings.center == "init"
