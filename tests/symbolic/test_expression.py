from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kanrun.functions.builtin import Function
from kanrun.functions.evaluate import evaluate
from kanrun.functions.library import FUNCTIONS
from kanrun.functions.parser import parse_formula, symbol
from kanrun.model.network import KAN, Width
from kanrun.symbolic.expression import complexity, network_expressions, number, numbers_in, rounded
from kanrun.symbolic.values import evaluate_all
from tests.helpers import Array, fixed_network, plain_forward, uniform_rows

X_1, X_2, X_3 = symbol("x_1"), symbol("x_2"), symbol("x_3")
NAMES = ["x_1", "x_2", "x_3", "x_4"]
RANGES = {
    "real": (-2.0, 2.5),
    "positive": (0.1, 3.0),
    "nonnegative": (0.02, 3.0),
    "unit": (-0.9, 0.95),
    "inside": (-0.9, 0.95),
}
ALL = [name for name in FUNCTIONS if name != "0"]


def argument_range(function: Function, draw: np.random.Generator) -> tuple[float, float]:
    """Where the argument of a function may run, far enough from poles."""
    if function.name == "tan":
        shift = math.pi * draw.integers(-3, 4)
        return shift - 1.3, shift + 1.2
    if function.domain == "nonzero":
        return (0.3, 2.0) if draw.random() < 0.5 else (-2.0, -0.3)
    return RANGES[function.domain]


def random_formula_network(width: Width, seed: int, names: list[str]) -> tuple[KAN, torch.Tensor]:
    """A network of these functions, arguments inside their domains on the rows that come with it; a few edges lack."""
    draw = np.random.default_rng(seed)
    model, x = KAN(width, grid=3), uniform_rows(50, int(width[0]), seed)  # type: ignore[call-overload]
    for depth, layer in enumerate(model.layers):
        inputs = model.trace(x)[depth].inputs
        layer.bias.data += torch.from_numpy(draw.normal(size=layer.n_sub))
        for sub in range(layer.n_sub):
            for i in range(layer.n_in):
                function = FUNCTIONS[names[draw.integers(len(names))]]
                low, high = argument_range(function, draw)
                middle, half = float(inputs[:, i].mean()), float((inputs[:, i] - inputs[:, i].mean()).abs().max())
                a = draw.choice([-1, 1]) * (high - low) / 2 / max(half, 1e-3)
                c, d = draw.normal(size=2)
                model.fix(depth, i, sub, function.name, a, (low + high) / 2 - a * middle, c, d)
                if i and draw.random() < 0.15:
                    layer.remove(sub, i, 0.3)
    return model, x


def values(expression: sp.Expr, x: torch.Tensor) -> Array:
    """The expression at rows `x`."""
    return evaluate(expression, {name: x[:, i].numpy() for i, name in enumerate(NAMES[: x.shape[1]])})


def assert_same(model: KAN, x: torch.Tensor) -> list[sp.Expr]:
    """The network's expressions are worth what the network gives, and so are their texts, read again."""
    expressions = network_expressions(model, NAMES[: model.n_in])
    expected = plain_forward(model, x.numpy())
    np.testing.assert_allclose(model(x).detach(), expected, rtol=1e-12, atol=1e-12)
    assert np.isfinite(expected).all()
    for j, expression in enumerate(expressions):
        scale = float(np.abs(expected[:, j]).max())
        np.testing.assert_allclose(values(expression, x), expected[:, j], rtol=1e-12, atol=1e-12 * max(1.0, scale))
        again = parse_formula(str(expression), NAMES[: model.n_in])
        np.testing.assert_allclose(values(again, x), values(expression, x), rtol=1e-13, atol=1e-13 * scale)
    return expressions


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_edge_of_every_function_becomes_an_expression_of_the_same_values(name: str) -> None:
    draw = np.random.default_rng(list(name.encode()))
    for trial in range(6):
        low, high = argument_range(FUNCTIONS[name], draw)
        turn = (-1) ** trial
        c, d = draw.normal(size=2)
        model = fixed_network([1, 1], [(0, 0, 0, name, turn * (high - low) / 2, (low + high) / 2, c, d)])
        assert_same(model, uniform_rows(40, 1, trial))


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
@pytest.mark.parametrize("shift", [-11.0, -2.0, -0.8, 0.0, 0.5, 1.5, 3.2, 100.0])
@pytest.mark.parametrize("factor", [0.04, -1.0])
def test_phases_lie_around_zero_behind_a_positive_factor(name: str, shift: float, factor: float) -> None:
    (expression,) = assert_same(
        fixed_network([1, 1], [(0, 0, 0, name, factor, shift, 1.7)]), uniform_rows(30, 1, low=-0.04, high=0.04)
    )
    (inner,) = (f.args[0] for f in expression.atoms(sp.sin, sp.cos, sp.tan))
    assert inner.coeff(X_1) > 0
    period = FUNCTIONS[name].period
    assert abs(float(inner.subs(X_1, 0))) <= (period / 2 if name == "tan" else period / 4) * (1 + 1e-12)


