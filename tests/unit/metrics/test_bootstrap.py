"""Which groups are drawn together, and the weighted bootstrap against scikit-learn on the images drawn."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from fakeforensics.metrics.bootstrap import (
    BLOCK,
    CHUNK,
    GroupSums,
    Resampling,
    interval,
    is_moved,
    multinomial,
    replicate,
    resample_groups,
    two_sided_p,
    weighted_ranking,
)
from fakeforensics.metrics.ranking import rank


def make_table(rng: np.random.Generator, images: int, groups: int, ties: bool) -> pd.DataFrame:
    label = np.append([0, 1], rng.integers(0, 2, images - 2))
    score = rng.normal(size=images) + label
    return pd.DataFrame(
        {
            "key": [f"i{number}" for number in range(images)],
            "test_set": "stargan",
            "label": label,
            "group": [f"g{number}" for number in rng.integers(0, groups, images)],
            "logit": np.round(score) if ties else score,
        }
    )


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 60), st.integers(1, 30), st.booleans())
def test_equals_scikit_learn_on_the_drawn_images(seed: int, images: int, groups: int, ties: bool) -> None:
    table = make_table(np.random.default_rng(seed), images, groups, ties)
    resampling = resample_groups(table, seed)
    score, label = table["logit"].to_numpy(), table["label"].to_numpy()
    weighted = weighted_ranking(rank(score, label), resampling.unit)
    for number in range(3):
        counts = resampling.draw(number)
        drawn = np.repeat(np.arange(images), counts[resampling.unit])
        assert weighted.average_precision(counts) == pytest.approx(
            average_precision_score(label[drawn], score[drawn]), abs=1e-12
        )
        assert weighted.roc_auc(counts) == pytest.approx(roc_auc_score(label[drawn], score[drawn]), abs=1e-12)


def test_result_does_not_depend_on_the_threads() -> None:
    table = make_table(np.random.default_rng(1), 200, 40, ties=False)
    resampling = resample_groups(table, 3)
    ranking = rank(table["logit"].to_numpy(), table["label"].to_numpy())
    statistic = weighted_ranking(ranking, resampling.unit).average_precision
    one = replicate(resampling, [statistic], 50, workers=1)
    assert np.array_equal(one, replicate(resampling, [statistic], 50, workers=4))


def test_one_weight_is_counted_by_hand() -> None:
    # Descending: fake (group 0), real (group 1), fake (group 2); group 2 drawn twice, group 0 not at all.
    weighted = weighted_ranking(rank(np.array([3.0, 2.0, 1.0]), np.array([1, 0, 1])), np.array([0, 1, 2]))
    # Drawn: real at 2, two fakes at 1: one step to recall 1 at precision 2/3; the real beats both.
    assert weighted.average_precision(np.array([0, 1, 2])) == pytest.approx(2 / 3)
    assert weighted.roc_auc(np.array([0, 1, 2])) == 0.0


def test_sums_are_those_of_the_drawn_groups_whenever_they_are_asked_for() -> None:
    resampling = resample_groups(make_table(np.random.default_rng(2), 40, 9, ties=False), 3)
    drawn = GroupSums(resampling, CHUNK + 1)  # one draw more than are summed at a time
    values = np.arange(2 * resampling.groups, dtype=np.float32).reshape(-1, 2)
    places = (np.arange(resampling.groups), np.array([0, 2, 3]))  # adjacent numbers, and not
    asked = [(units, drawn.ask(units, values[units])) for units in places]
    # The first answer draws for both questions; a later question has the same draws.
    asked[0][1]()
    asked.append((np.array([1]), drawn.ask(np.array([1]), values[[1]])))
    for units, sums in asked:
        expected = [resampling.draw(number)[units] @ values[units] for number in range(CHUNK + 1)]
        assert np.array_equal(sums(), expected)


def test_interval_covers_the_true_auc_at_its_level() -> None:
    # Normal scores one standard deviation apart: AUC = Φ(1 / √2) = 0.7602.
    truth, inside = 0.7602, 0
    rng = np.random.default_rng(5)
    for number in range(200):
        score = np.concatenate([rng.normal(0, 1, 60), rng.normal(1, 1, 60)])
        label = np.repeat([0, 1], 60)
        resampling = Resampling(np.arange(120), np.array([0, 60, 120]), number)
        statistic = weighted_ranking(rank(score, label), resampling.unit).roc_auc
        low, high = interval(replicate(resampling, [statistic], 100, workers=1)[:, 0])
        inside += low <= truth <= high
    # 95% of 200, less three standard errors (0.015 each) and the percentile method's shortfall of about 2%.
    assert inside / 200 >= 0.95 - 3 * 0.015 - 0.02


def test_grouped_images_give_a_wider_interval() -> None:
    # Each video's frames are duplicates: 400 images hold the information of 40.
    rng = np.random.default_rng(2)
    label = np.repeat(rng.integers(0, 2, 40), 10)
    table = pd.DataFrame(
        {
            "key": [str(number) for number in range(400)],
            "test_set": "celeb_df",
            "label": label,
            "group": np.repeat([f"v{number}" for number in range(40)], 10),
        }
    )
    score = np.repeat(rng.normal(size=40), 10) + label
    width = {}
    for name, rows in {"video": table, "image": table.assign(group="")}.items():
        resampling = resample_groups(rows, 0)
        statistic = weighted_ranking(rank(score, label), resampling.unit).average_precision
        low, high = interval(replicate(resampling, [statistic], 300)[:, 0])
        width[name] = high - low
    assert width["video"] > 2 * width["image"]  # √10 in the limit


def test_an_interval_that_misses_its_estimate_is_moved_to_it() -> None:
    # 101 replicates, 0.300, 0.301, … 0.400: percentiles 0.3025 and 0.3975, median 0.35.
    values = np.linspace(0.3, 0.4, 101)
    for held in (None, 0.31, 0.3025, 0.3975):
        assert interval(values, held) == pytest.approx((0.3025, 0.3975))
    assert not is_moved(values, 0.31)
    # 0.35 comes to lie at 0.25: everything moves by 0.1; likewise upward.
    assert interval(values, 0.25) == pytest.approx((0.2025, 0.2975))
    assert interval(values, 0.45) == pytest.approx((0.4025, 0.4975))
    assert is_moved(values, 0.25)
    assert is_moved(values, 0.45)
    # By 0.34 to −0.0375 and 0.0575, but no replicate is below 0. A difference may be.
    assert interval(values, 0.01) == pytest.approx((0, 0.0575))
    assert interval(values - 0.5, -0.49) == pytest.approx((-0.5375, -0.4425))
    # Sums in another order are no bias.
    assert not is_moved(np.ones(9), 1 - 1e-12)


def test_p_value_counts_both_sides() -> None:
    # 99 draws, 4 of them at or below zero: 2 · (1 + 4) / 100.
    differences = np.append(np.full(95, 0.1), np.full(4, -0.1))
    assert two_sided_p(differences) == pytest.approx(0.10)
    assert two_sided_p(-differences) == pytest.approx(0.10)
    assert two_sided_p(np.zeros(9)) == 1.0


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
