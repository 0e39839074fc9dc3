"""An expression that a move has found, as a formula of the search."""

from __future__ import annotations

import sympy as sp
import torch

from kanrun.discovery.compose import bits_of
from kanrun.discovery.expression_network import NoNetworkError, network_of_expression
from kanrun.discovery.moves.reading import keep_functions
from kanrun.discovery.search import Search
from kanrun.symbolic.constants import constants_of


def keep_expression(search: Search, name: str, expression: sp.Expr) -> bool:
    """Adds an expression of x_1, ... to what was found, as a network; whether there is one for it."""
    problem = search.problem
    library = {f.name: f for f in problem.functions}
    try:
        network = network_of_expression(expression, list(problem.arrays[0]), library, problem.y)
    except NoNetworkError:
        return False
    with torch.no_grad():
        loss = problem.loss(network(problem.x))
    keep_functions(search, name, network, loss, bits_of(network, loss, len(constants_of(expression)), problem))
    return True
