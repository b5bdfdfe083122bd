from dataclasses import replace

import numpy as np
import pytest

from fakeforensics.demo.identity import draw_identity
from fakeforensics.demo.paint import paint
from fakeforensics.demo.portrait import load_atlas

IDENTITY = replace(draw_identity(np.random.default_rng(0)), beard=0.0, freckles=0.0, mirrored=False)


def mean_colour(rgb: np.ndarray, region: str) -> np.ndarray:
    mask = load_atlas().masks[region] > 0.95
    return rgb[mask].mean(axis=0)


@pytest.mark.parametrize("hair", [(0.2, 0.13, 0.09), (0.66, 0.51, 0.31)])
def test_hair_takes_the_wanted_mean_colour(hair: tuple[float, float, float]) -> None:
    assert mean_colour(paint(replace(IDENTITY, hair=hair)), "hair") == pytest.approx(hair, abs=0.05)


def test_skin_is_darkened_by_its_factors() -> None:
    light, dark = (
        mean_colour(paint(replace(IDENTITY, skin=skin)), "skin")
        for skin in ((1.0, 1.0, 1.0), (0.5, 0.4, 0.3))
    )
    assert dark / light == pytest.approx([0.5, 0.4, 0.3], rel=0.05)


def test_a_beard_changes_the_beard_alone() -> None:
    shaven, bearded = paint(IDENTITY), paint(replace(IDENTITY, beard=1.0))
    beard = load_atlas().masks["beard"]
    assert np.abs(shaven - bearded)[beard == 0].max() < 1e-3
    assert (shaven - bearded)[beard > 0.9].mean() > 0.05


def test_colours_stay_in_range() -> None:
    for seed in range(5):
        rgb = paint(draw_identity(np.random.default_rng(seed)))
        assert rgb.dtype == np.float32
        assert (rgb.min(), rgb.max()) >= (0, 0)
        assert rgb.max() <= 1
