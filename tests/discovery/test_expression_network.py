from __future__ import annotations

import pytest
import sympy as sp
import torch

from kanrun.discovery.expression_network import NoNetworkError, network_of_expression
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
