import numpy as np

from fakeforensics.demo.identity import SHAPE_NAMES, draw_identity


def test_the_same_state_draws_the_same_person() -> None:
    first, second = (draw_identity(np.random.default_rng(3)) for _ in range(2))
    assert first == second
    assert draw_identity(np.random.default_rng(4)) != first


def test_people_stay_within_human_limits() -> None:
    for seed in range(50):
        person = draw_identity(np.random.default_rng(seed))
        assert set(person.shape) == set(SHAPE_NAMES)
        assert max(map(abs, person.shape.values())) <= 1
        assert all(0 < value < 1.1 for value in person.skin)
        assert all(0 < value < 1 for value in (*person.hair, *person.clothes))
        assert all(0 <= value <= 1 for value in (person.brows, person.lips, person.beard, person.blush))


def test_about_half_of_the_people_are_mirrored() -> None:
    mirrored = sum(draw_identity(np.random.default_rng(seed)).mirrored for seed in range(200))
    assert 70 < mirrored < 130  # 100 expected, deviation 7
