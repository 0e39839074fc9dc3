"""A network of inputs of another size: all that goes in and comes out has the units of the rows."""

from __future__ import annotations

import pytest
import torch

from kanrun.model.derivatives import DerivativePass
from kanrun.model.network import KAN
from kanrun.model.saving import content_of, network_of
from kanrun.symbolic.expression import network_expressions
from kanrun.symbolic.values import evaluate_all
from tests.helpers import uniform_rows

U = uniform_rows(40, 2, seed=4)
X = torch.stack([1e6 * U[:, 0], 5e3 + 1e-4 * U[:, 1]], dim=1)


def standardized() -> KAN:
    model = KAN([2, 3, 1], grid=4, seed=5)
    model.standardize(X)
    model.fit_grids(X)
    return model


def test_the_first_layer_sees_numbers_of_about_one_and_gives_what_it_gives_for_these() -> None:
    model = standardized()
    plain = model.clone()
    plain.shift.zero_()
    plain.scale.fill_(1.0)
    inside = model.scaled(X)
    assert 0.5 < float(inside.abs().amax()) < 3
    with torch.no_grad():
        assert torch.equal(model(X), plain(inside))
    outputs, jacobian = model.jacobian(X)
    assert torch.equal(outputs, plain.jacobian(inside)[0])
    assert torch.equal(jacobian, plain.jacobian(inside)[1])
    for own, other in zip(model.trace(X), plain.trace(inside), strict=True):
        assert torch.equal(own.edges, other.edges)


def test_derivatives_are_by_the_inputs_themselves() -> None:
    model = standardized()
    x = X[:5].clone().requires_grad_()
    (slopes,) = torch.autograd.grad(model(x).sum(), x)
    kept = DerivativePass.through(model, X[:5], [(0,), (1,), (0, 0)])
    for i in range(2):
        torch.testing.assert_close(kept.outputs[i,][:, 0], slopes[:, i])
    ahead, back = (DerivativePass.through(model, X[:5] + X.new_tensor([s, 0.0]), [(0,)]).outputs for s in (1.0, -1.0))
    torch.testing.assert_close(kept.outputs[0, 0], (ahead[0,] - back[0,]) / 2, rtol=1e-4, atol=1e-18)


def test_constants_of_fixed_edges_are_those_of_the_user_before_and_after() -> None:
    for early in (True, False):
        model = KAN([2, 1], seed=0)
        if not early:
            model.standardize(X)
        model.fix(0, 0, 0, "sin", a=2e-6, b=0.3, c=1.5, d=0.2)
        model.fix(0, 1, 0, "x", a=1e4, b=-5e7)
        if early:
            model.standardize(X)
        expected = 1.5 * torch.sin(2e-6 * X[:, 0] + 0.3) + 0.2 + 1e4 * X[:, 1] - 5e7
        with torch.no_grad():
            torch.testing.assert_close(model(X)[:, 0], expected, rtol=0, atol=1e-7)
        [expression] = network_expressions(model, ["x_1", "x_2"])
        torch.testing.assert_close(evaluate_all([expression], X, ["x_1", "x_2"])[:, 0], expected, rtol=0, atol=1e-6)


def test_files_keep_the_units_and_older_ones_have_none() -> None:
    content = content_of(standardized())
    with torch.no_grad():
        assert torch.equal(network_of(content)(X), standardized()(X))
    older = network_of({key: value for key, value in content.items() if key not in ("shift", "scale")})
    assert (older.shift.tolist(), older.scale.tolist()) == ([0.0, 0.0], [1.0, 1.0])


@pytest.mark.parametrize("wrong", [None, torch.zeros(2), torch.zeros(3).double(), torch.tensor([1.0, -1.0]).double()])
def test_units_that_are_none_are_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="scale"):
        network_of({**content_of(standardized()), "scale": wrong})


def test_a_copy_takes_the_units_along() -> None:
    model, other = KAN([2, 3, 1]), standardized()
    model.become(other)
    with torch.no_grad():
        assert torch.equal(model(X), other(X))
