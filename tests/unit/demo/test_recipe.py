from fakeforensics.demo.recipe import Recipe


def test_scale_1_changes_nothing() -> None:
    assert Recipe().scaled(1.0) == Recipe()


def test_half_the_scale_makes_half_as_many() -> None:
    half = Recipe().scaled(0.5)
    assert half.celeba == (64, 12, 32)
    assert half.whole == 24
    assert half.celebrities == 6


def test_people_come_in_pairs_and_the_least_is_kept() -> None:
    for scale in (0.001, 0.3, 0.7, 1.3, 3.0):
        recipe = Recipe().scaled(scale)
        assert recipe.celebrities % 2 == recipe.test_celebrities % 2 == 0
        assert 2 <= recipe.test_celebrities <= recipe.celebrities - 4
        assert min(*recipe.celeba, *recipe.ffhq) >= 4
        assert recipe.whole >= 8
