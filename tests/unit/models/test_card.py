import json

import pytest

from fakeforensics.errors import UserError
from fakeforensics.models.card import FORMAT, Architecture, detector_card, read_card
from tests.score_specs import SCORES

ABOUT = {
    "name": "joint",
    "label": "BCE+SAD",
    "title": "both",
    "sees": "reals+fakes",
    "settings": {"lambda": 0.01, "center": "epoch"},
    "architecture": {"backbone": "resnet18", "stem": "standard", "code": "pooled", "crop_size": 224},
    "scores": [score.model_dump(mode="json") for score in SCORES["joint"]],
}
CARD = {"format": FORMAT, "weights_sha256": "f" * 64, "detector": ABOUT}


def read(folder, card):
    (folder / "model.json").write_text(card if isinstance(card, str) else json.dumps(card))
    return read_card(folder)


def test_a_card_says_what_the_detector_is(tmp_path):
    about = detector_card(read(tmp_path, CARD | {"more": 1}))
    assert about.scores == SCORES["joint"]
    assert about.architecture == Architecture()
    assert about.model_dump(mode="json") == ABOUT


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "not a JSON object"),
        (CARD | {"format": FORMAT | {"version": 9}}, "another format"),
        (
            CARD | {"format": FORMAT | {"version": 1}, "objective": "joint"},
            r"another format(?s:.*)'version': 2(?s:.*)'version': 1(?s:.*)train the model again",
        ),
        ({"format": FORMAT, "weights_sha256": "f"}, r"model\.json: detector"),
        (CARD | {"detector": ABOUT | {"scores": []}}, "`scores`"),
        (CARD | {"detector": ABOUT | {"scores": [{"scale": ["logit"]}]}}, r"`scores\.0\.scale`"),
        (CARD | {"detector": ABOUT | {"sees": "all"}}, "`sees`"),
        (CARD | {"detector": ABOUT | {"architecture": {"depth": 18}}}, "unknown key `architecture.depth`"),
        ({"format": FORMAT, "detector": ABOUT}, "`weights_sha256` is missing"),
    ],
)
def test_foreign_cards_are_refused_with_their_path(tmp_path, card, message):
    with pytest.raises(UserError, match=message) as raised:
        read(tmp_path, card)
    assert str(tmp_path / "model.json") in str(raised.value)


def test_a_missing_card_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere.model\.json: no such file"):
        read_card(tmp_path / "nowhere")
