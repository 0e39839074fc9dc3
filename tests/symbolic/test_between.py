from __future__ import annotations

import numpy as np
import pytest
import torch

from kanrun.data.dataset import REGRESSION, Dataset, Rows
from kanrun.data.losses import MSE
from kanrun.functions.parser import parse_formula
from kanrun.symbolic.between import goes_wild, is_far, share_gone_wild
from tests.helpers import formula_values, uniform_rows


def dataset(text: str, rows: int = 200, low: float = 0.0) -> Dataset:
    """Rows of a formula on [low, 1]^2, with noise."""
    x = low + (1 - low) * (uniform_rows(rows, 2, seed=1) + 1) / 2
    y = torch.as_tensor(formula_values(text, x.numpy()).copy())[:, None]
    noise = 0.05 * float(y.std()) * torch.randn(rows, 1, generator=torch.Generator().manual_seed(0), dtype=y.dtype)
    return Dataset("d", Rows(x, y + noise), None, ["x_1", "x_2"], ["y"], REGRESSION, MSE)


def test_a_pole_between_the_rows_is_seen() -> None:
    data = dataset("x_1 + x_2")
    assert not goes_wild(parse_formula("x_1 + 1.01*x_2"), 0, data)
    assert goes_wild(parse_formula("x_1 + x_2 + 0.03/(x_1 - 0.5)"), 0, data)


def test_a_formula_without_values_between_the_rows_goes_wild() -> None:
    data = dataset("x_1 + x_2")
    root = parse_formula("x_2 + sqrt((x_1 - 0.4)**2 - 0.01)")
    assert share_gone_wild(root, 0, data) == pytest.approx(0.2, abs=0.05) and goes_wild(root, 0, data)


@pytest.mark.parametrize("text", ["1/x_1", "tan(3*x_1)*x_2", "1/(x_1 - 0.5)", "exp(5*x_1)"])
def test_a_law_that_shows_its_poles_in_its_rows_does_not(text: str) -> None:
    assert not goes_wild(parse_formula(text), 0, dataset(text, low=0.01))


def test_far_is_three_times_as_far_as_the_farthest_or_no_number() -> None:
    y = np.array([1.0, 2.0, 3.0, 5.0, 0.0])
    assert is_far(np.array([2.0, 11.0, 10.9, -7.1, np.nan, np.inf]), y).tolist() == [
        False,
        False,
        False,
        True,
        True,
        True,
    ]