@pytest.mark.parametrize("name", [f.name for f in FUNCTIONS.values() if f.parity and f.name not in ("0", "x")])
def test_the_first_factor_inside_an_even_or_odd_function_is_positive(name: str) -> None:
    edges = [(0, 0, 0, name, -0.1, 0.3, 1.4), (0, 1, 0, name, -0.2, -0.5, -0.7)]
    (expression,) = assert_same(fixed_network([2, 1], edges), uniform_rows(30, 2))
    inner = [f.args[0] for f in expression.atoms(sp.Function) if f.free_symbols]
    inner += [f.base for f in expression.atoms(sp.Pow) if f.free_symbols]
    assert inner
    for argument in inner:
        if argument.is_polynomial() and sp.degree(argument) == 1:
            assert argument.coeff(X_1) > 0 or argument.coeff(X_2) > 0


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ([("log", 1, 0, 1), ("log", 1, 0, 1), ("exp", 1, 0, 1)], X_1 * X_2),
        ([("log", 1, 0, 1), ("log", 1, 0, -1), ("exp", 1, 0, 1)], X_1 / X_2),
        ([("log", 1, 0, 2), ("log", 1, 0, 0.5), ("exp", 1, 0, 1)], X_1**2 * sp.sqrt(X_2)),
        ([("log", 4, 0, 1), ("log", 0.25, 0, 1), ("exp", 1, 2, 3)], 3 * sp.exp(2) * X_1 * X_2),
        ([("log", 1, 0, 1), ("log", 2, 0, 3), ("exp", 2, 0, 1)], 64 * X_1**2 * X_2**6),
        ([("x", 2, 1, 3), ("x", 1, 0, 5), ("x", 2, -6, 1)], 12 * X_1 + 10 * X_2),
        ([("x", 1, 0, 2), ("x", 1, 0, 2), ("x^2", 1, 0, 1)], 4 * (X_1 + X_2) ** 2),
        ([("x", 3, 0, 1), ("x", 3, 0, 1), ("1/x", 1, 0, 6)], 2 / (X_1 + X_2)),
        ([("x", 4, 0, 1), ("x", 4, 0, 1), ("sqrt", 1, 0, 1)], 2 * sp.sqrt(X_1 + X_2)),
        ([("x", 4, 0, 1), ("x", 4, 0, 1), ("1/sqrt(x)", 1, 0, 1)], 1 / (2 * sp.sqrt(X_1 + X_2))),
        ([("x", -2, 0, 1), ("x", -2, 0, 1), ("abs", 1, 0, 1)], 2 * sp.Abs(X_1 + X_2)),
        ([("x^2", 3, 0, 1), ("x^3", -2, 0, 1), ("x", 1, 0, 1)], 9 * X_1**2 - 8 * X_2**3),
        ([("exp", 1, 1, 1), ("exp", 1, -1, 1), ("x", 1, 0, 1)], sp.E * sp.exp(X_1) + sp.exp(X_2) / sp.E),
        ([("arctanh", 1, 0, 1), ("arctanh", 1, 0, 1), ("tanh", 1, 0, 1)], sp.tanh(sp.atanh(X_1) + sp.atanh(X_2))),
    ],
)
def test_constants_meet_and_inverse_functions_cancel(
    edges: list[tuple[str, float, float, float]], expected: sp.Expr
) -> None:
    first, second, outer = edges
    model = fixed_network([2, 1, 1], [(0, 0, 0, *first), (0, 1, 0, *second), (1, 0, 0, *outer)])
    (found,) = assert_same(model, uniform_rows(30, 2, low=0.1, high=0.9))
    # The same tree but for decimals in the place of exact constants.
    assert complexity(sp.N(found)) <= complexity(sp.N(expected))
    np.testing.assert_allclose(
        values(found, uniform_rows(9, 2, 5, 0.1, 0.9)), values(expected, uniform_rows(9, 2, 5, 0.1, 0.9))
    )


def test_factors_of_a_product_share_one_constant() -> None:
    edges = [(0, 0, 0, "x", 2.0, 1.0), (0, 1, 1, "x", -4.0, 2.0)]
    (found,) = assert_same(fixed_network([2, [0, 1]], edges), uniform_rows(20, 2))
    assert str(found) == "-8.0*(x_1 + 0.5)*(x_2 - 0.5)"


@pytest.mark.parametrize(
    "width",
    [[1, 1], [3, 2], [2, 2, 1], [3, [2, 1], 2], [2, [0, 2], 1], [2, 2, 2, 1], [4, [1, 1], [1, 1], 2]],
)  # fmt: skip
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_random_networks_become_expressions_of_the_same_values(width: Width, seed: int) -> None:
    model, x = random_formula_network(width, 10 * seed + len(width), ALL)
    assert len(assert_same(model, x)) == model.n_out


@given(seed=st.integers(0, 10**6), kinds=st.lists(st.sampled_from(ALL), min_size=1, max_size=3))
@settings(deadline=None, max_examples=20, derandomize=True)
def test_small_networks_of_few_functions_become_expressions_of_the_same_values(seed: int, kinds: list[str]) -> None:
    model, x = random_formula_network([2, 2, 1], seed, kinds)
    assert_same(model, x)


