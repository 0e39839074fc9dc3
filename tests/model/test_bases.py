from __future__ import annotations

import pytest
import torch

from kanrun.model.bases import BASES, sigmoid_derivative


def test_the_sigmoids_slope_is_s_minus_its_square() -> None:
    assert sigmoid_derivative(1) == (0, 1, -1)
    assert sigmoid_derivative(2) == (0, 1, -3, 2)


@pytest.mark.parametrize("name", ["silu", "identity"])
def test_derivatives_equal_autograd(name: str) -> None:
    base = BASES[name]
    assert base
    x = torch.linspace(-30, 30, 121, dtype=torch.float64).requires_grad_()
    last = base.value(x) + 0 * x**6
    for order in range(1, 6):
        (last,) = torch.autograd.grad(last.sum(), x, create_graph=True)
        torch.testing.assert_close(base.derivative(x.detach(), order), last.detach(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["silu", "identity"])
def test_gradients_are_pulled_back_along_the_slope(name: str) -> None:
    base = BASES[name]
    assert base
    x, gradient = torch.linspace(-3, 3, 13, dtype=torch.float64), torch.linspace(1, 2, 13, dtype=torch.float64)
    torch.testing.assert_close(base.pull_back(gradient, x), gradient * base.derivative(x, 1), rtol=1e-14, atol=1e-14)
