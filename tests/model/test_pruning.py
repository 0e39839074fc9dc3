from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from kanrun.data.losses import MSE
from kanrun.model.network import KAN, Width
from kanrun.model.pruning import (
    drop_loose,
    keep_nodes,
    prune_by_score,
    prune_to_count,
    removals,
    remove_edges,
    simplify,
    subnodes_of,
)
from kanrun.training.least_squares import levenberg_marquardt
from tests.helpers import additive_network, tangled_network, uniform_rows


def silence(model: KAN, layer: int, sub: int, i: int) -> None:
    """Makes a spline edge 0 without removing it."""
    with torch.no_grad():
        model.layers[layer].coef[sub, i] = 0.0
        model.layers[layer].base_scale[sub, i] = 0.0


# ---- removing and renumbering ----------------------------------------------------------------------------------


def test_removing_an_edge_keeps_the_mean_of_its_sum() -> None:
    x = uniform_rows(60, 2, seed=1)
    model = KAN([2, 3], seed=1)
    model.fix(0, 1, 2, "exp", c=2.0)
    before = model(x).detach()
    for edge in ((0, 0, 1), (0, 2, 1)):
        model = remove_edges(model, (edge,), x)
    after = model(x).detach()
    torch.testing.assert_close(after.mean(0), before.mean(0), rtol=0, atol=1e-13)
    assert model.layers[0].alive.tolist() == [[True, False], [True, True], [True, False]]
    torch.testing.assert_close(after[:, 1], before[:, 1], rtol=0, atol=0)
    assert float((after - before).abs().amax(0)[[0, 2]].min()) > 0.05


def test_removing_an_edge_of_a_product_keeps_the_mean_of_the_factor() -> None:
    x = uniform_rows(60, 2, seed=1)
    model = KAN([2, [0, 1], 1], seed=1)
    before = model.trace(x)[0].subnodes.mean(0)
    after = remove_edges(model, ((0, 1, 0),), x).trace(x)[0].subnodes.mean(0)
    torch.testing.assert_close(after, before, rtol=0, atol=1e-13)


def test_removing_leaves_the_given_network_alone() -> None:
    x = uniform_rows(30, 2)
    model = KAN([2, 2, 1], seed=1)
    state, width = {n: t.clone() for n, t in model.state_dict().items()}, model.width
    smaller = remove_edges(model, ((1, 0, 1), (0, 0, 0)), x)
    assert smaller.width == [2, 1, 1]
    assert smaller.active_edges() == 2
    assert model.width == width
    assert all(torch.equal(t, state[n]) for n, t in model.state_dict().items())


def test_removing_what_was_zero_keeps_the_function() -> None:
    x = uniform_rows(40, 2, seed=1)
    model = KAN([2, 3, [1, 1], 1], seed=2)
    silent = [(0, 0, 0), (0, 1, 1), (1, 0, 2), (1, 1, 2), (1, 2, 2)]
    for edge in silent:
        silence(model, *edge)
    smaller = remove_edges(model, tuple(silent), x)
    assert smaller.width == [2, 2, [1, 1], 1]  # node 2 of the first layer led nowhere any more
    elsewhere = uniform_rows(40, 2, seed=9, low=-2.0, high=2.0)
    torch.testing.assert_close(smaller(elsewhere), model(elsewhere), rtol=0, atol=1e-13)


def test_removing_an_edge_twice_is_removing_it_once() -> None:
    x = uniform_rows(40, 2, seed=1)
    model = KAN([2, 1], seed=2)
    once = remove_edges(model, ((0, 0, 1),), x)
    twice = remove_edges(once, ((0, 0, 1),), x)
    assert torch.equal(once(x), twice(x))


def test_nodes_that_nothing_enters_become_constants_of_the_next_layer() -> None:
    x = uniform_rows(40, 2, seed=1)
    model = KAN([2, 2, 2, 1], seed=2)
    for i in range(2):
        model.layers[0].remove(0, i, constant=0.3)
    expected = model(x).detach()
    smaller = drop_loose(model.clone(), x)
    assert smaller.width == [2, 1, 2, 1]
    torch.testing.assert_close(smaller(x).detach(), expected, rtol=0, atol=1e-13)


