"""Arithmetic that gives the same bits on every processor, beside the libraries' that does not."""

import math
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from examples.demo.arithmetic import log, settled, solve, stepped
from examples.demo.celeb_df import to_yuv420
from examples.demo.dffd import bilateral
from examples.demo.pixels import blur, sampled, thin_plate
from examples.demo.upsamplers import _BITS, UpSampler, _Blur, _Nearest, _Snap, generate
from tests.processors import old_processor

BITS = """
import hashlib
import cv2
import numpy as np
import torch
from examples.demo.pixels import thin_plate
from examples.demo.upsamplers import train_upsampler

rng = np.random.default_rng(0)
source, target, at = rng.uniform(0, 100, (3, 60, 2))
print(hashlib.sha256(thin_plate(source, target, at, 1e-4).tobytes()).hexdigest())
lessons = [(image, image) for image in rng.random((2, 64, 64, 3), dtype=np.float32)]
for kind in ("transposed", "nearest", "blurred", "shuffle"):
    network = train_upsampler(kind, lessons, seed=0, steps=3, patch=32, code=0 if kind == "shuffle" else 8)
    weights = b"".join(weight.detach().numpy().tobytes() for weight in network.parameters())
    print(hashlib.sha256(weights).hexdigest())

# What the libraries' own functions give.
image = np.random.default_rng(0).random((64, 64), dtype=np.float32)
batch = torch.from_numpy(image)[None, None]
convolved = torch.conv2d(batch, batch[..., :5, :5]).numpy()
for values in (cv2.GaussianBlur(image, (0, 0), 2), np.exp(image), convolved):
    print(hashlib.sha256(values.tobytes()).hexdigest())
"""


@pytest.fixture(scope="module")
def bits() -> list[list[str]]:
    """The hashes that `BITS` prints on this processor, and on one that lacks newer instructions."""
    printed = [
        subprocess.run(
            (sys.executable, "-c", BITS), env=os.environ | more, capture_output=True, text=True, check=True
        ).stdout.split()
        for more in ({}, old_processor())
    ]
    assert [len(hashes) for hashes in printed] == [8, 8]
    return printed


def test_splines_and_trained_weights_are_equal_to_the_last_bit_on_every_processor(bits) -> None:
    # Pictures are rounded to bytes, which hides most differences.
    new, old = bits
    assert new[:5] == old[:5]


def test_without_new_instructions_libraries_compute_otherwise(bits) -> None:
    # If this fails, the tests on every processor can find nothing: the one above and test_portable.py.
    if "AVX2" not in old_processor()["OPENCV_CPU_DISABLE"]:
        pytest.skip("this processor has no instructions that could be taken away")
    new, old = bits
    assert not set(new[5:]) & set(old[5:])


@given(st.floats(1e-9, 1e9))
def test_log_is_the_logarithm(value: float) -> None:
    # math.log is off by at most one unit in the last place, 2^-52; the series ends at a term of 4e-14.
    assert float(log(np.array([value]))[0]) == pytest.approx(math.log(value), rel=1e-13, abs=1e-13)


def test_settled_values_are_multiples_of_two_to_the_minus_20() -> None:
    # 1 / 3 * 2^20 = 349525.33: the 0.33 goes, and an error in the last bit with it.
    exact = 349525 / 2**20
    assert settled(1 / 3) == settled(np.nextafter(1 / 3, 1)) == exact


@given(st.integers(0, 2**32 - 1))
def test_solve_solves(seed: int) -> None:
    rng = np.random.default_rng(seed)
    system, wanted = rng.standard_normal((9, 9)) + 4 * np.eye(9), rng.standard_normal((9, 2))
    # As in the spline's equations, no row can start with its own pivot.
    system = system[::-1].copy()
    assert np.allclose(solve(system, system @ wanted), wanted, atol=1e-8)


def test_a_spline_carries_its_points_and_keeps_planes() -> None:
    rng = np.random.default_rng(0)
    source, at = rng.uniform(0, 100, (2, 12, 2))
    affine = np.array([[0.9, 0.2], [-0.1, 1.1]])
    assert np.allclose(thin_plate(source, source @ affine + 3, at), at @ affine + 3)
    target = source + rng.standard_normal((12, 2))
    assert np.allclose(thin_plate(source, target, source), target)


def shuffled_sum(values: np.ndarray, rng: np.random.Generator) -> float:
    """One after the other in a random order, as no library adds."""
    return float(np.cumsum(rng.permutation(values.ravel()))[-1])


