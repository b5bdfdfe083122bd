"""Whether the demo's recorded results still make sense: the science broken in one place shows here.

The bounds lie below what three seeds gave (docs/systems.md), and far from what a fault would give: every test
set is half fakes or nearly, so chance is 0.5, and scores with the wrong sign come out below it.
"""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEEN = ("pggan_celeba", "stargan_celeba", "celeb_df")
UNSEEN = ("stylegan_ffhq", "faceapp_ffhq", "san")


def ap(detector, score):
    return json.loads((ROOT / f"metrics/demo/{detector}.json").read_text())["ap"][score]


@pytest.mark.parametrize(
    ("detector", "score", "least"),
    [
        ("bce", "sl", 0.85),
        ("joint", "sl", 0.9),
        ("joint", "cd", 0.9),  # a center that is not the reals' would be as far from both classes
        ("sad", "cd", 0.75),
    ],
)
def test_seen_methods_are_found(detector, score, least):
    assert min(ap(detector, score)[name] for name in SEEN) > least


@pytest.mark.parametrize(("detector", "score"), [("bce", "sl"), ("joint", "sl"), ("joint", "cd")])
def test_unseen_methods_are_harder_than_seen_ones_and_not_guessed(detector, score):
    found = ap(detector, score)
    seen, unseen = (sum(found[name] for name in names) / 3 for names in (SEEN, UNSEEN))
    # Unseen as good as seen would say that training has seen them.
    assert 0.6 < unseen < seen - 0.02
