"""Fractions that hold to rounding."""

from __future__ import annotations

import pytest
import torch

from kanrun.context import UNLIMITED, Budget, Context, Meter
from kanrun.discovery.compose import network_of
from kanrun.discovery.fractions import fewest, find_fraction
from kanrun.discovery.links import LINKS
from kanrun.discovery.terms import Table
from kanrun.functions.library import FUNCTIONS
from tests.helpers import uniform_rows

X = uniform_rows(600, 3, seed=6, low=1.0, high=3.0)
OVER = Context(Budget(Meter(), end=-1.0, of_work=True))


@pytest.mark.parametrize(
    "y",
    [
        (X[:, 0] * X[:, 1] + X[:, 2]) / (X[:, 0] + X[:, 2]),
        X[:, 0] * (1 - torch.cos(X[:, 1])) / (2 + torch.sin(X[:, 2])),
        (2 * X[:, 0] - 3) / (1 + X[:, 0] * X[:, 1]),
    ],
)
def test_a_fraction_is_found_and_holds_on_other_rows_too(y: torch.Tensor) -> None:
    table = Table(X, FUNCTIONS, shaped=False)
    found = find_fraction(table, y, UNLIMITED)
    assert found is not None
    model = network_of(found, table.arguments, 3, FUNCTIONS, LINKS[0], y[:, None])
    with torch.no_grad():
        assert torch.allclose(model(X)[:, 0], y, rtol=1e-9)
    assert sum(len(each.terms) for each in found) <= 5


def test_what_is_no_fraction_gives_none() -> None:
    x = X[:200, :2]
    noise = torch.randn(200, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert find_fraction(Table(x, FUNCTIONS, shaped=False), noise, UNLIMITED) is None


def test_time_that_is_over_ends_it() -> None:
    assert find_fraction(Table(X, FUNCTIONS, shaped=False), 1 / X[:, 0], OVER) is None


def test_the_fewest_columns_are_kept_among_many_that_are_alike() -> None:
    powers = torch.linspace(-1, 1, 300, dtype=torch.float64)[:, None] ** torch.arange(25)
    design = powers / powers.norm(dim=0)
    target = 0.5 * design[:, 3] - 0.25 * design[:, 8]
    assert sorted(fewest(design, target, UNLIMITED)) == [3, 8]
    assert len(fewest(design, target, OVER)) == 25  # time that is over ends this, too


def test_targets_that_are_all_zero_are_no_fraction() -> None:
    assert (
        find_fraction(Table(X[:60], FUNCTIONS, shaped=False), torch.zeros(60, dtype=torch.float64), UNLIMITED) is None
    )


def test_all_columns_are_kept_where_some_are_no_numbers() -> None:
    design = uniform_rows(40, 3, seed=1)
    design[5, 1] = float("nan")
    assert fewest(design, design[:, 0], UNLIMITED) == [0, 1, 2]
