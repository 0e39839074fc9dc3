from __future__ import annotations

import pytest
import torch

from kanrun.data.losses import CROSS_ENTROPY, MSE, Loss
from kanrun.data.products import FEW, Dense, square, symmetric_square
from kanrun.functions.library import FUNCTIONS
from kanrun.model.network import KAN
from kanrun.training.least_squares import normal_equations
from tests.helpers import uniform_rows


@pytest.mark.parametrize("outputs", [1, 3, 12])
def test_it_is_the_product_whatever_of_it_is_zero(outputs: int) -> None:
    _, jacobian = KAN([2, 3, outputs], grid=3, seed=0).jacobian(uniform_rows(40, 2, seed=1))
    flat = jacobian.flatten(0, 1)
    assert torch.allclose(square(jacobian), flat.T @ flat, rtol=1e-12, atol=1e-12)
    assert torch.equal(square(jacobian[:0]), torch.zeros_like(flat.T @ flat))


def test_a_product_without_zeros_is_the_same() -> None:
    jacobian = uniform_rows(40, 7 * FEW, seed=1).view(40, FEW, 7)
    flat = jacobian.flatten(0, 1)
    torch.testing.assert_close(square(jacobian), flat.T @ flat, rtol=1e-12, atol=1e-12)


def of_classes(width: list[int | list[int]]) -> KAN:
    """A network whose last layer has splines, functions, and edges that are gone."""
    model = KAN(width, grid=3, seed=0)
    last = len(model.layers) - 1
    model.put((last, 1, 0), FUNCTIONS["sin"], (1.2, 0.1, 0.7), 0.2)
    model.put((last, 4, 1), FUNCTIONS["x^2"], (0.9, 0.3, -0.4), 0.1)
    model.layers[last].remove(2, 1, 0.3)
    return model


@pytest.mark.parametrize("width", [[2, 5], [2, 3, 6], [2, 3, 2, 6], [2, 7, 5], [2, [1, 2], 5], [2, [1, 2], 3, 5]])
@pytest.mark.parametrize("loss", [MSE, CROSS_ENTROPY])
def test_blocks_give_what_all_entries_give(width: list[int | list[int]], loss: Loss) -> None:
    model, x = of_classes(width), uniform_rows(50, 2, seed=1)
    kept = model.passed(x)
    y = torch.arange(50) % model.n_out if loss.logits else uniform_rows(50, model.n_out, seed=2)
    blocks = kept.blocks()
    assert blocks is not None
    assert blocks.own.shape[1] == model.layers[-1].parameter_count()
    ours = loss.by_products(kept.outputs, y, blocks, 50)
    wanted = loss.by_products(kept.outputs, y, Dense(kept.jacobian()), 50)
    for one, other in zip(ours, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
    whole = loss.gauss_newton(kept.outputs, y, kept.jacobian(), y.numel())
    for one, other in zip(normal_equations(model, x, y, loss, chunk=20), whole, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_the_square_of_values_is_the_same_on_any_device() -> None:
    values = uniform_rows(40, 7, seed=1)
    torch.testing.assert_close(symmetric_square(values), values.T @ values, rtol=1e-13, atol=1e-13)
    elsewhere = symmetric_square(values.to("meta"))
    assert elsewhere.shape == (7, 7) and elsewhere.device.type == "meta"


def test_products_of_sums_and_few_outputs_have_no_blocks() -> None:
    x = uniform_rows(5, 2, seed=1)
    assert KAN([2, [2, 3]], grid=3, seed=0).passed(x).blocks() is None
    assert KAN([2, FEW - 1], grid=3, seed=0).passed(x).blocks() is None
