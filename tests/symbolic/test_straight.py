from __future__ import annotations

import pytest
import torch

from kanrun.data.losses import MSE
from kanrun.model.network import KAN
from kanrun.symbolic import straight
from kanrun.symbolic.search import spline_edges
from kanrun.symbolic.straight import make_straight, straightened
from kanrun.training.least_squares import levenberg_marquardt
from tests.helpers import uniform_rows

X = uniform_rows(80, 2, seed=3)


def fitted(width: list[int | list[int]], y: torch.Tensor, grid: int = 3) -> KAN:
    model = KAN(width, grid=grid, seed=1)
    model.fit_grids(X)
    levenberg_marquardt(model, X, y, MSE, 30)
    return model


def test_what_is_a_line_becomes_one_and_what_is_none_stays_a_spline() -> None:
    y = (2 * X[:, :1] + torch.cos(3 * X[:, 1:])).detach()
    model = fitted([2, 1], y)
    found = straightened(model, X, y, MSE)
    assert found is not model and spline_edges(model) == [(0, 0, 0), (0, 0, 1)]
    assert spline_edges(found) == [(0, 0, 1)]
    with torch.no_grad():
        assert float((found(X) - y).square().mean()) <= 2 * float((model(X) - y).square().mean())


def test_where_no_edge_can_be_straight_it_is_the_same_network() -> None:
    y = torch.cos(3 * X[:, :1]) + torch.cos(4 * X[:, 1:])
    model = fitted([2, 1], y)
    assert straightened(model, X, y, MSE) is model


def test_networks_of_which_one_step_takes_too_long_are_not_trained_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def trained(*_: object) -> float:
        raise AssertionError

    monkeypatch.setattr(straight, "trained", trained)
    large = KAN([2, 1], grid=2000, seed=0)
    assert large.parameter_count() > straight.MOST_FOR_LM
    assert straightened(large, X, X[:, :1], MSE) is large
    many = KAN([2, 20, 1], grid=1, k=1, seed=0)
    assert len(spline_edges(many)) > straight.MOST_EDGES and many.parameter_count() < straight.MOST_FOR_LM
    assert straightened(many, X, X[:, :1], MSE) is many


def test_the_line_of_an_edge_is_that_of_least_squares_at_the_rows() -> None:
    model = KAN([2, 1], grid=4, seed=2)
    model.fit_grids(X)
    with torch.no_grad():
        outputs = model.trace(X)[0].edges[:, 0, 1]
        design = torch.stack([X[:, 1], torch.ones(len(X), dtype=X.dtype)], dim=1)
        line = design @ torch.linalg.lstsq(design, outputs[:, None]).solution[:, 0]
        others = model(X)[:, 0] - outputs
        make_straight(model, (0, 0, 1), X)
        torch.testing.assert_close(model(X)[:, 0], others + line)
    assert spline_edges(model) == [(0, 0, 0)]
