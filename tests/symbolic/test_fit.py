from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit
from torch import Tensor

from kanrun.functions.library import FUNCTIONS, library
from kanrun.symbolic.fit import Candidate, fit_edges, into_domain
from tests.helpers import Array, evaluate_text, uniform_rows

LIBRARY = [f for f in library() if f.name != "0"]

# Where the argument runs: far enough to tell a function from its neighbours.
RANGES = {
    "x": (-1.0, 1.0), "x^2": (-0.8, 1.5), "x^3": (-1.0, 1.5), "x^4": (-1.0, 1.5), "x^5": (-1.0, 1.5),
    "1/x": (0.3, 2.0), "1/x^2": (0.3, 2.0), "1/x^3": (0.3, 2.0), "1/x^4": (0.3, 2.0), "1/x^5": (0.3, 2.0),
    "sqrt": (0.01, 2.0), "x^1.5": (0.01, 3.0), "1/sqrt(x)": (0.05, 2.0), "exp": (-1.0, 3.0), "log": (0.05, 3.0),
    "abs": (-1.0, 1.3), "sin": (-2.0, 4.0), "cos": (-2.0, 4.0), "tan": (-1.2, 1.3), "tanh": (-2.0, 3.0),
    "sgn": (-1.0, 1.5), "arcsin": (-0.95, 0.9), "arccos": (-0.95, 0.9), "arctan": (-3.0, 5.0),
    "arctanh": (-0.95, 0.97), "gaussian": (-2.0, 1.6),
}  # fmt: skip
SAME = {"cos": "sin", "arccos": "arcsin"}  # the same curve with other constants


@dataclass(frozen=True)
class Curves:
    """Curves of known functions with random constants, an edge a column, and what the fit made of them."""

    names: list[str]
    x: Tensor
    y: Tensor
    found: list[list[Candidate]]


@pytest.fixture(scope="module")
def curves() -> Curves:
    """Two curves for every function: with the argument rising and falling, each with its own input range."""
    names, inputs, outputs = [], [], []
    generator = np.random.default_rng(0)
    for name, (low, high) in RANGES.items():
        for turn in (1, -1):
            half, middle = 10 ** generator.uniform(-2, 2), generator.normal() * 3
            part = np.linspace(-1, 1, 80)
            z = (low + high) / 2 + turn * (high - low) / 2 * part
            c, d = generator.choice([-1, 1]) * generator.uniform(0.2, 5), generator.normal() * 3
            names.append(name)
            inputs.append(middle + half * part)
            outputs.append(c * evaluate_text(FUNCTIONS[name].text, z) + d)
    x, y = torch.from_numpy(np.stack(inputs, axis=1)), torch.from_numpy(np.stack(outputs, axis=1))
    return Curves(names, x, y, fit_edges(x, y, LIBRARY))


def kinds(candidates: list[Candidate], count: int = 3) -> list[str]:
    """The names of the first candidates, one name for functions that are the same but for constants."""
    return [SAME.get(c.function.name, c.function.name) for c in candidates[:count]]


def values(candidate: Candidate, x: Array) -> Array:
    """The candidate's curve, by NumPy."""
    return candidate.c * evaluate_text(candidate.function.text, candidate.a * x + candidate.b) + candidate.d


def unexplained(candidate: Candidate, x: Tensor, y: Tensor) -> float:
    """The part of the variance of `y` that the candidate's own numbers leave."""
    return float(((values(candidate, x.numpy()) - y.numpy()) ** 2).mean() / y.numpy().var())


def test_every_function_is_tried() -> None:
    assert set(RANGES) == {f.name for f in LIBRARY}


@pytest.mark.parametrize("name", RANGES)
def test_the_true_function_comes_first_and_explains_all(name: str, curves: Curves) -> None:
    for edge in (e for e, n in enumerate(curves.names) if n == name):
        first = curves.found[edge][0]
        assert kinds([first]) == [SAME.get(name, name)]
        assert first.unexplained < 1e-12
        assert unexplained(first, curves.x[:, edge], curves.y[:, edge]) < 1e-12


def test_constants_give_the_curve_that_is_claimed(curves: Curves) -> None:
    for edge, candidates in enumerate(curves.found):
        x, y = curves.x[:, edge], curves.y[:, edge]
        assert len(candidates) >= 20
        for candidate in candidates:
            assert unexplained(candidate, x, y) == pytest.approx(candidate.unexplained, rel=1e-5, abs=1e-9)