def test_constants_travel_through_several_layers() -> None:
    x = uniform_rows(40, 2, seed=1)
    model = KAN([2, 2, 2, 1], seed=2)
    for i in range(2):
        model.layers[0].remove(0, i, constant=0.3)
    model.layers[1].remove(1, 1)  # so node 1 of the second layer has nothing but the constant
    expected = model(x).detach()
    smaller = drop_loose(model.clone(), x)
    assert smaller.width == [2, 1, 1, 1]
    torch.testing.assert_close(smaller(x).detach(), expected, rtol=0, atol=1e-13)


def test_a_chain_of_nodes_that_leads_nowhere_goes_as_a_whole() -> None:
    x = uniform_rows(40, 2, seed=1)
    model = KAN([2, 2, 2, 2, 1], seed=2)
    for depth in (1, 2):
        model.layers[depth].remove(0, 1)  # what enters node 1 goes on to node 1 only
    model.layers[3].remove(0, 1)
    expected = model(x).detach()
    smaller = drop_loose(model.clone(), x)
    assert smaller.width == [2, 1, 1, 1, 1]
    torch.testing.assert_close(smaller(x).detach(), expected, rtol=0, atol=1e-13)


def test_a_product_stays_while_one_factor_has_an_edge_and_goes_with_its_last() -> None:
    x = uniform_rows(40, 2, seed=1)
    model = KAN([2, [1, 1], 1], seed=2)
    one_factor = remove_edges(model, ((0, 1, 0), (0, 1, 1)), x)
    assert one_factor.width == [2, [1, 1], 1]
    assert one_factor.active_edges() == 6
    none = remove_edges(one_factor, ((0, 2, 0), (0, 2, 1)), x)
    assert none.width == [2, 1, 1]
    assert none.active_edges() == 3


@pytest.mark.parametrize("seed", range(4))
def test_keeping_nodes_is_cutting_the_other_ones_off(seed: int) -> None:
    x = uniform_rows(30, 3, seed=1)
    model = tangled_network(seed=seed, width=(3, (3, 2), (2, 1), 2))
    keep = [[0, 2, 4], [1, 2], [0, 1]]
    small = keep_nodes(model, keep)
    assert small.width == [3, [2, 1], [1, 1], 2]
    cut = model.clone()
    for below, nodes in enumerate(keep[:-1]):
        for node in range(model.layers[below].n_out):
            if node not in nodes:
                cut.layers[below + 1].alive[:, node] = False
    torch.testing.assert_close(small(x), cut(x), rtol=1e-13, atol=1e-13)
    vector = small.get_vector()
    assert vector.shape == (small.parameter_count(),)
    assert small.jacobian(x)[1].shape == (30, 2, len(vector))


def test_functions_move_with_their_nodes() -> None:
    model = KAN([2, [3, 1], 1])
    model.fix(0, 1, 2, "sin")
    model.fix(0, 0, 4, "exp", trainable=False)  # second factor of the product, node 3
    model.fix(0, 0, 1, "log")
    model.fix(1, 2, 0, "tanh")
    model.fix(1, 3, 0, "x^2")
    small = keep_nodes(model, [[2, 3], [0]])
    assert small.layers[0].functions == {(0, 1): "sin", (2, 0): "exp"}
    assert small.layers[1].functions == {(0, 0): "tanh", (0, 1): "x^2"}
    assert small.layers[0].is_fixed.nonzero().tolist() == [[0, 1], [2, 0]]
    assert not bool(small.layers[0].is_trainable[2, 0])
    assert model.layers[0].functions == {(2, 1): "sin", (4, 0): "exp", (1, 0): "log"}
    assert small.width == [2, [1, 1], 1]


@pytest.mark.parametrize(("node", "subnodes"), [(0, [0]), (1, [1]), (2, [2, 3]), (3, [4, 5])])
def test_a_product_owns_two_sums(node: int, subnodes: list[int]) -> None:
    assert subnodes_of(KAN([1, [2, 2]]).layers[0], node) == subnodes


