import shutil

import pytest

from fakeforensics.files import write_json
from fakeforensics.inference.catalogue import list_models
from fakeforensics.inference.facts import is_demo, measured, training_images, unseen_sets
from fakeforensics.inference.judgement import Policy
from fakeforensics.inference.modelcard import decision_text, model_card
from fakeforensics.inference.trained import Trained
from fakeforensics.thresholds.policy import Decision
from tests.score_specs import CD
from tests.unit.inference.conftest import TOY, make_model


def test_facts_are_gathered_from_card_metrics_and_protocol(trained):
    assert training_images(trained) == {"real": 1200, "pggan": 300, "stargan": 900}
    assert unseen_sets(trained) == ["strange"]
    known, strange, mean, mean_unseen = measured(trained)
    assert (known.ap, known.interval) == (pytest.approx(99.12), (98.0, 99.5))
    assert not known.unseen
    assert (strange.ap, strange.interval, strange.unseen) == (61.0, None, True)
    assert [mean.unseen, mean_unseen.unseen] == [False, True]


def test_the_card_says_what_a_user_must_know(trained):
    card = model_card(trained, {"model.onnx": "the network"})
    assert "1,200 real, 300 pggan, 900 stargan" in card
    assert "Never seen in training, but tested: strange" in card
    assert "| known | S_SL | 99.12 | 98.00 – 99.50 | yes |" in card
    assert "| strange | S_SL | 61.00 |  | no |" in card
    assert "Fake at or above 0.25 in S_SL, logit of the classifier" in card
    assert "get_face_chip(size=96, padding=0.25)" in card
    assert "What its answer does not mean" in card
    assert "Demo model" not in card


def test_the_card_describes_every_score(trained, toy):
    joint = model_card(trained, {})
    assert "- `logit`: S_SL, logit of the classifier, any real number; `score_sl`: its sigmoid" in joint
    assert "- `score_cd`: S_CD, squared distance to the center, at least 0\n" in joint
    assert "*BCE+SAD*" in joint
    assert "real and fake images" in joint
    other = model_card(toy, {})
    assert "- `gap`: S_GAP, distance to a prototype, at least 0\n" in other
    assert "- `share`: S_SH, share of fake patches, in [0, 1]\n" in other
    assert "- `edge`: S_ED, distance beyond the edge, any real number\n" in other
    assert "*Toy* (three scores)" in other
    assert "trained on real images alone" in other
    assert "S_SL" not in other
    decision = Decision(score="share", threshold=0.5, chosen="c")
    assert "Fake at or above 0.5 in S_SH" in decision_text(Policy(decision, TOY))


def test_measured_scores_are_called_by_their_labels(toy, tmp_path):
    folder = tmp_path / "models/p/toy"
    shutil.copytree(toy.directory, folder)
    ap = {"share": {"a": 0.5, "mean": 0.5}, "gap": {"a": 0.25, "mean": 0.25}}
    write_json(tmp_path / "metrics/p/toy.json", {"ap": ap})
    assert [(row.score, row.ap) for row in measured(Trained(folder))] == [
        *(("S_SH", 50.0), ("S_SH", 50.0), ("S_GAP", 25.0), ("S_GAP", 25.0))
    ]
    (entry,) = list_models(tmp_path / "models")
    assert entry.ap == {"S_SH": (50.0, None), "S_GAP": (25.0, None)}


def test_a_copy_without_measurements_says_so(tmp_path):
    card = model_card(Trained(make_model(tmp_path / "m", crop="whole")), {})
    assert "Not evaluated: no metrics are at hand." in card
    assert "There is no threshold" in card
    assert "without resizing, padded with black" in card


def test_expected_errors_are_told():
    decision = Decision(score="cd", threshold=2.0, chosen="c", expected_fpr=0.043, expected_fnr=0.2)
    text = decision_text(Policy(decision, (CD,)))
    assert "Fake at or above 2 in S_CD" in text
    assert "reals called fake 4.3 %, fakes called real 20.0 %" in text


def test_the_demos_models_are_labelled(trained, tmp_path):
    assert not is_demo(trained)
    folder = make_model(tmp_path / "models/demo/joint")
    card = (folder / "model.json").read_text().replace('"src"', '"demo_celeb_df"')
    (folder / "model.json").write_text(card)
    assert is_demo(Trained(folder))
    assert all(entry.is_demo for entry in list_models(folder.parents[1]))
    assert "Demo model: " in model_card(Trained(folder), {})


def test_the_list_of_models_has_their_precision_and_the_damaged_ones(project, trained, tmp_path):
    (entry,) = list_models(project / "models")
    assert entry.ap == {"S_SL": pytest.approx((80.06, 61.0))}
    assert (entry.crop, entry.is_demo) == ("faces", False)
    broken = tmp_path / "models/x/bce"
    broken.mkdir(parents=True)
    (broken / "model.json").write_text("{}")
    (entry,) = list_models(tmp_path / "models")
    assert "not the card of a detector" in entry.problem
    assert list_models(tmp_path / "nowhere") == []