def test_no_candidate_leaves_more_than_a_constant_would(curves: Curves) -> None:
    assert max(candidate.unexplained for candidates in curves.found for candidate in candidates) < 1 + 1e-9


def test_candidates_are_sorted_and_each_function_comes_once(curves: Curves) -> None:
    for candidates in curves.found:
        scores = [candidate.score() for candidate in candidates]
        assert scores == sorted(scores)
        names = [candidate.function.name for candidate in candidates]
        assert len(names) == len(set(names))


def test_a_function_of_one_more_complexity_must_leave_a_quarter() -> None:
    def score(name: str, rest: float) -> float:
        return Candidate(FUNCTIONS[name], 1.0, 0.0, 1.0, 0.0, rest).score()

    assert FUNCTIONS["x^3"].complexity == FUNCTIONS["x^2"].complexity + 1
    assert score("x^3", 0.25e-4) == pytest.approx(score("x^2", 1e-4), abs=1e-3)
    assert score("x^3", 0.2e-4) < score("x^2", 1e-4) < score("x^3", 0.3e-4)
    assert math.isfinite(score("x", 0.0))


@pytest.mark.parametrize("factor", [2.0**20, 2.0**-20, -(2.0**20)])
def test_the_unit_of_the_output_changes_only_c_and_d(factor: float, curves: Curves) -> None:
    edges = list(range(0, len(curves.names), 7))
    x, y = curves.x[:, edges], curves.y[:, edges]
    for before, after in zip(fit_edges(x, y, LIBRARY), fit_edges(x, factor * y, LIBRARY), strict=True):
        assert [c.function.name for c in after] == [c.function.name for c in before]
        for old, new in zip(before, after, strict=True):
            assert new.unexplained == pytest.approx(old.unexplained, rel=1e-9, abs=1e-25)
            assert (new.a, new.b) == pytest.approx((old.a, old.b), rel=1e-6)
            assert (new.c, new.d) == pytest.approx((factor * old.c, factor * old.d), rel=1e-6)


def test_a_shift_and_a_turn_of_the_output_keep_the_ranking(curves: Curves) -> None:
    edges = [e for e, name in enumerate(curves.names) if name in ("exp", "sin", "log", "tanh", "x^3", "1/x")]
    x, y = curves.x[:, edges], curves.y[:, edges]
    for edge, candidates in zip(edges, fit_edges(x, 40 - 7 * y, LIBRARY), strict=True):
        assert kinds(candidates) == kinds(curves.found[edge])
        assert candidates[0].unexplained < 1e-12


def test_a_shift_and_a_stretch_of_the_input_keep_the_ranking(curves: Curves) -> None:
    edges = [e for e, name in enumerate(curves.names) if name in ("exp", "sin", "log", "tanh", "x^3", "1/x")]
    x, y = curves.x[:, edges], curves.y[:, edges]
    for edge, candidates in zip(edges, fit_edges(100 * x + 3, y, LIBRARY), strict=True):
        assert kinds(candidates) == kinds(curves.found[edge])
        assert candidates[0].unexplained < 1e-12


def test_many_edges_at_once_are_fitted_as_one_by_one(curves: Curves) -> None:
    for edge in range(0, len(curves.names), 11):
        (alone,) = fit_edges(curves.x[:, [edge]], curves.y[:, [edge]], LIBRARY)
        together = curves.found[edge]
        assert kinds(alone) == kinds(together)
        for one, other in zip(alone[:3], together[:3], strict=True):
            assert one.unexplained == pytest.approx(other.unexplained, rel=1e-3, abs=1e-20)


@pytest.mark.parametrize(
    ("name", "a", "b"),
    [("exp", 1.5, 0.2), ("tanh", 1.3, 0.4), ("gaussian", 1.2, -0.3), ("log", 0.9, 1.1), ("sin", 2.5, 0.5)],
)
def test_a_noisy_curve_gets_the_least_squares_constants(name: str, a: float, b: float) -> None:
    x = uniform_rows(120, 1, seed=1)[:, 0]
    function = FUNCTIONS[name]

    def model(at: Array, a: float, b: float, c: float, d: float) -> Array:
        return c * evaluate_text(function.text, a * at + b) + d

    y = torch.from_numpy(model(x.numpy(), a, b, 2.0, -1.0)) + 0.05 * uniform_rows(120, 1, seed=2)[:, 0]
    constants, _ = curve_fit(model, x.numpy(), y.numpy(), p0=(a, b, 2.0, -1.0), xtol=1e-12, ftol=1e-12)
    expected = float(((model(x.numpy(), *constants) - y.numpy()) ** 2).mean() / y.numpy().var())
    ((found,),) = fit_edges(x[:, None], y[:, None], [function])
    assert expected > 1e-5
    assert found.unexplained == pytest.approx(expected, rel=1e-4)
    assert unexplained(found, x, y) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", ["sqrt", "x^1.5", "arcsin"])
