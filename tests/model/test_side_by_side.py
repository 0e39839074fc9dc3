from __future__ import annotations

import pytest
import torch

from kanrun.model.joining import side_by_side
from kanrun.model.network import KAN
from tests.helpers import uniform_rows

X = uniform_rows(40, 2, seed=3)


def symbolic(width: list[int | list[int]], names: list[str]) -> KAN:
    """A network of functions, its edges from the list in turn."""
    model, edges = KAN(width, grid=1), iter(names * 50)
    for layer in model.layers:
        for sub in range(layer.n_sub):
            for i in range(layer.n_in):
                layer.fix(sub, i, next(edges), (1.3, 0.2, 0.7), 0.1, True)
    return model


NETWORKS = {
    "functions": [symbolic([2, 1], ["x", "sin"]), symbolic([2, [1, 1], 1], ["x^2", "exp"]), symbolic([2, 2, 1], ["x"])],
    "splines": [KAN([2, 1], grid=2, seed=1), KAN([2, [2, 1], 1], grid=4, seed=2), KAN([2, 3, 2, 1], grid=4, seed=3)],
    "both": [symbolic([2, [0, 1]], ["x", "sin"]), KAN([2, 1], grid=3, seed=2)],
    "one": [KAN([2, 2, 1], grid=3, seed=5)],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_outputs_are_those_of_each_network(name: str) -> None:
    networks = NETWORKS[name]
    whole = side_by_side(networks)
    assert whole.n_out == len(networks)
    assert whole.is_symbolic() == all(n.is_symbolic() for n in networks)
    torch.testing.assert_close(whole(X), torch.cat([n(X) for n in networks], dim=1), rtol=1e-12, atol=1e-12)


def test_networks_with_inputs_in_other_units_are_joined_too() -> None:
    x = 1e4 * X + 5e5
    networks = [KAN([2, 1], grid=3, seed=1), KAN([2, 2, 1], grid=3, seed=2)]
    for network in networks:
        network.standardize(x)
    whole = side_by_side(networks)
    torch.testing.assert_close(whole(x), torch.cat([n(x) for n in networks], dim=1), rtol=1e-9, atol=1e-9)


def test_no_edge_leads_from_one_to_another() -> None:
    first, second = KAN([2, 2, 1], grid=3, seed=1), KAN([2, 2, 1], grid=3, seed=2)
    before = side_by_side([first, second])(X)
    with torch.no_grad():
        second.layers[0].coef += 1.0
    after = side_by_side([first, second])(X)
    assert torch.equal(before[:, 0], after[:, 0])
    assert not torch.allclose(before[:, 1], after[:, 1])