def test_removed_edges_leave_only_their_constants() -> None:
    model = fixed_network([2, 2], [(0, 0, 0, "sin", 1.0, 0.0, 1.0, 0.25)])
    model.layers[0].remove(0, 0, 0.5)
    model.layers[0].bias.data[1] = -2.0
    assert [float(e) for e in network_expressions(model, NAMES[:2])] == [0.75, -2.0]


def test_functions_of_constant_nodes_are_constants() -> None:
    for name in ALL:
        model = fixed_network([1, 1, 1], [(1, 0, 0, name, 1.0, 0.3, 2.0, 0.1)])
        model.layers[0].bias.data[0] = 0.4
        (found,) = network_expressions(model, NAMES[:1])
        assert found.free_symbols == set()
        np.testing.assert_allclose(
            values(found, uniform_rows(3, 1)), model(uniform_rows(3, 1)).detach()[:, 0], rtol=1e-14
        )


def test_inputs_may_have_any_names() -> None:
    model = fixed_network([2, 1], [(0, 0, 0, "x", 1.0, 0.0, 1.0), (0, 1, 0, "sin", 1.0, 0.0, 1.0)])
    assert network_expressions(model, ["mass", "e"]) == [symbol("mass") + sp.sin(symbol("e"))]


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(deadline=None, max_examples=50, derandomize=True)
def test_a_number_keeps_every_digit_also_as_a_text(value: float) -> None:
    assert float(number(value)) == value
    assert float(str(number(value))) == value


def test_zero_and_one_are_exact_numbers() -> None:
    assert [number(v) for v in (0.0, -0.0, 1.0, -1.0)] == [sp.Integer(0), sp.Integer(0), sp.Integer(1), sp.Integer(-1)]
    assert number(2.0).is_Float


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("x_1", 1),
        ("3", 1),
        ("sin(x_1)", 2),
        ("x_1+1", 3),
        ("x_1*x_2*x_3", 4),
        ("x_1**2", 3),
        ("exp(sin(pi*x_1)+x_2**2)", 9),
        ("x_1-x_2", 5),
    ],
)
def test_complexity_is_the_number_of_nodes(text: str, nodes: int) -> None:
    assert complexity(parse_formula(text)) == nodes


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=10, derandomize=True)
def test_complexity_is_one_more_than_that_of_the_parts(seed: int) -> None:
    model, _ = random_formula_network([2, 2, 1], seed, ALL)
    (expression,) = network_expressions(model, NAMES[:2])
    assert complexity(expression) == 1 + sum(complexity(part) for part in expression.args)


def test_rounding_shortens_decimals_and_leaves_exact_numbers() -> None:
    expression = parse_formula(
        "3.14159265*x_1 + 2.00000001*x_2**2 + pi*x_3/7 - 0.000123456789 + 123456.789*sin(1.0*x_1)"
    )
    short = rounded(expression)
    assert {float(str(f)) for f in short.atoms(sp.Float)} == {3.142, -0.0001235, 123500.0}
    assert short.coeff(X_2, 2) == sp.Integer(2)
    assert short.coeff(X_3) == sp.pi / 7
    assert short.coeff(sp.sin(X_1)).is_Float


@given(seed=st.integers(0, 10**6), digits=st.integers(2, 8))
@settings(deadline=None, max_examples=15, derandomize=True)
def test_rounded_decimals_are_close_and_have_few_digits(seed: int, digits: int) -> None:
    value = float(np.random.default_rng(seed).normal() * 10 ** np.random.default_rng(seed).uniform(-6, 6))
    short = rounded(sp.Float(repr(value), 17) * X_1, digits).subs(X_1, 1)
    assert float(str(short)) == float(f"{value:.{digits - 1}e}")
    assert len(str(short).lstrip("-0.").split("e")[0].replace(".", "").rstrip("0")) <= digits


def test_a_large_constant_stays_in_its_exponent() -> None:
    model = KAN([1, 1])
    model.fix(0, 0, 0, "exp", a=1.0, b=-5e5, c=2.0)
    [expression] = network_expressions(model, ["x_1"])
    x = torch.tensor([[5e5], [5e5 + 1]], dtype=torch.float64)
    values = evaluate_all([expression], x, ["x_1"])[:, 0]
    torch.testing.assert_close(values, 2 * torch.exp(x[:, 0] - 5e5), rtol=1e-9, atol=0)


@pytest.mark.parametrize(
    ("text", "count"),
    [("x_1", 0), ("-x_1**2/x_2", 0), ("2*x_1 + 1", 2), ("x_1**1.5", 1), ("x_1**(3/2)", 1), ("sqrt(3*x_1 - 7/2)", 3),
     ("pi*x_1", 0), ("4.5", 1), ("2**x_1", 1), ("x_1*3**(-x_2)", 1), ("(x_1 + 2)**3", 1)],
)  # fmt: skip
def test_numbers_that_could_be_others_are_counted(text: str, count: int) -> None:
    assert numbers_in(parse_formula(text, NAMES)) == count
