from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from kanrun.discovery.lines import line_through
from kanrun.functions.evaluate import Array


def rows_of(count: int, inputs: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(count, inputs))


def noise(count: int) -> Array:
    return np.random.default_rng(99).normal(size=count)


def test_of_many_inputs_those_of_the_law_are_kept_with_the_slopes_of_least_squares() -> None:
    x = rows_of(300, 40)
    y = 2 + x[:, [3, 8, 21]] @ [1.5, -0.7, 0.2] + 0.1 * noise(300)
    line = line_through(x, y, np.ones(300))
    assert line is not None and line.inputs == [3, 8, 21]
    best = LinearRegression().fit(x[:, line.inputs], y)
    assert line.slopes[line.inputs] == pytest.approx(best.coef_)
    assert line.constant == pytest.approx(best.intercept_)
    assert line.of(torch.tensor(x))[:, 0].numpy() == pytest.approx(best.predict(x[:, line.inputs]))


def test_nearly_all_inputs_may_be_needed() -> None:
    x = rows_of(900, 100, seed=1)
    y = x @ np.where(np.arange(100) < 97, 1.0, 0.0) + 0.5 * noise(900)
    line = line_through(x, y, np.ones(900))
    assert line is not None and line.inputs == list(range(97))


def test_noise_is_no_line_but_by_a_small_chance() -> None:
    draws = [line_through(rows_of(100, 20, k), rows_of(100, 1, 1000 + k)[:, 0], np.ones(100)) for k in range(40)]
    assert sum(line is not None for line in draws) <= 2


def test_an_input_that_is_the_sum_of_others_or_does_not_vary_is_not_needed() -> None:
    x = rows_of(200, 6)
    x[:, 2], x[:, 5] = x[:, 0] + x[:, 1], 3.0
    y = 4 * x[:, 3] + x[:, 0] - x[:, 1] + 1
    line = line_through(x, y, np.ones(200))
    assert line is not None and 5 not in line.inputs and len(line.inputs) == 3
    assert line.of(torch.tensor(x))[:, 0].numpy() == pytest.approx(y)


def test_rows_that_do_not_count_and_too_few_rows_say_nothing() -> None:
    x = rows_of(200, 8)
    first = np.arange(200) < 100
    y = np.where(first, x[:, 1], 50 * x[:, 6]) + 0.01 * noise(200)
    line = line_through(x, y, first.astype(float))
    assert line is not None and line.inputs == [1]
    assert line_through(x[:17], y[:17], np.ones(17)) is None
    assert line_through(x, np.full(200, 3.0), np.ones(200)) is None


@given(st.floats(-8, 8), st.floats(-1e3, 1e3), st.floats(-8, 8))
def test_units_and_origins_of_inputs_and_targets_do_not_matter(power: float, shift: float, other: float) -> None:
    x = rows_of(120, 9)
    y = x[:, 2] - 0.5 * x[:, 7] + 0.1 * noise(120)
    plain, moved = line_through(x, y, np.ones(120)), line_through(10**power * (x + shift), 10**other * y, np.ones(120))
    assert plain is not None and moved is not None and moved.inputs == plain.inputs == [2, 7]
    assert 10 ** (power - other) * moved.slopes == pytest.approx(plain.slopes, rel=1e-6)
