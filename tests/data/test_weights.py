from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_sample_weight

from kanrun.data.dataset import CLASSIFICATION, Dataset, Rows, at_most, hold_back, null_value, of_output
from kanrun.data.losses import CROSS_ENTROPY, MSE
from kanrun.data.weights import weights_of_errors, with_balance


def test_weights_of_errors_are_inverse_variances_with_the_variance_of_weight_one() -> None:
    sigma = np.array([0.5, 1.0, 2.0, 4.0])
    weights, noise = weights_of_errors(sigma)
    assert weights.mean() == pytest.approx(1.0)
    np.testing.assert_allclose(noise / weights, sigma**2)


@pytest.mark.parametrize("size", [1e-150, 1.0, 1e150])
def test_errors_of_any_size_give_the_same_weights(size: float) -> None:
    sigma = np.array([1.0, 3.0, 5.0])
    weights, noise = weights_of_errors(size * sigma)
    np.testing.assert_allclose(weights, weights_of_errors(sigma)[0], rtol=1e-12)
    assert noise == pytest.approx(size**2 * weights_of_errors(sigma)[1])


def classes(counts: list[int], weights: torch.Tensor | None = None) -> Dataset:
    y = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    rows = Rows(torch.zeros(len(y), 1, dtype=torch.float64), y, weights)
    names = [f"logit_{k}" for k in range(len(counts))]
    return Dataset("d", rows, Rows(rows.x, y), ["x_1"], names, CLASSIFICATION, CROSS_ENTROPY)


def test_balanced_classes_weigh_as_by_scikit_learn() -> None:
    data = with_balance(classes([5, 20, 75]))
    wanted = compute_sample_weight("balanced", data.train.y.numpy())
    assert data.train.weights is not None and data.test is not None
    np.testing.assert_allclose(data.train.weights.numpy(), wanted)
    assert data.test.weights is None
    assert null_value(data) == pytest.approx(np.log(3))


def test_balance_comes_on_top_of_weights() -> None:
    weights = torch.tensor([1.0, 3.0, 1.0, 1.0, 1.0, 1.0], dtype=torch.float64)
    found = with_balance(classes([2, 4], weights / weights.mean())).train.weights
    assert found is not None
    torch.testing.assert_close(found[:2].sum(), found[2:].sum())
    torch.testing.assert_close(found[1], 3 * found[0])


def test_weights_stay_with_their_rows() -> None:
    y = torch.arange(10, dtype=torch.float64)
    data = Dataset("d", Rows(y[:, None], torch.stack([y, -y], 1), y), None, ["x_1"], ["a", "b"], "regression", MSE)
    held = hold_back(data, 0.3, 0)
    for part in (held.train, held.validation, at_most(data, 5).train, of_output(data, 1).train):
        assert part is not None and part.weights is not None
        assert torch.equal(part.weights, part.x[:, 0])
    assert len(at_most(data, 5).train.x) == 5
