from __future__ import annotations

import math
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from kanrun.data.losses import CROSS_ENTROPY, MSE
from kanrun.functions.library import FUNCTIONS, library
from kanrun.model import grids, spline
from kanrun.model.network import KAN, Width
from kanrun.symbolic import search
from kanrun.symbolic.search import Symbolic, pareto, spline_edges, symbolify
from kanrun.symbolic.snap import EXACT
from kanrun.training.least_squares import levenberg_marquardt
from tests.helpers import fixed_network, plain_forward, uniform_rows

# All that the problems here need, and some that look like it.
SEVERAL = [
    "x", "x^2", "x^3", "1/x", "sqrt", "exp", "log", "sin", "cos", "tanh", "arctanh", "gaussian", "abs",
]  # fmt: skip

Edges = list[tuple[int, int, int, str, float, float, float]]
Problem = tuple[KAN, KAN, Tensor, Tensor]


def spline_problem(width: Width, edges: Edges, low: float = -1.0, high: float = 1.0, grid: int = 8) -> Problem:
    """A network of known functions, a network of splines fitted to it, and the rows that both agree on."""
    truth = fixed_network(width, edges)
    x = uniform_rows(120, truth.n_in, 1, low, high)
    y = truth(x).detach()
    model = KAN(width, grid, base="zero")
    for layer, known, trace in zip(model.layers, truth.layers, truth.trace(x), strict=True):
        layer.alive &= known.alive
        layer.set_grid(grids.fitted_grid(trace.inputs, grid, 0.02))
        curves = spline.fit_coefficients(trace.inputs, trace.edges.transpose(1, 2), layer.grid, layer.k)
        layer.coef.data.copy_(curves.transpose(0, 1))
        layer.bias.data.copy_(known.bias.data)
    fit = levenberg_marquardt(model, x, y, MSE, 10)
    assert 0 < fit.loss < 1e-3 * float(y.var())
    return truth, model, x, y


def searched(problem: Problem, names: list[str] | None = None) -> Symbolic:
    """The symbolic network for a problem, down to rounding."""
    _, model, x, y = problem
    return symbolify(model, x, y, MSE, library(names or SEVERAL), enough=EXACT * float(y.var()))


def functions(model: KAN) -> set[str]:
    """The functions on the edges that are left."""
    return {name for layer in model.layers for edge, name in layer.functions.items() if bool(layer.alive[edge])}


def distance(model: KAN, truth: KAN, low: float, high: float) -> float:
    """The largest difference on fresh rows, as a part of the truth's spread."""
    x = uniform_rows(300, truth.n_in, 99, low, high)
    expected = plain_forward(truth, x.numpy())
    return float(np.abs(model(x).detach().numpy() - expected).max() / expected.std())


