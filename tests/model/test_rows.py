from __future__ import annotations

import numpy as np
import pytest
import torch

from kanrun import KAN
from kanrun.model.mlp import MLP
from kanrun.model.rows import as_rows
from tests.helpers import uniform_rows

X = uniform_rows(7, 2)


@pytest.mark.parametrize("model", [KAN([2, 3, 1]), MLP([2, 3, 1])], ids=["kan", "mlp"])
@pytest.mark.parametrize("given", [X.float(), X.numpy(), X.numpy().astype("f"), X.tolist()])
def test_rows_of_other_kinds_are_converted(model: torch.nn.Module, given: object) -> None:
    torch.testing.assert_close(model(given), model(X), rtol=1e-5, atol=1e-6)
    assert model(given).dtype == torch.float64


def test_whole_numbers_are_numbers() -> None:
    model = KAN([2, 1])
    assert torch.equal(model(torch.tensor([[0, 1]])), model(torch.tensor([[0.0, 1.0]])))
    assert torch.equal(KAN([2, 1], dtype=torch.float32)(X), KAN([2, 1], dtype=torch.float32)(X.float()))


def test_gradients_pass_through_the_conversion() -> None:
    x = X.float().requires_grad_()
    KAN([2, 3, 1])(x).sum().backward()
    assert x.grad is not None and x.grad.dtype == torch.float32
    assert float(x.grad.abs().sum()) > 0


def test_rows_that_fit_are_passed_on_as_they_are() -> None:
    assert as_rows(X, 2, X) is X


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        (torch.rand(5, 3), ValueError, r"rows of shape \[5, 3\]: the network takes \[rows, 2\]"),
        (torch.rand(2), ValueError, r"rows of shape \[2\]"),
        ([1.0, 2.0], ValueError, r"rows of shape \[2\]"),
        ("text", TypeError, "rows given as str"),
        ([[1.0], [1.0, 2.0]], TypeError, "rows given as list"),
        (None, TypeError, "rows given as NoneType"),
        (np.array([["a", "b"]]), TypeError, "numbers"),
        (torch.rand(5, 2).to(torch.complex64), TypeError, "complex"),
        (np.ones((5, 2), complex), TypeError, "numbers"),
    ],
)
@pytest.mark.parametrize("model", [KAN([2, 3, 1]), MLP([2, 3, 1])], ids=["kan", "mlp"])
def test_what_are_no_rows_of_the_network_is_refused(
    model: torch.nn.Module, given: object, error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        model(given)


def test_a_network_shows_how_it_was_made() -> None:
    assert "width=[2, 3, [1, 1]], grid=7, k=2, base=identity" in repr(KAN([2, 3, [1, 1]], grid=7, k=2, base="identity"))
    assert "width=[2, 4, 1], activation=tanh" in repr(MLP([2, 4, 1], "tanh"))
