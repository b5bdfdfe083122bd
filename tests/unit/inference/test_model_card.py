import shutil

import pytest
from scipy.stats import binom

from fakeforensics.inference.model_card import decision_text, model_card
from fakeforensics.inference.package import Package
from tests.unit.inference.conftest import make_model, make_package, rewrite


def test_the_card_holds_what_a_user_must_know(package):
    card = model_card(package, package.directory)
    assert "- `decision.json`: " in card
    assert "model.onnx" not in card  # it is not there
    assert "1,200 real, 300 pggan, 900 stargan" in card
    assert "not seen in training: strange" in card
    assert "| known | S_SL | 99.12 | 98.00 – 99.50 | yes |" in card
    assert "| strange | S_SL | 61.00 |  | no |" in card
    assert "Fake from 0.25 in S_SL, logit of the classifier, a probability of 56.2%: " in card  # σ(0.25)
    assert "not calibrated" in card
    assert "get_face_chip(size=96, padding=0.25)" in card
    assert "Demo model" not in card


def test_the_card_describes_every_score(package, toy):
    joint = model_card(package)
    assert "- `logit`: S_SL, logit of the classifier, any real number; `score_sl`: its sigmoid" in joint
    assert "- `score_cd`: S_CD, squared distance to the center, at least 0\n" in joint
    assert "*BCE+SAD*" in joint
    assert "real and fake images" in joint
    other = model_card(toy)
    assert "- `gap`: S_GAP, distance to a prototype, at least 0\n" in other
    assert "- `share`: S_SH, share of fake patches, in [0, 1]\n" in other
    assert "- `edge`: S_ED, distance beyond the edge, any real number\n" in other
    assert "*Toy* (three scores)" in other
    assert "real images alone" in other
    assert "S_SL" not in other


def test_the_card_of_a_training_folder_invents_nothing(tmp_path):
    card = model_card(Package(make_model(tmp_path / "m", crop="whole")))
    assert "No average precision was measured." in card
    assert "There is no threshold" in card
    assert "without resizing, padded with black" in card


def test_expected_errors_and_their_images_are_given(package, tmp_path):
    folder = shutil.copytree(package.directory, tmp_path / "m")
    measured_on = {"reals": 1200, "fakes": 80, "images": "validation"}
    rates = {"expected_fpr": 0.043, "expected_fnr": 0.2, "measured_on": measured_on}
    rewrite(folder, "decision.json", {"score": "cd", "threshold": 2.0, "chosen": "c"} | rates)
    text = decision_text(Package(folder))
    assert "Fake from 2 in S_CD" in text
    # Of 80 fakes 16 are missed. With a rate of 28.8% there would be 16 or fewer in 5% of cases.
    assert "reals called fake 4.3%, fakes called real 20.0% (upper limit 28.8%). Upper limits are" in text
    assert binom.cdf(16, 80, 0.288) == pytest.approx(0.05, abs=0.001)
    assert "1,200 real and 80 fake images" in text
    rates = {"expected_fpr": 0.05, "expected_fpr_upper": 0.0625, "measured_on": measured_on | {"fakes": 0}}
    rewrite(folder, "decision.json", {"score": "cd", "threshold": 2.0, "chosen": "c"} | rates)
    text = decision_text(Package(folder))
    assert "reals called fake 5.0% (upper limit 6.2%). Upper limits are one-sided, 95%." in text
    assert "1,200 real and 0 fake images (validation). Without fakes nothing could be calibrated" in text


def test_a_threshold_for_some_files_is_said_to_hold_for_these_alone(package, tmp_path):
    folder = shutil.copytree(package.directory, tmp_path / "m")
    adapted = {"known_reals": 50, "scores": 800, "fake_share": 0.3, "fake_share_interval": [0.2, 0.4]}
    policy = {"score": "sl", "threshold": 2.0, "chosen": "c", "adapted": adapted | {"fallback": ""}}
    rewrite(folder, "decision.json", policy)
    text = decision_text(Package(folder))
    assert "these files alone" in text
    assert "30%, 95% interval 20.0% to 40.0%" in text


RATIO = {"kind": "logistic", "slope": 0.5, "intercept": -1.0, "lower": -1.25, "upper": 1.5}


def test_the_card_says_what_the_likelihood_ratio_is_worth(package, tmp_path):
    folder = shutil.copytree(package.directory, tmp_path / "m")
    policy = {"score": "sl", "threshold": 2.0, "chosen": "c"}
    rewrite(folder, "decision.json", policy | {"likelihood_ratio": RATIO | {"reals": 64, "fakes": 80}})
    costs = {"cllr": {"sl": {"validation": 0.1, "mean_unseen": 1.25}}}
    rewrite(folder, "metrics.json", costs | {"cllr_min": {"sl": {"validation": 0.05, "mean_unseen": 0.7}}})
    card = model_card(Package(folder))
    assert "64 groups of real and 80 groups of fake" in card
    assert "from -1.25 to 1.50" in card
    assert "| validation | 0.100 | 0.050 |\n| mean over unseen | 1.250 | 0.700 |" in card


def test_the_card_says_why_there_is_no_likelihood_ratio(package, tmp_path):
    assert "There is no likelihood ratio: this package was made before" in model_card(package)
    folder = shutil.copytree(package.directory, tmp_path / "m")
    policy = {"score": "sl", "threshold": 2.0, "chosen": "c", "no_likelihood_ratio": "no fakes here"}
    rewrite(folder, "decision.json", policy)
    assert "There is no likelihood ratio: no fakes here." in model_card(Package(folder))


def test_the_demos_card_warns(package, tmp_path):
    folder = shutil.copytree(package.directory, tmp_path / "m")
    rewrite(folder, "package.json", {"title": "t", "demo": True})
    assert "> Demo model: " in model_card(Package(folder))


def test_nothing_is_claimed_of_training_elsewhere(tmp_path):
    model = make_model(tmp_path / "models/p/external", "external", own={"onnx": "their.onnx"})
    results = {"metrics.json": {"ap": {"ext": {"known": 0.9, "strange": 0.6, "mean": 0.75}}}}
    package = make_package(tmp_path / "packages/p/external", model, results, unseen=("strange",), demo=True)
    card = model_card(package)
    assert "not seen in training: strange" not in card
    assert "| known | S_EXT | 90.00 |  |  |" in card  # neither yes nor no
    assert "trained on synthetic faces" not in card
    assert "> Demo package: " in card
