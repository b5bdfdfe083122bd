import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakeforensics.models.svdd_dual import solve_ball


def linear(points):
    return points @ points.T


def test_two_points_span_the_ball():
    # the smallest ball around 0 and 4 on a line has its center at 2 and radius 2
    points = np.array([[0.0], [4.0]])
    ball = solve_ball(linear(points), np.ones(2), np.ones(2))
    assert ball.converged
    assert ball.weights == pytest.approx([0.5, 0.5])
    assert (ball.center_square, ball.radius_square) == pytest.approx((4.0, 4.0))


def test_a_point_within_has_no_weight():
    # 1 lies in the ball around 0 and 4 and changes nothing
    ball = solve_ball(linear(np.array([[1.0], [0.0], [4.0]])), np.ones(3), np.ones(3))
    assert ball.weights == pytest.approx([0.0, 0.5, 0.5], abs=1e-8)


def test_at_the_least_bound_every_point_has_the_same_weight():
    # ν = 1: C = 1/n, so all weights are 1/n and the center is the mean, 4; no point lies on the surface
    points = np.array([[0.0], [3.0], [9.0]])
    ball = solve_ball(linear(points), np.ones(3), np.full(3, 1 / 3))
    assert ball.converged
    assert ball.weights == pytest.approx([1 / 3] * 3)
    assert ball.center_square == pytest.approx(16.0)


def test_a_fake_pushes_the_center_away():
    # Reals at 0 and 4, a fake at 3, and weights of the fake up to C₂ = 0.1. β = (β₀, β₁, −γ), Σβ = 1, so
    # a = 4β₁ − 3γ. The dual is Σ β_i x_i² − a² = 16β₁ − 9γ − (4β₁ − 3γ)². By β₁: 16 = 8a, a = 2. By γ at
    # a = 2: −9 + 6a = 3 > 0, so γ = 0.1 and β₁ = (2 + 0.3)/4 = 0.575. The reals are 2 away, on the surface.
    points = np.array([[0.0], [4.0], [3.0]])
    ball = solve_ball(linear(points), np.array([1.0, 1.0, -1.0]), np.array([1.0, 1.0, 0.1]))
    assert ball.weights == pytest.approx([0.525, 0.575, -0.1])
    assert ball.center_square == pytest.approx(4.0)
    assert ball.radius_square == pytest.approx(4.0)


def test_bounds_that_cannot_sum_to_one_are_refused():
    with pytest.raises(ValueError, match="less than 1"):
        solve_ball(np.eye(2), np.ones(2), np.full(2, 0.4))


@given(st.integers(0, 1000), st.floats(0.05, 1.0), st.floats(0.05, 1.0))
def test_the_optimality_conditions_hold(seed, nu, nu_fakes):
    random = np.random.default_rng(seed)
    points, signs = random.normal(size=(30, 3)), np.where(np.arange(30) < 20, 1.0, -1.0)
    bounds = np.where(signs > 0, 1 / (nu * 20), 1 / (nu_fakes * 10))
    gram = np.exp(-0.5 * np.square(points[:, None] - points).sum(axis=2))
    ball = solve_ball(gram, signs, bounds)
    assert ball.weights.sum() == pytest.approx(1.0)
    assert (ball.weights * signs >= -1e-12).all()
    assert (np.abs(ball.weights) <= bounds + 1e-12).all()
    beyond = 1 - 2 * gram @ ball.weights + ball.center_square - ball.radius_square
    slack = np.abs(ball.weights) < bounds - 1e-9
    used = np.abs(ball.weights) > 1e-9
    # a real with room to its bound is not outside, a fake with room is not inside; the weighted ones the
    # other way round
    assert (signs * beyond)[slack].max(initial=-1.0) <= 1e-6
    assert (signs * beyond)[used].min(initial=1.0) >= -1e-6
