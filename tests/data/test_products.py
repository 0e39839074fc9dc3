from __future__ import annotations

import pytest
import torch

from kanrun.data.products import square
from kanrun.model.network import KAN
from tests.helpers import uniform_rows


@pytest.mark.parametrize("outputs", [1, 3, 12])
def test_it_is_the_product_whatever_of_it_is_zero(outputs: int) -> None:
    _, jacobian = KAN([2, 3, outputs], grid=3, seed=0).jacobian(uniform_rows(40, 2, seed=1))
    flat = jacobian.flatten(0, 1)
    assert torch.allclose(square(jacobian), flat.T @ flat, rtol=1e-12, atol=1e-12)
    assert torch.equal(square(jacobian[:0]), torch.zeros_like(flat.T @ flat))