# ---- by score --------------------------------------------------------------------------------------------------


def with_useless_node() -> KAN:
    """y = sin(x0) + x1^2 by way of nodes 0 and 2; node 1 is lively but hardly heard."""
    model = KAN([2, 3, 1])
    for node, functions in enumerate([("sin", None), ("exp", "tanh"), (None, "x^2")]):
        for i, name in enumerate(functions):
            if name:
                model.fix(0, i, node, name)
            else:
                model.layers[0].remove(node, i)
        model.fix(1, node, 0, "x", c=1e-4 if node == 1 else 1.0)
    return model


def test_a_planted_useless_node_is_dropped_and_the_others_stay() -> None:
    x = uniform_rows(100, 2, seed=1)
    model = with_useless_node()
    small = prune_by_score(model, x, 1e-2, 3e-2)
    assert small.width == [2, 2, 1]
    assert small.layers[0].functions == {(0, 0): "sin", (1, 1): "x^2"}
    torch.testing.assert_close(small(x), model(x), rtol=0, atol=1e-3)
    torch.testing.assert_close(small(x).mean(), model(x).mean(), rtol=0, atol=1e-12)
    assert prune_by_score(model, x, 1e-6, 1e-6).width == [2, 3, 1]


def test_the_two_thresholds_are_for_nodes_and_for_edges() -> None:
    x = uniform_rows(100, 2, seed=1)
    model = with_useless_node()
    assert prune_by_score(model, x, 1e-2, 0.0).width == [2, 2, 1]
    assert prune_by_score(model, x, 0.0, 1e-2).width == [2, 2, 1]
    assert prune_by_score(model, x, 0.0, 0.0).width == [2, 3, 1]


def test_edges_below_the_threshold_go_and_those_above_stay() -> None:
    x = uniform_rows(200, 3, seed=1)
    model = additive_network([("x", 1.0, 0.0, 1.0), ("sin", 1.0, 0.0, 0.01), ("x", 1.0, 0.0, 0.2)])
    assert prune_by_score(model, x, 0.0, 0.05).active_inputs() == [0, 2]
    assert prune_by_score(model, x, 0.0, 0.5).active_inputs() == [0]
    assert prune_by_score(model, x, 0.0, 0.0).active_inputs() == [0, 1, 2]


def test_a_threshold_above_every_score_leaves_the_mean() -> None:
    x = uniform_rows(50, 2)
    model = KAN([2, 2, 1], seed=1)
    pruned = prune_by_score(model, x, 2.0, 2.0)
    assert pruned.active_inputs() == []
    torch.testing.assert_close(pruned(x).mean(), model(x).mean())


# ---- one by one ------------------------------------------------------------------------------------------------


def refit_on(x: Tensor, y: Tensor, steps: int = 15) -> Callable[[KAN], float]:
    return lambda model: levenberg_marquardt(model, x, y, MSE, steps).loss


def needed_product() -> tuple[Tensor, Tensor]:
    x = uniform_rows(80, 2, seed=1)
    return x, torch.sin(2 * x[:, :1]) * torch.exp(x[:, 1:])


def test_removals_come_nodes_first_weakest_first() -> None:
    x = uniform_rows(100, 2, seed=1)
    nodes, rest = removals(with_useless_node(), x)
    assert nodes[0].edges == ((1, 0, 1),)
    assert {r.edges for r in nodes} == {((1, 0, n),) for n in range(3)}
    for group in (nodes, rest):
        assert [r.score for r in group] == sorted(r.score for r in group)
    assert {r.edges[0] for r in rest} == {(0, 0, 0), (0, 1, 0), (0, 1, 1), (0, 2, 1)}


