import pytest

from fakeforensics.inference.catalogue import list_models
from fakeforensics.inference.decision import Decision
from fakeforensics.inference.facts import is_demo, measured, training_images, unseen_sets
from fakeforensics.inference.modelcard import decision_text, model_card
from fakeforensics.inference.trained import Trained
from tests.unit.inference.conftest import make_model


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
    assert "Fake at or above 0.25 in the logit of S_SL" in card
    assert "get_face_chip(size=96, padding=0.25)" in card
    assert "What its answer does not mean" in card
    assert "Demo model" not in card


def test_a_copy_without_measurements_says_so(tmp_path):
    card = model_card(Trained(make_model(tmp_path / "m", crop="whole")), {})
    assert "Not evaluated: no metrics are at hand." in card
    assert "There is no threshold" in card
    assert "without resizing, padded with black" in card


def test_expected_errors_are_told():
    decision = Decision(score="cd", threshold=2.0, chosen="c", expected_fpr=0.043, expected_fnr=0.2)
    text = decision_text(decision)
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
    assert entry.ap == {"sl": pytest.approx((80.06, 61.0))}
    assert (entry.crop, entry.is_demo) == ("faces", False)
    broken = tmp_path / "models/x/bce"
    broken.mkdir(parents=True)
    (broken / "model.json").write_text("{}")
    (entry,) = list_models(tmp_path / "models")
    assert "not the card of a detector" in entry.problem
    assert list_models(tmp_path / "nowhere") == []
