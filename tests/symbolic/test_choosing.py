from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from kanrun.symbolic.choosing import bits_to_choose
from kanrun.symbolic.compare import relative_loss
from kanrun.symbolic.cross_validation import ONE_BY_ONE, cross_validated
from kanrun.symbolic.description import description, description_at
from kanrun.symbolic.polishing import polished

x = sp.Symbol("x_1", real=True)
LINE = sp.Float(2.1) * x + sp.Float(0.9)


def rows(number: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    draw = np.random.default_rng(0)
    inputs = draw.uniform(0, 3, number)
    return {"x_1": inputs}, 2 * inputs + 1 + 0.2 * draw.normal(size=number)


def test_few_rows_are_described_by_what_the_others_say_of_them() -> None:
    columns, y = rows(12)
    fitted = polished(LINE, columns, y)
    left_out = cross_validated(fitted, columns, y, 0)["mse"]
    assert left_out is not None
    assert bits_to_choose(fitted, columns, y) == pytest.approx(description_at(left_out, fitted, columns, y), rel=1e-6)
    assert bits_to_choose(fitted, columns, y) > description(fitted, columns, y)


def test_many_rows_are_described_as_they_are() -> None:
    columns, y = rows(ONE_BY_ONE + 1)
    assert bits_to_choose(LINE, columns, y) == description(LINE, columns, y)


@pytest.mark.parametrize("number", [30, 300])
def test_errors_count_relative_to_the_size_only_where_that_is_asked_and_shorter(number: int) -> None:
    draw = np.random.default_rng(1)
    columns = {"x_1": draw.uniform(0, 3, number)}
    law = sp.Float(2.0) * sp.exp(sp.Float(3.0) * x)
    y = 2 * np.exp(3 * columns["x_1"]) * np.exp(0.1 * draw.normal(size=number))
    alike, relative = (bits_to_choose(law, columns, y, by_size=by_size) for by_size in (False, True))
    assert relative < alike - 0.5 * number  # a factor of two in the size of errors is a bit a row
    if number > ONE_BY_ONE:
        loss = relative_loss(2 * np.exp(3 * columns["x_1"]), y)
        assert relative == pytest.approx(description_at(loss, law, columns, y))
    plain, targets = rows(number)
    assert bits_to_choose(LINE, plain, targets, by_size=True) <= bits_to_choose(LINE, plain, targets)


def test_a_form_without_a_value_is_never_chosen() -> None:
    columns, y = rows(20)
    assert bits_to_choose(sp.log(x - 1), columns, y) == float("inf")
