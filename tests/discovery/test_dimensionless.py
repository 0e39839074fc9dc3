from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kanrun.context import Budget, Context, Meter
from kanrun.discovery.dimensionless import similarities
from kanrun.discovery.moves.dimensionless import Dimensionless
from kanrun.discovery.moves.schedule import schedule
from kanrun.discovery.problem import Problem
from kanrun.discovery.search import Search
from kanrun.functions.library import FUNCTIONS
from kanrun.symbolic.dimensions import Units
from kanrun.symbolic.expression import network_expressions
from tests.helpers import uniform_rows

MECHANICS = {  # length, mass, time, and the factor that leads to base units
    "l": (1.0, 0.0, 0.0, 0.0), "m": (0.0, 1.0, 0.0, 0.0), "t": (0.0, 0.0, 1.0, 0.0), "v": (1.0, 0.0, -1.0, 0.0),
    "c": (1.0, 0.0, -1.0, 0.0), "g": (1.0, 0.0, -2.0, 0.0), "E": (2.0, 1.0, -2.0, 0.0), "angle": (0.0, 0.0, 0.0, 0.0),
}  # fmt: skip


def units(inputs: str, output: str) -> tuple[Units, list[str]]:
    names = inputs.split()
    return Units({n: MECHANICS[n] for n in names if n in MECHANICS}, MECHANICS[output]), names


def test_a_pendulum_swings_by_the_root_of_length_over_gravity() -> None:
    measured, names = units("l g angle m", "t")
    found = similarities(measured, names, [True] * 4)
    assert found is not None and found.factor == {0: 0.5, 1: -0.5}
    assert found.groups == ({2: 1.0},)  # the mass has no part in it


exponent = st.integers(-2, 2).map(float)
dimension = st.tuples(exponent, exponent, exponent, st.floats(-1, 1))


@settings(max_examples=25, deadline=None)
@given(st.lists(dimension, min_size=1, max_size=5), dimension)
def test_groups_have_no_dimension_and_the_factor_that_of_the_target(
    inputs: list[tuple[float, ...]], output: tuple[float, ...]
) -> None:
    names = [f"x_{i + 1}" for i in range(len(inputs))]
    found = similarities(Units(dict(zip(names, inputs, strict=True)), output), names, [True] * len(names))
    matrix = np.array([d[:-1] for d in inputs]).T
    if found is None:
        return
    assert matrix @ [found.factor.get(i, 0.0) for i in range(len(names))] == pytest.approx(output[:-1], abs=1e-9)
    for group in found.groups:
        assert matrix @ [group.get(i, 0.0) for i in range(len(names))] == pytest.approx([0, 0, 0], abs=1e-9)
    assert len(found.groups) <= len(names) - np.linalg.matrix_rank(matrix)


@pytest.mark.parametrize(
    ("inputs", "output", "positive"),
    [
        ("l m", "t", [True, True]),  # no time among them
        ("l g", "t", [True, False]),  # a root of what may be negative
        ("angle q", "t", [True, True]),  # nothing with a dimension
    ],
)
def test_without_a_product_of_the_targets_unit_there_are_no_groups(
    inputs: str, output: str, positive: list[bool]
) -> None:
    measured, names = units(inputs, output)
    assert similarities(measured, names, positive) is None
    assert similarities(Units(measured.symbols), names, positive) is None


def test_inputs_of_unknown_units_and_angles_are_groups_of_their_own_whatever_their_sign() -> None:
    measured, names = units("q v angle l", "t")
    found = similarities(measured, names, [False, True, False, True])
    assert found is not None and found.factor == {1: -1.0, 3: 1.0} and found.groups == ({0: 1.0}, {2: 1.0})


def searched(x: torch.Tensor, y: torch.Tensor, inputs: str, output: str, work: float = 3000.0) -> Search:
    measured, names = units(inputs, output)
    names = [*names]
    functions = [f for name, f in FUNCTIONS.items() if name != "0"]
    problem = Problem(x, y, functions, names=tuple(names), measured=measured)
    context = Context(Budget.of(Meter(), math.inf, work))
    return Search.begun(problem, 0, context, lambda p: [Dimensionless(0.9)] if p.measured else schedule(p))


def test_the_energy_of_a_moving_mass_is_found_over_the_only_group() -> None:
    x = torch.stack([1 + 2 * uniform_rows(150, 1, seed=1)[:, 0].abs(), 5 + uniform_rows(150, 1, seed=2)[:, 0],
                     0.2 + 3.6 * uniform_rows(150, 1, seed=3)[:, 0].abs()], dim=1)  # fmt: skip
    m, c, v = x.unbind(1)
    y = (m * c**2 / torch.sqrt(1 - (v / c) ** 2))[:, None]
    state = searched(x, y, "m c v", "E", 1500.0).run()
    assert state.findings.exact and state.result is not None
    model = state.result.symbolic.model
    torch.testing.assert_close(model(x).detach(), y, rtol=1e-9, atol=0)


@pytest.mark.parametrize("factor", [0.5, -3.0])
def test_without_a_group_the_target_is_a_constant_times_the_factor(factor: float) -> None:
    x = 0.5 + uniform_rows(60, 2, seed=1).abs()
    y = factor * x[:, :1] * x[:, 1:] ** 2
    state = searched(x, y, "m v", "E", 200.0).run()
    assert state.findings.exact and state.result is not None
    (expression,) = network_expressions(state.result.symbolic.model, ["m", "v"])
    torch.testing.assert_close(state.result.symbolic.model(x).detach(), y)
    assert {s.name for s in expression.free_symbols} == {"m", "v"}


def test_a_law_with_a_constant_of_its_own_unit_is_none_over_groups() -> None:
    x = 0.5 + uniform_rows(100, 2, seed=1).abs()
    y = torch.exp(-x[:, :1]) * x[:, 1:] ** 2  # exp(-m / 1 kg) does not add up
    state = searched(x, y, "m v", "E", 300.0).run()
    assert not state.findings.exact
    assert not searched(x, y, "q r", "t").problem.measured.symbols  # type: ignore[union-attr]
    assert not Dimensionless(0.5).wanted(searched(x, y, "q r", "t"))


def test_without_a_product_of_the_targets_unit_nothing_is_kept() -> None:
    x = 0.5 + uniform_rows(60, 2, seed=1).abs()
    search = searched(x, x[:, :1], "l m", "t")
    assert Dimensionless(0.9).wanted(search) and not Dimensionless(0.9).run(search)
    assert not search.state.findings.all


def test_what_the_groups_do_not_explain_is_not_kept() -> None:
    x = 0.5 + uniform_rows(60, 3, seed=1).abs()
    noise = torch.randn(60, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    search = searched(x, noise, "m c v", "E", 20.0)
    assert not Dimensionless(0.5).run(search)
    assert not search.state.findings.all
