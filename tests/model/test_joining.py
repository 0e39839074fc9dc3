from __future__ import annotations

import pytest
import torch

from kanrun.model.joining import alone, among_inputs, beside
from kanrun.model.network import KAN
from tests.helpers import uniform_rows

X = uniform_rows(60, 3, seed=2)


def network(width: list[int | list[int]]) -> KAN:
    model = KAN(width, grid=4, seed=3)
    model.fit_grids(X)
    model.fix(0, 1, 0, "sin", 0.7, 0.1, -0.3, 0.2)
    model.layers[0].remove(1, 2)
    return model


@pytest.mark.parametrize("width", [[3, 2], [3, 4, 2], [3, [2, 1], [1, 1]], [3, 3, [2, 1], 3]])
def test_outputs_alone_and_beside_each_other_again_are_the_network(width: list[int | list[int]]) -> None:
    model = network(width)
    parts = [alone(model, j, X) for j in range(model.n_out)]
    with torch.no_grad():
        for j, part in enumerate(parts):
            torch.testing.assert_close(part(X)[:, 0], model(X)[:, j])
        torch.testing.assert_close(beside(parts)(X), model(X))
    assert beside(parts).width[-1] == model.width[-1]


def test_knots_that_differ_become_those_of_the_first() -> None:
    first, other = network([3, 2, 1]), network([3, 2, 1])
    other.layers[0].set_grid(1.5 * other.layers[0].grid)
    with torch.no_grad():
        torch.testing.assert_close(beside([first, other])(X)[:, 1], other(X)[:, 0], rtol=0, atol=0.05)


def test_networks_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ValueError, match="depth"):
        beside([KAN([3, 1]), KAN([3, 2, 1])])
    with pytest.raises(ValueError, match="product"):
        beside([KAN([3, [0, 1]]), KAN([3, 1])])


@pytest.mark.parametrize("width", [[3, 2], [3, [1, 1], 2]])
def test_a_network_of_some_inputs_is_one_of_all(width: list[int | list[int]]) -> None:
    model = network(width)
    model.standardize(5 * X + 2)
    rows, inputs = uniform_rows(40, 6, seed=4), [4, 0, 3]
    whole = among_inputs(model, inputs, 6)
    with torch.no_grad():
        torch.testing.assert_close(whole(rows), model(rows[:, inputs]))
    assert whole.active_inputs() == sorted(inputs[i] for i in model.active_inputs())
    assert whole.width == [6, *width[1:]]
