"""Sums of terms and the table of what their next term may be."""

from __future__ import annotations

import pytest
import torch

from kanrun.discovery.atoms import Factor
from kanrun.discovery.links import LINKS, Link
from kanrun.discovery.terms import Sum, Table
from kanrun.functions.library import FUNCTIONS
from tests.helpers import uniform_rows

X = uniform_rows(200, 3, seed=1, low=0.5, high=2.0)


def factor(name: str, argument: int, a: float = 1.0, b: float = 0.0, shaped: bool = False) -> Factor:
    return Factor(FUNCTIONS[name], argument, a, b, shaped)


def example(link: Link | None = None, y: torch.Tensor | None = None) -> Sum:
    terms = [
        (factor("sin", 0, 2.0, 0.3, True), factor("x", 1)),
        (factor("exp", 2, -0.5, 0.1, True), factor("tanh", 0, 0.7, 0.2, True), factor("1/x", 1)),
        (factor("x^2", 2),),
    ]
    return Sum(terms, torch.tensor([3.3, 1.5, -0.7, 0.4, 2.0, 0.3, -0.5, 0.1, 0.7, 0.2], dtype=torch.float64), link, y)


@pytest.mark.parametrize("name", [None, "exp", "sqrt", "1/x", "log"])
def test_derivatives_are_those_of_autograd(name: str | None) -> None:
    link = next((o for o in LINKS if o.name == name), None)
    y = example()(X)
    found = example(link, y)
    entries = found.vector.clone().requires_grad_()

    def outputs(vector: torch.Tensor) -> torch.Tensor:
        found.vector = vector
        return found(X)[:, 0]

    expected = torch.autograd.functional.jacobian(outputs, entries)
    found.vector = entries.detach()
    assert torch.allclose(found.passed(X).jacobian()[:, 0], expected, rtol=1e-10, atol=1e-12)


def test_a_sum_is_what_its_terms_say() -> None:
    x = X.T
    expected = (
        3.3 + 1.5 * torch.sin(2 * x[0] + 0.3) * x[1] + 0.4 * x[2] ** 2
        - 0.7 * torch.exp(0.1 - 0.5 * x[2]) * torch.tanh(0.7 * x[0] + 0.2) / x[1]
    )  # fmt: skip
    assert torch.allclose(example()(X)[:, 0], expected)


@pytest.mark.parametrize("shaped", [False, True])
def test_the_part_that_a_term_explains_is_that_of_least_squares(shaped: bool) -> None:
    table = Table(X, FUNCTIONS, shaped)
    t, z = table.t[table.rows], torch.sin(3 * X[:, 0]) * X[:, 1] + X[:, 2]
    z = z[table.rows]
    columns = example().passed(t).columns
    weights = 0.5 + t[:, 0]
    columns, z = columns * weights[:, None], z * weights
    left = residual(columns, z)
    options = [(gain, table.product(m, s)) for gain, m, s in table.next_terms(columns, z, table.weighed(weights), 2)]
    assert len(options) > 10
    for gain, product in options[::5]:
        value = torch.stack([f.function.value(f.a * t[:, f.argument] + f.b) for f in product.term]).prod(0)
        more = torch.cat([columns, (weights * value)[:, None]], dim=1)
        assert gain == pytest.approx(1 - residual(more, z) / left, abs=2e-3)


def test_what_a_sum_has_explained_wholly_has_no_next_term() -> None:
    table = Table(X, FUNCTIONS)
    columns = torch.ones(len(table.rows), 1, dtype=torch.float64)
    nothing = torch.zeros(len(table.rows), dtype=torch.float64)
    assert table.next_terms(columns, nothing, table.weighed(columns[:, 0]), 2) == []


def residual(columns: torch.Tensor, z: torch.Tensor) -> float:
    return float(((columns @ torch.linalg.lstsq(columns, z[:, None]).solution)[:, 0] - z).square().mean())


@pytest.mark.parametrize("n", [5, 12, 30])
def test_tables_of_many_inputs_stay_small(n: int) -> None:
    table = Table(uniform_rows(100, n, seed=3, low=0.5, high=2.0), FUNCTIONS, shaped=False)
    assert table.p.shape[1] * table.s.shape[1] < 5_000_000
    assert table.t.shape[1] < 500