def test_curves_that_reach_the_border_of_a_domain_stay_finite_there(name: str) -> None:
    low = torch.tensor(-1.0 if name == "arcsin" else 0.0, dtype=torch.float64)
    part = torch.linspace(0, 1, 50, dtype=torch.float64)[:, None]
    x = torch.linspace(0.1, 3.0, 30, dtype=torch.float64) + part * torch.linspace(1.3, 2.0, 30, dtype=torch.float64)
    y = FUNCTIONS[name].value(low + (1 - low) * part).expand(-1, 30)
    for edge, candidates in enumerate(fit_edges(x, y, [FUNCTIONS[name]])):
        with np.errstate(invalid="ignore"):
            at_rows = values(candidates[0], x[:, edge].numpy())
        assert np.isfinite(at_rows).all(), edge
        np.testing.assert_allclose(at_rows, y[:, edge], rtol=0, atol=1e-2)


@given(
    seed=st.integers(0, 10**6),
    rows=st.integers(5, 40),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
    offset=st.floats(-2.0, 2.0),
)
@settings(deadline=None, max_examples=5, derandomize=True)
def test_arbitrary_curves_never_fail(seed: int, rows: int, scale: float, offset: float) -> None:
    x = scale * (uniform_rows(rows, 2, seed) + offset)
    y = uniform_rows(rows, 2, seed + 1) ** 3 / scale
    for edge, candidates in enumerate(fit_edges(x, y, LIBRARY)):
        assert candidates
        best = candidates[0]
        assert unexplained(best, x[:, edge], y[:, edge]) == pytest.approx(best.unexplained, rel=1e-4, abs=1e-9)


def test_a_constant_curve_gets_the_simplest_function_and_its_level() -> None:
    x = uniform_rows(30, 1, seed=1)
    y = torch.full((30, 1), 2.5, dtype=torch.float64)
    best = fit_edges(x, y, LIBRARY)[0][0]
    assert best.function.name == "x"
    np.testing.assert_allclose(values(best, x[:, 0].numpy()), 2.5, rtol=1e-12)


def test_an_input_that_does_not_vary_gets_usable_constants() -> None:
    x = torch.full((30, 1), 3.0, dtype=torch.float64)
    y = torch.full((30, 1), 2.5, dtype=torch.float64)
    best = fit_edges(x, y, LIBRARY)[0][0]
    assert max(abs(best.a), abs(best.b), abs(best.c), abs(best.d)) < 1e6
    np.testing.assert_allclose(values(best, x[:, 0].numpy()), 2.5, rtol=1e-12)
    np.testing.assert_allclose(values(best, np.array([3.001])), 2.5, atol=0.1)


def test_a_curve_that_has_no_value_on_some_row_gets_no_function() -> None:
    x = uniform_rows(30, 2, seed=1)
    y = x.clone()
    y[3, 0] = math.nan
    lost, found = fit_edges(x, y, LIBRARY)
    assert lost == [] and found[0].function.name == "x"


def test_rounding_takes_no_row_out_of_a_domain_with_a_border() -> None:
    x = torch.tensor([-3.0, 0.0, 3.0], dtype=torch.float64)
    beyond = math.nextafter(1 / 3, 1)
    a, b = into_domain(FUNCTIONS["arcsin"], 4 * beyond / 4 * (1 + 1e-15), 0.0, x)
    assert (a * x + b).abs().amax() <= 1 and a == pytest.approx(1 / 3, rel=1e-14)
    a, b = into_domain(FUNCTIONS["sqrt"], 1.0, math.nextafter(3.0, 0.0), x)
    assert (a * x + b).amin() >= 0 and b == pytest.approx(3.0, rel=1e-14)
    assert into_domain(FUNCTIONS["sin"], 2.0, 0.5, x) == (2.0, 0.5)
