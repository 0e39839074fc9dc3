from __future__ import annotations

import pytest
import sympy as sp
import torch

from kanrun.data.dataset import REGRESSION, Dataset, Rows
from kanrun.data.losses import MSE
from kanrun.data.units import dimension_of
from kanrun.functions.parser import parse_formula
from kanrun.symbolic.adding_up import adds_up, units_for, with_units
from kanrun.symbolic.constants import constants_of
from kanrun.symbolic.dimensions import Units
from kanrun.symbolic.forms import FormulaError
from kanrun.symbolic.formula import write_formulas
from kanrun.symbolic.search import Symbolic
from kanrun.symbolic.uncertainty import Constant
from tests.helpers import fixed_network, uniform_rows


def units(output: str, **symbols: str) -> Units:
    known = {name: dimension_of(unit) for name, unit in symbols.items()}
    return Units({name: d for name, d in known.items() if d}, dimension_of(output))


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("x + t", False),
        ("x + 2.5*t", True),
        ("1.0000000000000002*x + t", False),
        ("x*t", False),
        ("x", True),
        ("x*cos(x)", False),
        ("x*cos(0.7*x)", True),
        ("sqrt(x**2 + 3.5*t**2)", True),
        ("x**t", False),
        ("x*exp(t/2)", True),
        ("x + z", True),
    ],
)
def test_what_adds_up_in_metres_and_seconds(text: str, fine: bool) -> None:
    expression = parse_formula(text, ["x", "t", "z"])
    assert adds_up(expression, units("m", x="m", t="s")) == fine


def test_without_units_everything_adds_up() -> None:
    assert adds_up(parse_formula("x + t", ["x", "t"]), Units({}, None))
    assert adds_up(parse_formula("x + t", ["x", "t"]), units("m"))


def data(formula_units: dict[str, str], matter: str = "prefer") -> Dataset:
    x = uniform_rows(30, 2, seed=1, low=1.0, high=2.0)
    rows = Rows(x, x.sum(1, keepdim=True))
    return Dataset(
        "d", rows, None, ["x_1", "x_2"], ["y"], REGRESSION, MSE, units=formula_units, units_matter=matter
    )  # fmt: skip


def test_constants_have_the_unit_that_makes_both_sides_agree() -> None:
    own = data({"x_1": "mol", "x_2": "K", "y": "J"})
    expression = 8.314 * sp.Symbol("x_1", real=True) * sp.Symbol("x_2", real=True)
    [constant] = with_units([Constant(8.314, 0.1)], expression, own, 0)
    assert constant.unit == "J/(mol K)"
    assert (constant.value, constant.standard_error) == (8.314, 0.1)
    assert len(constants_of(expression)) == 1
    assert with_units([Constant(8.314, 0.1)], expression, data({}), 0) == [Constant(8.314, 0.1)]
    assert units_for(own, 0).known


def test_where_it_is_demanded_a_formula_that_does_not_add_up_is_none() -> None:
    model = fixed_network([2, 1], [(0, 0, 0, "x", 1.0, 0.0, 1.0), (0, 1, 0, "x", 1.0, 0.0, 1.0)])
    found = Symbolic(model, 0.0, 0.0)
    odd = {"x_1": "m", "x_2": "s", "y": "m"}
    with pytest.raises(FormulaError, match="does not add up in the units of y"):
        write_formulas(found, data(odd, "demand"))
    for own in (data(odd), data({"x_1": "m", "x_2": "m", "y": "m"}, "demand")):
        [formula] = write_formulas(found, own)
        assert formula.expression == "x_1 + x_2"
    assert torch.isfinite(own.train.y).all()


def test_a_decimal_that_is_two_things_has_both_units() -> None:
    own = data({"x_1": "mol", "x_2": "K", "y": "J"})
    expression = parse_formula("2.5*x_1 + 2.5*x_2", own.inputs)
    assert with_units([Constant(2.5, 0.1)], expression, own, 0) == [
        Constant(2.5, 0.1, "J/mol"), Constant(2.5, 0.1, "J/K")
    ]  # fmt: skip