HELLO: Edges = [(0, 0, 0, "sin", math.pi, 0, 1), (0, 1, 0, "x^2", 1, 0, 1), (1, 0, 0, "exp", 1, 0, 1)]
LOGS: Edges = [(0, 0, 0, "log", 1, 0, 1), (0, 1, 0, "log", 1, 0, 1), (1, 0, 0, "exp", 1, 0, 1)]
SPEEDS: Edges = [(0, 0, 0, "arctanh", 1, 0, 1), (0, 1, 0, "arctanh", 1, 0, 1), (1, 0, 0, "tanh", 1, 0, 1)]
LENGTH: Edges = [(0, 0, 0, "x^2", 1, 0, 1), (0, 1, 0, "x^2", 1, 0, 1), (1, 0, 0, "sqrt", 1, 0.1, 1)]
QUOTIENT: Edges = [(0, 0, 0, "x", 1, 0, 1), (0, 1, 0, "x^2", 1, 0, 1), (1, 0, 0, "1/x", 1, 2.5, 3)]
SUM: Edges = [(0, 0, 0, "sin", 3, 0.2, 1), (0, 1, 0, "tanh", 2, 0.3, -2), (0, 2, 0, "x^3", 1, 0.5, 1)]
PRODUCT: Edges = [(0, 0, 0, "sin", 2, 0.2, 1), (0, 1, 0, "x", 1, 1, 1), (0, 1, 1, "exp", 1, 0, 1)]
TWO: Edges = [*PRODUCT, (0, 0, 1, "gaussian", 1, 0.3, 1)]
DEEP: Edges = [(0, 0, 0, "x", 1, 0, 1), (0, 1, 0, "x^2", 1, 0, 1), (1, 0, 0, "sin", 2, 0, 1), (2, 0, 0, "exp", 1, 0, 1)]
PLANTED: dict[str, tuple[Width, Edges, float, float]] = {
    "hello": ([2, 1, 1], HELLO, -1.0, 1.0),
    "sum": ([3, 1], SUM, -1.0, 1.0),
    "product node": ([2, [0, 1]], PRODUCT, -1.0, 1.0),
    "two outputs": ([2, 2], TWO, -1.0, 1.0),
    "product by logarithms": ([2, 1, 1], LOGS, 0.2, 2.0),
    "sum of speeds": ([2, 1, 1], SPEEDS, -0.9, 0.9),
    "length": ([2, 1, 1], LENGTH, -1.0, 1.0),
    "quotient": ([2, 1, 1], QUOTIENT, -1.0, 1.0),
    "three layers": ([2, 1, 1, 1], DEEP, -1.0, 1.0),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_structures_are_found_to_rounding(name: str) -> None:
    width, edges, low, high = PLANTED[name]
    problem = spline_problem(width, edges, low, high)
    truth, spline_model, *_ = problem
    assert distance(spline_model, truth, low, high) > 1e-6
    found = searched(problem)
    assert found.model.is_symbolic()
    assert distance(found.model, truth, low, high) < 1e-8
    assert found.model.width == truth.width
    assert found.model.active_edges() == truth.active_edges()


@pytest.fixture(scope="module")
def hello() -> Problem:
    return spline_problem(*PLANTED["hello"])


@cache
def found_once(*names: str) -> Symbolic:
    """What a search of these functions, or SEVERAL, comes to in the first of the problems, for all who look at it."""
    return searched(spline_problem(*PLANTED["hello"]), list(names) or None)


def test_the_network_that_is_given_stays_as_it_is_and_gives_the_same_result_again(hello: Problem) -> None:
    _, model, x, _ = hello
    before = model(x).detach()
    edges = spline_edges(model)
    first, second = searched(hello), found_once()
    assert torch.equal(model(x), before)
    assert spline_edges(model) == edges == [(0, 0, 0), (0, 0, 1), (1, 0, 0)]
    assert torch.equal(first.model.get_vector(), second.model.get_vector())
    assert (first.loss, first.bits) == (second.loss, second.bits)


def test_the_loss_is_that_of_the_model_that_is_returned(hello: Problem) -> None:
    _, _, x, y = hello
    for names in (None, ["x", "x^2", "sin"]):
        found = found_once(*(names or []))
        measured = float(MSE.value(found.model(x).detach(), y))
        assert found.loss == pytest.approx(measured, rel=1e-6, abs=1e-28)


@pytest.mark.parametrize("names", [["x", "x^2", "sin"], ["x"], ["exp", "tanh"], ["0", "x", "cos"], ["log", "sqrt"]])
def test_only_functions_of_the_library_are_used(names: list[str]) -> None:
    found = found_once(*names)
    assert functions(found.model) <= set(names) - {"0"}
    assert all(functions(model) <= set(names) - {"0"} for model in found.front)
    assert math.isfinite(found.loss)


def test_zero_is_never_a_choice_also_where_an_edge_does_nothing() -> None:
    x = uniform_rows(100, 2, 3)
    y = torch.sin(2 * x[:, :1])
    model = KAN([2, 1], grid=5)
    levenberg_marquardt(model, x, y, MSE, 20)
    assert bool(model.layers[0].alive.all())
    found = symbolify(model, x, y, MSE, library(), enough=EXACT)
    assert "0" not in functions(found.model)
    assert bool(found.model.layers[0].alive.all())
    assert found.loss < 1e-12


def test_noise_does_not_lure_the_search_away_from_the_truth(hello: Problem) -> None:
    truth, model, x, y = hello
    noise = 0.03 * torch.randn(y.shape, generator=torch.Generator().manual_seed(0), dtype=y.dtype)
    noisy = model.clone()
    levenberg_marquardt(noisy, x, y + noise, MSE, 10)
    found = symbolify(noisy, x, y + noise, MSE, library(SEVERAL))
    assert functions(found.model) in ({"sin", "x^2", "exp"}, {"cos", "x^2", "exp"})
    assert distance(found.model, truth, -1.0, 1.0) < 0.05


def test_edges_that_a_user_has_locked_stay_what_they_are() -> None:
    truth, model, x, y = spline_problem(*PLANTED["hello"])
    model.fix(0, 1, 0, "x^2", 1.0, 0.0, 1.0, 0.0, trainable=False)
    model.fix(1, 0, 0, "exp", 0.9, 0.05, 1.1, 0.1)
    found = searched((truth, model, x, y))
    first, second = found.model.layers
    assert first.functions[0, 1] == "x^2"
    assert first.affine[0, 1].tolist() == [1.0, 0.0, 1.0]
    assert not bool(first.is_trainable[0, 1])
    assert second.functions[0, 0] == "exp"
    assert distance(found.model, truth, -1.0, 1.0) < 1e-8


def test_a_lock_that_is_wrong_is_kept_all_the_same() -> None:
    truth, model, x, y = spline_problem(*PLANTED["hello"])
    model.fix(0, 0, 0, "x", 0.5, 0.1, 2.0, 0.0, trainable=False)
    found = searched((truth, model, x, y), ["x", "x^2", "sin", "exp"])
    assert found.model.layers[0].functions[0, 0] == "x"
    assert found.model.layers[0].affine[0, 0].tolist() == [0.5, 0.1, 2.0]


def test_without_spline_edges_the_constants_are_only_polished() -> None:
    width, edges, *_ = PLANTED["hello"]
    truth = fixed_network(width, edges)
    x = uniform_rows(150, 2, 5)
    start = fixed_network(width, [(*edge[:4], *(1.03 * v + 0.01 for v in edge[4:])) for edge in edges])
    found = symbolify(start, x, truth(x).detach(), MSE, library(["x"]))
    assert [layer.functions for layer in found.model.layers] == [layer.functions for layer in truth.layers]
    assert distance(found.model, truth, -1.0, 1.0) < 1e-8
    assert start.layers[0].affine[0, 0, 0].item() == pytest.approx(1.03 * math.pi + 0.01)


def test_a_network_that_cannot_be_trained_is_returned_with_its_loss() -> None:
    model = fixed_network([1, 1], [(0, 0, 0, "sin", 2.0, 0.0, 1.0, 0.0, False)])
    x = uniform_rows(20, 1)
    found = symbolify(model, x, torch.zeros(20, 1, dtype=x.dtype), MSE, library())
    assert found.loss == pytest.approx(float((torch.sin(2 * x) ** 2).mean()), rel=1e-12)


@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_constants_stay_moderate_on_classes_that_can_be_told_apart(margin: float) -> None:
    x = uniform_rows(300, 2, 2)
    side = x[:, 0] + x[:, 1] ** 2 - 0.3
    x, side = x[side.abs() > margin], side[side.abs() > margin]
    y = (side > 0).long()
    model = KAN([2, 2], grid=3)
    levenberg_marquardt(model, x, y, CROSS_ENTROPY, 20, 1e-5)
    found = symbolify(
        model, x, y, CROSS_ENTROPY, library(["x", "x^2", "exp", "sin", "tanh", "log"]), rounds=1, steps=30
    )
    right = (found.model(x).argmax(1) == y).double().mean()
    assert float(right) > 0.98
    assert found.loss < 0.1
    for layer in found.model.layers:
        used = torch.cat([layer.affine[layer.alive].flatten(), layer.bias]).detach()
        assert float(used.abs().max()) < 1000


def complexity(model: KAN) -> int:
    """The summed complexities of the functions on the edges, counted here."""
    return sum(
        FUNCTIONS[layer.functions[s, i]].complexity for layer in model.layers for s, i in layer.alive.nonzero().tolist()
    )


@pytest.mark.parametrize("names", [None, ["x", "x^2", "x^3", "sin"], ["x", "tanh", "gaussian"]])
def test_the_front_grows_in_complexity_and_falls_in_loss(names: list[str] | None, hello: Problem) -> None:
    _, _, x, y = hello
    found = found_once(*(names or []))
    points = [(complexity(model), float(MSE.value(model(x).detach(), y))) for model in found.front]
    assert points
    for (simple, rough), (rich, fine) in pairwise(points):
        assert simple < rich
        assert fine < rough
    best = (complexity(found.model), found.loss)
    assert not any(c <= best[0] and loss < 0.5 * best[1] for c, loss in points)


def test_pareto_keeps_what_no_other_beats() -> None:
    networks = {
        name: fixed_network([1, 1], [(0, 0, 0, name, 1.0, 0.0, 1.0)])
        for name in ("x", "x^2", "x^3", "x^4", "sin", "exp")
    }
    losses = {"x": 1.0, "x^2": 2.0, "sin": 0.3, "exp": 0.2, "x^3": 0.01, "x^4": math.nan}
    front = pareto([Symbolic(networks[name], loss, 0.0) for name, loss in losses.items()])
    assert [next(iter(functions(model))) for model in front] == ["x", "exp", "x^3"]


def test_an_output_that_never_changes_costs_no_bits() -> None:
    model = fixed_network([1, 2], [(0, 0, 0, "sin", 2.0, 0.3, 1.0), (0, 0, 1, "x", 0.0, 0.0, 1.0)])
    x = uniform_rows(50, 1, seed=1)
    y = torch.cat([x + 1.0, torch.full_like(x, 3.0)], dim=1)
    both, first = search.Search(x, y, MSE, [], 0.0), y[:, :1]
    ours = model(x).detach()
    loss, null = float(MSE.value(ours[:, :1], first)), float(first.var(correction=0))
    expected = MSE.description_bits(loss, null, complexity(model), model.parameter_count(), 50)
    assert both.bits(model, float(MSE.value(ours, y))) == pytest.approx(expected)


def test_curves_of_fewer_rows_keep_both_ends() -> None:
    x, y = uniform_rows(97, 3, seed=1), uniform_rows(97, 3, seed=2)
    inputs, outputs = search.thinned(x, y, 10)
    assert len(inputs) == len(outputs) < 15
    assert torch.equal(inputs.amin(0), x.amin(0)) and torch.equal(inputs.amax(0), x.amax(0))
    for edge in range(3):
        pairs = set(zip(x[:, edge].tolist(), y[:, edge].tolist(), strict=True))
        assert set(zip(inputs[:, edge].tolist(), outputs[:, edge].tolist(), strict=True)) <= pairs
    assert all(one is other for one, other in zip(search.thinned(x, y, 1), (x, y), strict=True))


def test_of_very_many_edges_each_keeps_its_best_function(monkeypatch: pytest.MonkeyPatch) -> None:
    edges = [(0, 0, 0, "sin", 2.0, 0.3, 1.0), (0, 1, 0, "x^2", 1.0, 0.2, 0.5), (0, 2, 0, "exp", 0.8, 0.1, 0.4)]
    _, model, x, y = spline_problem([3, 1], edges)
    functions = library(["x", "x^2", "sin", "exp"])
    one_by_one = search.Search(x, y, MSE, functions, 0.0).candidates(model, spline_edges(model))
    monkeypatch.setattr(search, "MANY", 1)
    found = symbolify(model, x, y, MSE, functions)
    best = [c[0].function.name for c in one_by_one]
    assert [list(one.layers[0].functions.values()) for one in (found.model, *found.front)] == [best] * (
        1 + len(found.front)
    )


def test_an_edge_is_exchanged_for_the_function_that_says_more_and_never_for_its_own() -> None:
    x = uniform_rows(60, 1, seed=1)
    y = torch.sin(2 * x + 0.3)
    trials = search.Search(x, y, MSE, library(["x", "x^2", "sin"]), EXACT)
    line = trials.polish(fixed_network([1, 1], [(0, 0, 0, "x", 1.0, 0.0, 1.0)]), 10)
    assert trials.exchange(line, (0, 0, 0), ["x"], 0, 30) is line and trials.tried == [line]
    assert trials.exchange(line, (0, 0, 0), ["exp"], 0, 30) is line and trials.tried == [line]  # no choice any more
    found = trials.exchange(line, (0, 0, 0), [], 3, 30)
    assert functions(found.model) == {"sin"}
    assert found.loss < 1e-12 and found.bits < line.bits
