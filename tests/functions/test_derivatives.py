from __future__ import annotations

import math

import pytest
import torch

from kanrun.functions.derivatives import derivatives
from kanrun.functions.library import FUNCTIONS, extended
from kanrun.functions.parser import parse_formula
from kanrun.functions.user_functions import as_torch, slope_of

Z = torch.linspace(0.05, 0.93, 23, dtype=torch.float64)
OWN = ["gamma(x+1)*erf(x)", "loggamma(x+1)", "x**x", "2**x", "log(Abs(x))", "sign(x)*Abs(x)**(1/3)", "atan2(x**2, x+2)",
       "floor(3*x)*x**3", "acosh(x+2)", "3*x+2"]  # fmt: skip


@pytest.mark.parametrize("text", [*(f.text for f in FUNCTIONS.values()), *OWN])
def test_derivatives_equal_those_that_sympy_writes_down(text: str) -> None:
    built_in = [f for f in FUNCTIONS.values() if f.text == text]
    found = derivatives(built_in[0] if built_in else extended({"own": text})["own"], Z, 4)
    expression = parse_formula(text, ["x"])
    for part in found:
        torch.testing.assert_close(part, as_torch(expression)(Z).expand_as(Z), rtol=1e-11, atol=1e-11)
        expression = slope_of(expression)


@pytest.mark.parametrize("order", range(4))
def test_as_many_as_are_asked_for_and_none_has_a_graph(order: int) -> None:
    found = derivatives(FUNCTIONS["sin"], Z, order)
    assert len(found) == order + 1
    assert not any(part.requires_grad for part in found)
    torch.testing.assert_close(found[-1], torch.sin(Z + order * math.pi / 2))


def test_where_a_maximum_changes_over_the_slope_jumps_and_has_no_derivative_there() -> None:
    found = derivatives(extended({"own": "Max(x, x**2)"})["own"], torch.tensor([-2.0, 0.5, 3.0]).double(), 3)
    assert [part.tolist() for part in found] == [[4, 0.5, 9], [-4, 1, 6], [2, 0, 2], [0, 0, 0]]


def test_without_gradients_there_are_derivatives_all_the_same() -> None:
    with torch.no_grad():
        torch.testing.assert_close(derivatives(FUNCTIONS["exp"], Z, 3)[3], torch.exp(Z))


def test_a_long_product_takes_no_more_than_its_steps() -> None:
    text = "*".join(f"sin(x+{i})" for i in range(40))
    value, slope, second = derivatives(extended({"own": text})["own"], Z, 2)
    cotangents = torch.stack([1 / torch.tan(Z + i) for i in range(40)])
    torch.testing.assert_close(slope, value * cotangents.sum(0), rtol=1e-9, atol=1e-18)
    squares = (1 + cotangents**2).sum(0)
    torch.testing.assert_close(second, value * (cotangents.sum(0) ** 2 - squares), rtol=1e-9, atol=1e-18)
