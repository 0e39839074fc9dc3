from __future__ import annotations

import pytest
import torch

from kanrun.model import grids, spline, spline_sums
from kanrun.model.bases import BASES
from tests.helpers import irregular_grid, points_around, uniform_rows


@pytest.mark.parametrize("even", [True, False])
@pytest.mark.parametrize("kept", [0, 10**9], ids=["computed once more", "kept"])
@pytest.mark.parametrize("block", [1, 100, 10**6])
@pytest.mark.parametrize("beside", [None, BASES["silu"]], ids=["splines alone", "silu"])
def test_sums_in_blocks_are_the_matrix_product_with_the_same_gradients(
    beside: spline.Beside | None, block: int, kept: int, even: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spline, "BLOCK", block)
    monkeypatch.setattr(spline, "FEWEST_ROWS", 7)
    monkeypatch.setattr(spline_sums, "MOST_KEPT", kept)
    low, high = torch.tensor([-1.0, 0.0, 0.5]).double(), torch.tensor([1.0, 2.0, 3.0]).double()
    grid = grids.uniform_grid(low, high, 6) if even else irregular_grid(6, 3, seed=1)
    knots = spline.knots_of(grid, spline.span_polynomials(grid, 3))
    x = points_around(grid, 30, seed=1, margin=0.1).requires_grad_()
    coef = uniform_rows(4 * 3, 9, seed=2).reshape(4, 3, 9).requires_grad_()
    scale, bias = (uniform_rows(4, n, seed=3 + n).requires_grad_() for n in (3, 1))
    weights = uniform_rows(30, 4, seed=9)
    sums = spline_sums.SplineSums.apply(x, coef, scale, bias[:, 0], knots, beside)
    expected = torch.einsum("rim,jim->rj", spline.basis(x, knots), coef) + bias[:, 0]
    if beside:
        expected = expected + beside.value(x) @ scale.T
    torch.testing.assert_close(sums, expected, rtol=1e-12, atol=1e-12)
    given = [x, coef, bias, *([scale] if beside else [])]
    own = torch.autograd.grad((sums * weights).sum(), given)
    frozen = spline_sums.SplineSums.apply(x, coef.detach(), scale.detach(), bias[:, 0].detach(), knots, beside)
    torch.testing.assert_close(torch.autograd.grad((frozen * weights).sum(), x)[0], own[0])
    for ours, theirs in zip(own, torch.autograd.grad((expected * weights).sum(), given), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)