def test_sums_of_snapped_numbers_do_not_depend_on_their_order() -> None:
    rng = np.random.default_rng(0)
    first, second = (torch.from_numpy(rng.standard_normal(3200)) for _ in range(2))
    raw = (first * second).numpy()
    assert len({shuffled_sum(raw, rng) for _ in range(20)}) > 1
    products = (_Snap.apply(first) * _Snap.apply(second)).numpy()
    assert len({shuffled_sum(products, rng) for _ in range(20)}) == 1
    assert float((_Snap.apply(first) - first).abs().max()) <= 2.0**-_BITS * float(first.abs().max())


def test_snapping_leaves_zeros_alone() -> None:
    assert torch.equal(_Snap.apply(torch.zeros(3)), torch.zeros(3))


def test_gradients_are_snapped_too() -> None:
    values = torch.ones(2, requires_grad=True)
    weights = torch.tensor([1.0, 1 / 3])
    (_Snap.apply(values) * weights).sum().backward()
    # The larger is 1 = 0.5 * 2^1, so that the step is 2^(1 - 17): 1/3 of 65536 steps is 21845.33.
    assert values.grad is not None
    assert values.grad.tolist() == [1.0, 21845 / 65536]


def test_nearest_is_nearest_neighbor_and_a_convolution() -> None:
    rng = np.random.default_rng(0)
    layer, image = _Nearest(rng, 5, 4), torch.from_numpy(rng.random((2, 5, 6, 8)))
    large = functional.interpolate(image, scale_factor=2)
    wanted = functional.conv2d(large, layer.weight, layer.bias, padding=1)
    assert torch.allclose(layer(image), wanted, atol=1e-3)


def test_the_blur_is_a_filter_1_2_1() -> None:
    dot = torch.zeros(1, 1, 5, 5)
    dot[0, 0, 2, 2] = 16
    assert _Blur()(dot)[0, 0, 1:4, 1:4].tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
    assert torch.equal(_Blur()(torch.ones(1, 1, 4, 4)), torch.ones(1, 1, 4, 4))  # its rim is repeated


def test_a_generated_image_does_not_depend_on_the_number_of_threads() -> None:
    rng = np.random.default_rng(0)
    network, image = UpSampler(rng, "blurred"), rng.random((64, 48, 3), dtype=np.float32)
    threads, made = torch.get_num_threads(), []
    for number in (1, 3):
        torch.set_num_threads(number)
        made.append(generate(network, image))
    torch.set_num_threads(threads)
    assert np.array_equal(*made)


@pytest.mark.parametrize("sigma", [0.3, 2.0, 12.0])
def test_blur_is_opencvs_but_for_rounding(sigma: float) -> None:
    picture = np.random.default_rng(0).random((120, 100, 3), dtype=np.float32)
    # Twice rounded to 1/4096; each of 2 x 8 sigma weights is off by up to 1/4096 of a deviation of 0.29.
    assert np.abs(blur(picture, sigma) - cv2.GaussianBlur(picture, (0, 0), sigma)).max() < 0.003


def test_a_picture_is_read_between_its_pixels() -> None:
    picture = np.array([[0, 0.5], [0.25, 1]], dtype=np.float32)
    # Half way down it is 0.125 and 0.75, and a quarter of the way from there 0.125 + 0.625 / 4.
    places = np.array([[[0.25, 0.5], [-3.0, 0.0]]], dtype=np.float32)
    assert sampled(picture, places).tolist() == [[0.28125, 0.0]]
    assert stepped(0.1) == np.float32(410 / 4096)  # 409.6 steps


def test_bilateral_is_opencvs_within_its_box() -> None:
    picture = blur(np.random.default_rng(0).random((40, 50, 3), dtype=np.float32), 1.0)
    where = np.zeros((40, 50), dtype=bool)
    where[0:30, 12:45] = True
    smooth = bilateral(picture, where, 0.13)
    wanted = cv2.bilateralFilter(picture, d=9, sigmaColor=0.13, sigmaSpace=4)
    assert np.abs(smooth - wanted)[where].max() < 0.002
    assert np.array_equal(smooth[~where], picture[~where])


def test_video_colors_are_those_of_the_standard() -> None:
    # BT.601 in the video range: white is Y 235, black 16, both without color; pure red is 81, 90, 240.
    rgb = np.zeros((4, 12, 3), dtype=np.uint8)
    rgb[:, 4:8], rgb[:, 8:] = 255, (255, 0, 0)
    planes = to_yuv420(rgb)
    assert planes[:4].tolist() == [[16] * 4 + [235] * 4 + [81] * 4] * 4
    u, v = planes[4:].reshape(2, 2, 6)
    assert u[0].tolist() == [128, 128, 128, 128, 90, 90]
    assert v[1].tolist() == [128, 128, 128, 128, 240, 240]
