import math

import numpy as np
import pytest
import torch

from fakeforensics.models.kernels import (
    expansion,
    kernel_matrix,
    resolve_gamma,
    sample_rows,
    standardize,
)


def test_reals_alone_standardize():
    features = np.array([[0.0, 5.0], [2.0, 5.0], [9.0, 7.0]])
    # the first two have mean (1, 5) and deviations 1 and 0, of which the latter becomes 1
    x, fitted = standardize(features, features[:2])
    assert x.tolist() == [[-1.0, 0.0], [1.0, 0.0], [8.0, 2.0]]
    assert fitted["deviation"].tolist() == [1.0, 1.0]


def test_scale_is_that_of_scikit_learn():
    x = np.array([[0.0, 2.0], [4.0, 2.0]])  # variance of all four numbers: mean 2, (4 + 0 + 4 + 0)/4 = 2
    assert resolve_gamma("scale", x) == pytest.approx(1 / (2 * 2))
    assert resolve_gamma(0.3, x) == 0.3
    assert resolve_gamma("scale", np.ones((2, 2))) == 1.0  # no variance: as scikit-learn does


def test_kernels():
    x, others = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    assert kernel_matrix(x, others, None).tolist() == [[1.0, 0.0]]
    # ‖(1, 0) − (0, 2)‖² = 5
    assert kernel_matrix(x, others, 0.1).tolist()[0] == pytest.approx([1.0, math.exp(-0.5)])


def test_an_expansion_standardizes_if_a_mean_was_fitted():
    fitted = {"support": torch.tensor([[1.0], [2.0]]), "weights": torch.tensor([3.0, -1.0])}
    # linear kernel at x = 5: 3·5 − 2·5 = 5; standardized, (5 − 1)/2 = 2: 3·2 − 2·2 = 2
    assert expansion(torch.tensor([[5.0]]), fitted).tolist() == [5.0]
    scaling = {"mean": torch.tensor([1.0]), "deviation": torch.tensor([2.0])}
    assert expansion(torch.tensor([[5.0]]), fitted | scaling).tolist() == [2.0]


def test_a_sample_is_seeded_and_ascends():
    assert sample_rows(3, 3, 0).tolist() == [0, 1, 2]
    rows = sample_rows(100, 10, 7)
    assert len(set(rows.tolist())) == 10
    assert (np.diff(rows) > 0).all()
    assert rows.tolist() == sample_rows(100, 10, 7).tolist()
    assert rows.tolist() != sample_rows(100, 10, 8).tolist()
