"""Networks that a search has tried."""

from __future__ import annotations

from kanrun.discovery.trial import curved_edges, rows_only
from kanrun.model.network import KAN
from tests.helpers import uniform_rows


def test_straight_and_removed_edges_are_not_counted() -> None:
    model = KAN([2, 2, 1])
    for name, sub, i in (("x", 0, 0), ("sin", 0, 1), ("exp", 1, 0), ("x^2", 1, 1)):
        model.fix(0, i, sub, name)
    model.layers[0].remove(1, 1)
    assert curved_edges(model) == 2


def test_rows_are_a_dataset_of_values() -> None:
    x = uniform_rows(7, 3)
    data = rows_only(x, x[:, :1])
    assert data.inputs == ["x_1", "x_2", "x_3"]
    assert data.train.x is x
