from __future__ import annotations

import pytest
import sympy as sp
import torch

from kanrun.discovery.expression_network import NoNetworkError, network_of_expression, network_of_sums
from kanrun.functions.library import FUNCTIONS
from kanrun.functions.parser import parse_formula
from kanrun.symbolic.expression import network_expressions
from kanrun.symbolic.values import evaluate_all
from tests.helpers import uniform_rows

INPUTS = ["x_1", "x_2", "x_3"]
X = 1.25 + 0.5 * uniform_rows(40, 3, seed=1)


@pytest.mark.parametrize(
    "text",
    [
        "x_1",
        "2.5",
        "2.3*x_1 - 0.7*x_2 + 0.4",
        "1.7*exp(-0.31*x_1)*cos(4.3*x_1 + 0.62)",
        "3.2*x_1**3/(exp(1.7*x_1) - 1)",
        "6.3/(1 + (1.9/x_1)**2.7)",
        "x_1*x_2*x_3*sin(x_1)*log(x_2)",
        "sqrt(x_1 + x_2**2) + x_1 + x_1**2 + exp(x_1)",
        "tanh(sin(exp(x_1) + x_2) + x_1)*x_1",
        "Abs(x_1 - 1.2)**1.7 + 1/sqrt(x_2)",
        "x_1*(x_1 + x_2)*(x_1 + x_1**2 + 0.5)",
    ],
)
def test_the_network_has_the_values_of_the_expression(text: str) -> None:
    expression = parse_formula(text, INPUTS)
    model = network_of_expression(expression, INPUTS, FUNCTIONS, X)
    wanted = evaluate_all([expression], X, INPUTS)
    torch.testing.assert_close(model(X).detach(), wanted, rtol=1e-12, atol=1e-12)
    back = evaluate_all(network_expressions(model, INPUTS), X, INPUTS)
    torch.testing.assert_close(back, wanted, rtol=1e-12, atol=1e-12)


def test_a_function_of_a_line_is_one_edge() -> None:
    model = network_of_expression(parse_formula("2.5*sin(3.1*x_1 + 0.2)", INPUTS), INPUTS, FUNCTIONS, X)
    assert model.width == [3, 1] and model.active_edges() == 1


@pytest.mark.parametrize("text", ["erf(x_1)", "Max(x_1, x_2)", "x_1**x_2"])
def test_what_no_edge_can_be_is_refused(text: str) -> None:
    with pytest.raises(NoNetworkError):
        network_of_expression(parse_formula(text, INPUTS), INPUTS, FUNCTIONS, X)


def test_only_functions_of_the_library_are_used() -> None:
    line = {"x": FUNCTIONS["x"], "exp": FUNCTIONS["exp"], "log": FUNCTIONS["log"]}
    with pytest.raises(NoNetworkError, match="no edge is sin"):
        network_of_expression(sp.sin(sp.Symbol("x_1", real=True)), INPUTS, line, X)
    model = network_of_expression(parse_formula("x_1**2", INPUTS), INPUTS, line, X)
    torch.testing.assert_close(model(X).detach(), X[:, :1] ** 2)


@pytest.mark.parametrize(
    ("texts", "width"),
    [
        (["x_1", "x_3"], [3, 3]),
        (["exp(-x_1)", "x_2**2"], [3, 3]),
        (["x_1", "x_1**2"], [3, 2, 3]),
        (["x_1*x_2", "x_3", "Abs(x_1)"], [3, 1, 3, 3]),
        (["exp(-x_1) + 1.5"], [3, 1, 3]),
        ([], [3, 3]),
    ],
)
def test_sums_of_the_same_terms_share_their_nodes(texts: list[str], width: list[int]) -> None:
    terms = [parse_formula(text, INPUTS) for text in texts]
    factors = [[0.0] * (1 + len(terms)), [1.5, *[0.7] * len(terms)], [-2.0, *range(len(terms))]]
    model = network_of_sums(terms, factors, INPUTS, FUNCTIONS, X)
    sums = [sp.Add(sp.Float(c), *(f * t for f, t in zip(own, terms, strict=True))) for c, *own in factors]
    torch.testing.assert_close(model(X).detach(), evaluate_all(sums, X, INPUTS), rtol=1e-12, atol=1e-12)
    assert [n if isinstance(n, int) else sum(n) for n in model.width][-1] == 3
    assert len(model.layers[-1].alive) == 3 and not model.layers[-1].alive[0].any()  # 0 needs no edge
    if "*x" not in "".join(texts):
        assert model.width == width


def test_sums_of_functions_that_the_library_has_not_are_refused() -> None:
    with pytest.raises(NoNetworkError, match="no edge is exp"):
        network_of_sums([sp.exp(sp.Symbol("x_1", real=True))], [[0.0, 1.0]], INPUTS, {"x": FUNCTIONS["x"]}, X)
