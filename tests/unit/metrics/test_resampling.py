"""Which groups are drawn together."""

import numpy as np
import pandas as pd
import pytest

from fakeforensics.metrics.bootstrap import BLOCK, multinomial, resample_groups


def table(*rows: tuple[str, str, int, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["key", "test_set", "label", "group"])


def test_shared_reals_get_one_weight_in_both_sets() -> None:
    # CRN and IMLE share their reals r1, r2: one image, two rows, one draw.
    rows = table(
        ("r1", "crn", 0, "r1"),
        ("r2", "crn", 0, "r2"),
        ("c1", "crn", 1, "c1"),
        ("r1", "imle", 0, "r1"),
        ("r2", "imle", 0, "r2"),
        ("i1", "imle", 1, "i1"),
    )
    resampling = resample_groups(rows, 0)
    assert resampling.groups == 4
    weights = np.stack([resampling.draw(number)[resampling.unit] for number in range(20)])
    assert np.array_equal(weights[:, :2], weights[:, 3:5])
    # Three strata: reals of both sets, fakes of each; the two with a single group cannot vary.
    assert np.all(weights[:, [2, 5]] == 1)
    assert np.all(weights[:, :2].sum(axis=1) == 2)
    assert weights[:, 0].min() == 0


def test_every_replicate_keeps_both_classes() -> None:
    rows = table(*[(f"r{i}", "a", 0, "") for i in range(3)], *[(f"f{i}", "a", 1, "") for i in range(2)])
    resampling = resample_groups(rows, 1)
    for number in range(50):
        weights = resampling.draw(number)[resampling.unit]
        assert weights[:3].sum() == 3
        assert weights[3:].sum() == 2


def test_edits_are_drawn_with_their_originals() -> None:
    rows = table(("r1", "a", 0, "g1"), ("f1", "a", 1, "g1"), ("r2", "a", 0, "g2"), ("f2", "a", 1, "g2"))
    resampling = resample_groups(rows, 0)
    weights = np.stack([resampling.draw(number)[resampling.unit] for number in range(10)])
    assert np.array_equal(weights[:, [0, 2]], weights[:, [1, 3]])


def test_a_draw_is_the_same_whenever_it_is_made() -> None:
    resampling = resample_groups(table(*[(str(i), "a", i % 2, "") for i in range(50)]), 7)
    first = resampling.draw(3)
    resampling.draw(4)
    assert np.array_equal(first, resampling.draw(3))
    assert not np.array_equal(first, resampling.draw(4))


@pytest.mark.parametrize("size", [1, 7, BLOCK, BLOCK + 1, 3 * BLOCK + 5])
def test_multinomial_draws_as_many_as_there_are(size: int) -> None:
    counts = multinomial(size, np.random.default_rng(0))
    assert counts.shape == (size,)
    assert counts.sum() == size


def test_multinomial_is_uniform_over_blocks_and_rest() -> None:
    # Each count is nearly Poisson with mean 1; means over the parts are within four standard errors of it.
    size = 2 * BLOCK + 20_000
    counts = multinomial(size, np.random.default_rng(1))
    assert counts.var() == pytest.approx(1.0, abs=0.02)
    for part in (counts[:BLOCK], counts[BLOCK : 2 * BLOCK], counts[2 * BLOCK :]):
        assert part.mean() == pytest.approx(1.0, abs=4 / np.sqrt(part.size))
