from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import sympy as sp
import torch
from torch import Tensor

from kanrun.context import UNLIMITED, Context
from kanrun.discovery import curve_fits
from kanrun.discovery.curve_fits import Found
from kanrun.discovery.links import LINK_NAMED
from kanrun.discovery.moves import edge_curves
from kanrun.discovery.moves.edge_curves import EdgeCurves, additive, curves_of_edges
from kanrun.discovery.problem import Problem
from kanrun.discovery.search import Search
from kanrun.discovery.structures import structures
from kanrun.discovery.trial import Trial
from kanrun.functions.curves import CURVES
from kanrun.functions.library import library
from kanrun.symbolic.expression import network_expressions
from kanrun.symbolic.textbook import as_in_textbooks
from tests.helpers import uniform_rows

FEW = ["x", "x^2", "1/x", "exp", "log", "sin"]
X = uniform_rows(80, 2, 0, 0.2, 5.0)
FRESH = uniform_rows(50, 2, 1, 0.3, 4.9)
NOISE = torch.randn(80, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
a, b = sp.symbols("x_1 x_2", real=True)


def searched(x: Tensor, y: Tensor, link: str) -> Search:
    """A search that has fitted a sum of functions under a link function."""
    problem = Problem(x, y, library(FEW))
    search = Search.begun(problem, 0, UNLIMITED, lambda _: [])
    fitted = search.fits.coarse(next(iter(structures(x.shape[1], x.dtype))), LINK_NAMED[link], 0)[0]
    search.state.reserve.append(search.fits.sharpened(fitted))
    return search


def choose_among_some(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Edges become one of these curves or of a third of the others: all of them take longer."""
    some = [c for k, c in enumerate(CURVES) if k % 3 == 0 or c.name in names]
    assert {c.name for c in some}.issuperset(names)
    monkeypatch.setattr(curve_fits, "CURVES", some)


def sum_of_two(x: Tensor) -> Tensor:
    return 1.3 * x[:, :1] ** 0.73 + 4 / (1 + (2.1 * (3.2 - x[:, 1:])).exp())


def product_of_two(x: Tensor) -> Tensor:
    return 5 * x[:, :1] ** 0.6 / (1 + (x[:, 1:] / 2.2) ** 3)


@pytest.mark.slow
@pytest.mark.parametrize(("law", "link"), [(sum_of_two, "x"), (product_of_two, "exp")])
def test_edges_become_the_curves_of_the_law(
    law: Callable[[Tensor], Tensor], link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose_among_some(monkeypatch, "power", "logistic", "activation with a power")
    y = law(X) * (1 + 0.01 * NOISE)
    search = searched(X, y, link)
    move = EdgeCurves(part=1.0)
    assert move.wanted(search)
    assert not move.run(search)
    problem = search.problem
    best = min(search.state.findings.all, key=lambda found: problem.form_and_bits(found)[1])
    assert best.symbolic.loss < 4e-4 * float(y.square().mean())
    expression = as_in_textbooks(network_expressions(best.symbolic.model, ["x_1", "x_2"])[0])
    ours = sp.lambdify([a, b], expression, "numpy")(*FRESH.T.numpy())
    theirs = law(FRESH)[:, 0].numpy()
    assert ours == pytest.approx(theirs, rel=0.03)
    assert not expression.atoms(sp.sin, sp.cos, sp.atan, sp.acos, sp.asin)


def test_what_an_edge_is_told_is_what_the_others_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    choose_among_some(monkeypatch, "logarithm of the input", "line")
    y = 2 * X[:, :1].log() + 3 * X[:, 1:]
    search = searched(X, y, "x")
    [trial] = additive(search)
    first, second = curves_of_edges(search, trial, UNLIMITED)
    assert first[0].name == "logarithm of the input" and second[0].name == "line"
    slopes = [float(sp.diff(e.expression, s).subs(s, 2.0)) for e, s in ((first[0], a), (second[0], b))]
    assert slopes == pytest.approx([1.0, 3.0], rel=1e-3)
    assert len({found.name for found in first}) == len(first) > 1


def test_a_turn_whose_network_is_no_longer_looked_at_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    y = X[:, :1] + X[:, 1:]
    search, move, looked_at = searched(X, y, "x"), EdgeCurves(part=1.0), list[Trial]()
    first = search.state.reserve[0]
    search.state.reserve[:] = [replace(first, unexplained=1e-3), replace(first, link_name="exp", unexplained=2e-3)]
    assert len(additive(search)) == 2

    def keeps_a_better_one(search: Search, trial: Trial, _: Context) -> None:
        looked_at.append(trial)
        search.state.reserve.pop()  # as a formula does that leaves a third of what this network leaves

    monkeypatch.setattr(edge_curves, "keep_sums", keeps_a_better_one)
    assert move.run(search)
    search.state.doing.turn += 1
    assert not move.run(search)
    assert len(looked_at) == 1


def test_it_is_for_sums_that_explain_as_much_as_what_was_found() -> None:
    y = X[:, :1] * X[:, 1:].sin()
    search = searched(X, y, "x")
    assert search.state.reserve[0].unexplained > 0.03
    assert not EdgeCurves(part=1.0).wanted(search)
    one = searched(X[:, :1], X[:, :1].exp(), "x")  # of one input there are the curves themselves
    assert one.state.reserve[0].unexplained < 1e-3
    assert not EdgeCurves(part=1.0).wanted(one)
    assert math.isfinite(one.problem.variance)


def kept_of(search: Search, bits: list[float], monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The bits of the sums that are kept where those met have these."""
    curve, left, kept = Found("line", a, 0.0), list(bits), list[float]()
    monkeypatch.setattr(edge_curves, "curves_of_edges", lambda *_: [[curve], [curve] * len(bits)])
    monkeypatch.setattr(edge_curves, "described", lambda found, *_: [Found(str(left[0]), found[0][1], left.pop(0))])
    monkeypatch.setattr(edge_curves, "keep_expression", lambda _, name, __: kept.append(float(name.split()[1])))
    [trial] = additive(search)
    edge_curves.keep_sums(search, trial, UNLIMITED)
    return kept


def test_sums_that_are_much_longer_than_the_best_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    search = searched(X, X[:, :1] + X[:, 1:], "x")
    assert kept_of(search, [50.0, 10.0, 12.0], monkeypatch) == [10.0, 12.0]
    monkeypatch.setattr(edge_curves, "MOST", -1)  # constants that a formula may have
    assert kept_of(search, [50.0, 10.0, 12.0], monkeypatch) == []


def test_edges_say_nothing_of_targets_that_no_output_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    search = searched(X, X[:, :1] + X[:, 1:], "x")
    [trial] = additive(search)
    monkeypatch.setattr(type(trial.link), "slope", lambda *_: torch.full((80, 1), math.nan, dtype=torch.float64))
    assert list(curves_of_edges(search, trial, UNLIMITED)) == []
