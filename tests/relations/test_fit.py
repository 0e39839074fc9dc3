from __future__ import annotations

import math

import pytest
import torch

from kanrun.functions.library import FUNCTIONS, library
from kanrun.functions.parser import symbol
from kanrun.relations.curves import CUBE_ROOT, LOG_SIZE, residual_of, tied_curves
from kanrun.relations.fit import Terms, fit_terms, pair_terms, polish, slopes, unshifted
from tests.helpers import formula_values, uniform_rows


def test_the_slopes_are_those_of_the_scaled_sum() -> None:
    x = uniform_rows(60, 3, 0, 0.3, 1.2)
    functions = [FUNCTIONS["sin"], FUNCTIONS["log"], FUNCTIONS["x^3"]]
    constants = torch.tensor([[1.3, 0.2, 0.8], [0.7, 0.4, -1.1], [1.1, -0.3, 0.5]], dtype=torch.float64)

    def scaled(flat: torch.Tensor) -> torch.Tensor:
        values = Terms(functions, flat.reshape(3, 3), 0.0).values(x)
        return values.sum(1) / (values**2).sum().sqrt()

    jacobian, rest = slopes(x, functions, constants, Terms(functions, constants, 0.0).values(x))
    torch.testing.assert_close(rest, scaled(constants.flatten()))
    torch.testing.assert_close(jacobian, torch.autograd.functional.jacobian(scaled, constants.flatten()))


def test_polishing_takes_the_constants_to_rounding() -> None:
    x = uniform_rows(200, 3, 1)
    x[:, 2] = torch.exp(torch.sin(3 * x[:, 0]) + x[:, 1] ** 2)
    functions = [FUNCTIONS["sin"], FUNCTIONS["x^2"], FUNCTIONS["log"]]
    start = torch.tensor([[2.9, 0.05, 1.0], [1.0, 0.02, 1.1], [1.0, 0.03, -0.9]], dtype=x.dtype)
    assert residual_of(Terms(functions, start, 0.0).values(x)) > 1e-4
    found = polish(x, functions, start)
    assert found.residual < 1e-28
    assert abs(float(found.constants[0, 0])) == pytest.approx(3, abs=1e-10)


def test_a_start_outside_the_domain_is_left_alone() -> None:
    x = uniform_rows(50, 2, 0)
    start = torch.tensor([[1.0, 0.0, 1.0], [1.0, 0.0, 1.0]], dtype=x.dtype)
    assert polish(x, [FUNCTIONS["log"], FUNCTIONS["x"]], start).residual == math.inf


def test_the_terms_are_written_as_they_are_computed() -> None:
    x = uniform_rows(80, 4, 3)
    functions = [LOG_SIZE, CUBE_ROOT, FUNCTIONS["sin"], FUNCTIONS["x"]]
    constants = torch.tensor([[2.0, 0.5, 1.5], [-3.0, 0.6, 0.7], [2.0, 0.1, -1.0], [1.0, 0.0, 2.0]], dtype=x.dtype)
    terms = Terms(functions, constants, 0.0)
    written = formula_values(str(terms.expression([symbol(f"x_{i + 1}") for i in range(4)])), x.numpy())
    torch.testing.assert_close(torch.tensor(written - written.mean()), terms.values(x).sum(1))


def test_unrelated_inputs_have_no_terms() -> None:
    x = uniform_rows(200, 3, 5)
    assert fit_terms(x, tied_curves(x).values, library(["x", "x^2", "sin"])) is None
    assert fit_terms(x[:, :2], tied_curves(x[:, :2]).values, library(["x", "x^2", "exp"])) is None


@pytest.mark.parametrize("name", ["x", "x^2", "exp"])
def test_a_function_without_constants_of_its_own_comes_as_close_to_a_curve_as_least_squares(name: str) -> None:
    x = torch.linspace(-1, 2, 40, dtype=torch.float64)
    curve = 3 * FUNCTIONS[name].value(x) - 5 + 0.1 * torch.cos(40 * x)
    found = unshifted(FUNCTIONS[name], x, curve)
    design = torch.stack([FUNCTIONS[name].value(x), torch.ones_like(x)], dim=1)
    wanted = torch.linalg.lstsq(design, curve[:, None]).solution[:, 0]
    assert [found.c, found.d] == pytest.approx(wanted.tolist())
    rest = curve - design @ wanted
    assert found.unexplained == pytest.approx(float(rest.var() / curve.var()))


def test_a_product_of_inputs_on_both_sides_of_zero_is_tied_by_the_logarithms_of_their_sizes() -> None:
    x = uniform_rows(300, 3, 2)
    x[:, 2] = x[:, 0] * x[:, 1]
    found = fit_terms(x, tied_curves(x).values, library(["x", "x^2", "log", "exp"]))
    assert found is not None and found.residual < 1e-20
    assert found.functions == [LOG_SIZE] * 3


def test_a_function_of_one_input_that_is_exact_needs_no_function_of_the_other() -> None:
    x = uniform_rows(100, 2, 2, 0.5, 2.0)
    x[:, 1] = torch.sin(3 * x[:, 0]) + 0.2
    names = ["x", "sin", "log"]
    found = pair_terms(x, library(names))
    assert min(t.residual for t in found) < 1e-25
    assert all("x" in {f.name for f in t.functions} for t in found)
    x[:, 1] = torch.exp(torch.sin(3 * x[:, 0]))
    best = min(pair_terms(x, library(names)), key=lambda t: t.residual)
    assert best.residual < 1e-25 and [f.name for f in best.functions] == ["sin", "log"]
    assert pair_terms(x, library(["sin", "sgn"])) == []  # neither itself nor a function that undoes another


def test_terms_are_described_by_what_they_leave_and_by_their_functions() -> None:
    constants = torch.ones(2, 3, dtype=torch.float64)
    plain, long = (Terms([FUNCTIONS["x"], FUNCTIONS[name]], constants, 1e-4) for name in ("x", "tanh"))
    assert FUNCTIONS["tanh"].complexity > FUNCTIONS["x"].complexity
    unit = FUNCTIONS["tanh"].complexity - FUNCTIONS["x"].complexity
    assert long.bits(100) - plain.bits(100) == pytest.approx((4 + 0.75 * math.log2(100)) * unit)
    better = Terms(plain.functions, constants, 1e-6)
    assert plain.bits(100) - better.bits(100) == pytest.approx(50 * math.log2(100), rel=1e-6)
    lost = (Terms(plain.functions, constants, residual) for residual in (0.0, 1e-40))
    assert len({t.bits(100) for t in lost}) == 1  # below rounding nothing is better than nothing


def test_a_row_where_a_slope_is_infinite_does_not_stop_the_polishing() -> None:
    x = uniform_rows(50, 2, 0)
    x[7, 0] = 1.0  # where the arc sine has a value and no slope
    x[:, 1] = torch.arcsin(0.9 * x[:, 0])
    start = torch.tensor([[1.0, 0.0, 1.0], [1.0, 0.0, -1.0]], dtype=x.dtype)
    found = polish(x, [FUNCTIONS["arcsin"], FUNCTIONS["x"]], start)
    assert found.residual < 1e-28
    assert found.constants[0, :2].tolist() == pytest.approx([0.9, 0.0], abs=1e-9)
