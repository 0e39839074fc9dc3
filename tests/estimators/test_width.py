"""Widths for which none is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kanrun.estimators.rows import weighted_rows
from kanrun.estimators.width import hidden_nodes, suitable_widths

CONFIG: dict[str, Any] = {
    "model": {"grid": 3, "k": 3}, "optimizer": {}, "symbolic": {"enabled": True}, "seed": 0
}  # fmt: skip


def widths(targets: Any, rows: int = 120, **changed: Any) -> list[list[int]]:
    x = np.random.default_rng(0).uniform(-1, 1, (rows, 2))
    return suitable_widths(*weighted_rows(x, targets(*x.T), None), {**CONFIG, **changed})


def test_a_sum_of_functions_has_no_hidden_layer() -> None:
    assert widths(lambda a, b: np.sin(3 * a) + b**2 + 0.01 * np.random.default_rng(1).normal(size=120)) == [[2, 1]]
    assert widths(lambda a, b: np.random.default_rng(1).normal(size=len(a + b))) == [[2, 1]]


def test_a_product_has_one_and_the_sum_is_kept_for_its_formula() -> None:
    assert widths(lambda a, b: a * b) == [[2, 5, 1], [2, 1]]
    assert widths(lambda a, b: a * b, symbolic={"enabled": False}) == [[2, 5, 1]]
    assert widths(lambda a, b: (a * b > 0).astype(int), rows=200) == [[2, 5, 2], [2, 2]]


def test_as_many_targets_as_parameters_are_needed() -> None:
    assert hidden_nodes(2, 1, 1000, {"grid": 5, "k": 3}) == 5
    assert hidden_nodes(2, 1, 3 * 9 * 2, {"grid": 5, "k": 3}) == 2
    assert hidden_nodes(30, 1, 30, {"grid": 5, "k": 3}) == 0
    assert widths(lambda a, b: a * b, rows=15) == [[2, 1]]


@pytest.mark.parametrize("model", [{"grid": "5", "k": 3}, {"grid": -9, "k": 3}])
def test_wrong_settings_are_left_to_the_fit(model: dict[str, Any]) -> None:
    assert hidden_nodes(2, 1, 1000, model) == 0