def test_simplify_takes_out_a_redundant_node_and_keeps_needed_ones() -> None:
    x = uniform_rows(80, 2, seed=1)
    model = with_useless_node()
    with torch.no_grad():
        model.layers[1].affine[0, 1, 2] = 0.3  # by no means silent, but not in the target
    y = torch.sin(x[:, :1]) + x[:, 1:] ** 2
    before = model.clone()
    refit = refit_on(x, y)
    small = simplify(model, x, refit, limit=1e-18)
    assert small.width == [2, 2, 1]
    assert small.layers[0].functions == {(0, 0): "sin", (1, 1): "x^2"}
    assert float(((small(x) - y) ** 2).mean().detach()) <= 1e-18
    assert torch.equal(model.get_vector(), before.get_vector())
    assert model.width == [2, 3, 1]


def test_simplify_takes_out_redundant_splines() -> None:
    x = uniform_rows(120, 3, seed=1)
    y = torch.sin(2 * x[:, :1]) + x[:, 1:2] ** 2  # the third input has no part in it
    model = KAN([3, 2, 1], grid=3, seed=1)
    model.fit_grids(x)
    refit = refit_on(x, y, steps=40)
    start = refit(model)
    limit = max(2 * start, 1e-3)
    small = simplify(model, x, refit, limit=limit)
    assert small.active_inputs() == [0, 1]
    assert small.active_edges() < model.active_edges()
    assert float(((small(x) - y) ** 2).mean().detach()) <= limit


def test_simplify_refuses_to_remove_what_is_needed() -> None:
    x, y = needed_product()
    model = KAN([2, [0, 1], 1])
    model.fix(0, 0, 0, "sin", a=2.0)
    model.fix(0, 1, 1, "exp")
    model.fix(1, 0, 0, "x")
    model.layers[0].remove(0, 1)
    model.layers[0].remove(1, 0)
    small = simplify(model, x, refit_on(x, y), limit=1e-12)
    assert small.width == [2, [0, 1], 1]
    assert small.active_edges() == 3
    assert float(((small(x) - y) ** 2).mean().detach()) < 1e-12


def test_simplify_stops_after_enough_failures() -> None:
    x, _ = needed_product()
    tried: list[int] = []

    def never(model: KAN) -> float:
        tried.append(model.active_edges())
        return float("nan")

    model = KAN([2, 4, 1])
    assert simplify(model, x, never, limit=1.0, patience=3) is model
    assert len(tried) == 3 + 3  # the weakest nodes and the weakest edges
    tried.clear()
    simplify(model, x, never, limit=1.0, patience=100)
    assert len(tried) == 4 + 8  # 4 nodes and the 8 edges into them; an edge out is its node's only one


@pytest.mark.parametrize("width", [[2, 3, 1], [2, [1, 1], 2], [2, 2, [0, 2], 1]])
def test_no_hidden_layer_is_ever_emptied(width: Width) -> None:
    x = uniform_rows(30, 2)
    model = KAN(width, seed=1)
    empty = simplify(model, x, lambda _: 0.0, limit=0.0)
    assert empty.active_inputs() == []
    assert model.active_inputs() != []
    assert len(empty.width) == len(width)
    assert all(layer.n_out >= 1 for layer in empty.layers)
    constant = empty(x).detach()
    torch.testing.assert_close(constant, constant[:1].expand(30, -1), rtol=0, atol=0)


# ---- to a number of edges ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("most", "kept"), [(9, [0, 1, 2, 3]), (4, [0, 1, 2, 3]), (2, [1, 3]), (1, [1]), (0, [1])])
def test_of_a_sum_the_strongest_inputs_are_kept_and_at_least_one(most: int, kept: list[int]) -> None:
    x = uniform_rows(100, 4)
    model = additive_network([("x", 1.0, 0.0, c) for c in (1.0, -4.0, 2.0, 3.0)])
    fewer = prune_to_count(model, x, most)
    assert fewer.active_inputs() == kept
    assert fewer.active_edges() == len(kept)
    assert model.active_edges() == 4


def test_the_edges_of_later_layers_are_counted_and_it_is_the_first_that_loses_some() -> None:
    x = uniform_rows(100, 6)
    model = KAN([6, 3, 1], seed=2)
    fewer = prune_to_count(model, x, 8)
    assert int(fewer.layers[0].alive.sum()) == 8 - 3
    assert fewer.active_edges() <= 8  # a node that nothing comes to any more has no edge either
