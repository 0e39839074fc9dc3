from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from kanrun.model.copying import copied
from kanrun.model.mlp import MLP
from tests.helpers import tangled_network, uniform_rows


@pytest.mark.parametrize("network", [tangled_network(), MLP([3, 4, 2])], ids=["KAN", "MLP"])
def test_a_copy_is_the_same_network_and_shares_nothing(network: nn.Module) -> None:
    x = uniform_rows(20, 3, 1)
    other, reference = copied(network), copy.deepcopy(network)
    assert type(other) is type(network)
    assert other.state_dict().keys() == reference.state_dict().keys()
    assert [p.requires_grad for p in other.parameters()] == [p.requires_grad for p in network.parameters()]
    theirs = [*network.parameters(), *network.buffers()]
    for ours, known, kept in zip([*other.parameters(), *other.buffers()], theirs, reference.state_dict(), strict=True):
        assert torch.equal(ours, known), kept
        assert ours is not known
        assert ours.data_ptr() != known.data_ptr()
    assert torch.equal(other(x), network(x))
    with torch.no_grad():
        for p in other.parameters():
            p.zero_()
    assert torch.equal(network(x), reference(x))
    assert not torch.equal(other(x), network(x))


def test_changes_of_the_structure_stay_with_the_copy() -> None:
    network, x = tangled_network(), uniform_rows(20, 3, 1)
    values, functions = network(x).detach(), dict(network.layers[0].functions)
    other = copied(network)
    other.fix(0, 1, 1, "exp")
    other.layers[0].register_forward_hook(lambda *_: torch.zeros(20, 3, dtype=torch.float64))
    assert torch.equal(network(x), values)
    assert network.layers[0].functions == functions
    assert not torch.equal(other(x), values)
    assert other.layers[0].library is network.layers[0].library  # which nothing changes


def test_gradients_stay_where_they_are() -> None:
    network = tangled_network()
    network(uniform_rows(5, 3, 1)).sum().backward()
    assert all(p.grad is None for p in copied(network).parameters())
