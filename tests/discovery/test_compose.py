"""Sums of terms as networks of functions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kanrun.discovery.atoms import Factor, Term, arguments_of
from kanrun.discovery.compose import Weighted, finished_network, network_of
from kanrun.discovery.links import LINK_NAMED, LINKS
from kanrun.discovery.problem import Problem
from kanrun.discovery.terms import Sum, Table
from kanrun.functions.library import FUNCTIONS
from kanrun.symbolic.expression import network_expressions
from kanrun.symbolic.values import evaluate_all
from tests.helpers import uniform_rows

X = uniform_rows(50, 3, seed=2, low=0.5, high=2.0)
ARGUMENTS = arguments_of(X)
T = torch.stack([a.values(X, FUNCTIONS) for a in ARGUMENTS], dim=1)

factors = st.builds(
    lambda name, argument, a: Factor(FUNCTIONS[name], argument, a, 0.25, True),
    st.sampled_from(["x", "x^2", "sin", "tanh", "exp", "gaussian"]),
    st.integers(0, len(ARGUMENTS) - 1),
    st.sampled_from([0.5, -0.3]),
)
terms = st.lists(factors, min_size=1, max_size=5).map(tuple)


def values_of(each: Weighted) -> torch.Tensor:
    """The sum, straight from its meaning."""
    total = torch.full((len(T),), each.constant, dtype=T.dtype)
    for c, term in each.terms:
        total = total + c * torch.stack([f.function.value(f.a * T[:, f.argument] + f.b) for f in term]).prod(0)
    return total


@settings(max_examples=20, deadline=None)
@given(st.lists(terms, min_size=0, max_size=5))
def test_the_network_is_the_sum(found: list[Term]) -> None:
    each = Weighted(0.7, [(0.5 + k, term) for k, term in enumerate(found)])
    model = network_of([each], ARGUMENTS, 3, FUNCTIONS, LINKS[0], X[:, :1])
    assert model.is_symbolic()
    with torch.no_grad():
        assert torch.allclose(model(X)[:, 0], values_of(each), rtol=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.lists(terms, min_size=0, max_size=3), st.lists(terms, min_size=1, max_size=3))
def test_the_network_is_the_fraction_and_its_text_too(above: list[Term], below: list[Term]) -> None:
    sums = [Weighted(0.5, [(1.5, term) for term in above]), Weighted(20.0, [(0.5, term) for term in below])]
    if float(values_of(sums[1]).abs().min()) < 0.1:
        return
    model = network_of(sums, ARGUMENTS, 3, FUNCTIONS, LINKS[0], X[:, :1])
    expected = values_of(sums[0]) / values_of(sums[1])
    with torch.no_grad():
        assert torch.allclose(model(X)[:, 0], expected, rtol=1e-8)
    texts = evaluate_all(network_expressions(model, ["x_1", "x_2", "x_3"]), X, ["x_1", "x_2", "x_3"])
    assert torch.allclose(texts[:, 0], expected, rtol=1e-6, atol=1e-9)


def test_lines_pass_nodes_on_where_edges_may_not_be_lines() -> None:
    only = {"sin": FUNCTIONS["sin"]}
    term = (Factor(only["sin"], 0), Factor(only["sin"], 1), Factor(only["sin"], 2))
    model = network_of([Weighted(0.0, [(1.0, term)])], ARGUMENTS, 3, only, LINKS[0], X[:, :1])
    with torch.no_grad():
        assert torch.allclose(model(X)[:, 0], torch.sin(X).prod(1))


@pytest.mark.parametrize("name", ["x", "exp", "1/x", "sqrt", "tanh"])
def test_a_finished_network_fits_the_targets_under_its_link_function(name: str) -> None:
    link = next(o for o in LINKS if o.name == name)
    z = 0.1 + 0.2 * X[:, :1] * X[:, 1:2] + 0.05 * torch.sin(3 * X[:, 2:] + 0.2)
    y = link.apply(z, torch.ones(1))
    table = Table(X, FUNCTIONS)
    found = [
        (Factor(FUNCTIONS["x"], 0), Factor(FUNCTIONS["x"], 1)),
        (Factor(FUNCTIONS["sin"], 2, 2.9, 0.25, True),),
    ]
    scale = float(link.undo(y).std())
    start = torch.tensor([0.1 / scale, 0.2 / scale, 0.05 / scale, 2.9, 0.25], dtype=torch.float64)
    model, loss, _ = finished_network(Sum(found, start), table, link, Problem(X, y, []))
    assert loss < 1e-24
    with torch.no_grad():
        assert torch.allclose(model(X), y, rtol=1e-10)


def test_under_a_relative_link_rows_count_by_their_logarithm_and_those_without_one_not_at_all() -> None:
    link = LINK_NAMED["exp, relative"]
    z = 2.0 + 3.0 * X[:, :1] + 0.2 * torch.randn(50, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = z.exp()
    y[7] = 0.0
    there = torch.arange(50) != 7
    line, level = np.polyfit(X[there, 0].numpy(), z[there, 0].numpy(), 1)
    start = torch.tensor([1.0, 1.0], dtype=torch.float64)
    table = Table(X, FUNCTIONS)
    model, loss, _ = finished_network(Sum([(Factor(FUNCTIONS["x"], 0),)], start), table, link, Problem(X, y, []))
    with torch.no_grad():
        torch.testing.assert_close(model(X), (line * X[:, :1] + level).exp(), rtol=1e-6, atol=0)
        assert loss == pytest.approx(float(((model(X) - y) ** 2).mean()))
