from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import f as f_distribution
from scipy.stats import rankdata

from kanrun.discovery.problem import Problem
from kanrun.discovery.screening import (
    FEW,
    MOST,
    chance,
    inputs_to_look_at,
    ranks_of,
    telling_alone,
    telling_inputs,
    telling_pairs,
)
from kanrun.functions.evaluate import Array
from kanrun.functions.library import FUNCTIONS


def columns(rows: int, inputs: int, seed: int = 0, low: float = -1.0) -> Array:
    return np.random.default_rng(seed).uniform(low, 1, (rows, inputs))


def told(x: Array, y: Array) -> list[int]:
    found = telling_inputs(x, y, np.ones(len(y)))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("law", "inputs"),
    [
        (lambda x: 2 * x[:, 7], {7}),
        (lambda x: x[:, 3] + x[:, 8] ** 2, {3, 8}),
        (lambda x: np.cos(5 * x[:, 0]) + 0.3 * x[:, 39], {0, 39}),
        (lambda x: x[:, 5] * x[:, 11], {5, 11}),  # neither of which says anything alone
        (lambda x: np.cos(5 * x[:, 2]) * x[:, 9], {2, 9}),
    ],
)
def test_what_a_law_is_made_of_is_found_among_many(law: Callable[[Array], Array], inputs: set[int]) -> None:
    x = columns(400, 40)
    y = law(x) + 0.05 * np.random.default_rng(1).normal(size=400)
    assert set(told(x, y)) == inputs


def test_ranks_and_chances_are_those_of_scipy() -> None:
    values = np.array([3.0, -1.0, 3.0, 7.0, -1.0, 0.5, 3.0])
    assert ranks_of(values) == pytest.approx((rankdata(values) - 0.5) / 7)
    left = np.array([1.0, -2.0, 0.5, 1.5])  # of which 7.5 in all
    assert chance(3.0, left, 2, 9) == pytest.approx(f_distribution.sf((3.0 / 2) / (4.5 / 7), 2, 7))
    assert chance(7.5, left, 2, 9) == 0


def test_of_targets_that_no_input_tells_anything_about_none_is_chosen_but_by_the_chance_that_is_allowed() -> None:
    draws = 40
    found = sum(
        bool(told(columns(100, 20, seed=k), np.random.default_rng(1000 + k).normal(size=100))) for k in range(draws)
    )
    assert found <= 3  # of 40; with the chance of an input and that of a pair, 2 in 100, more have one of 1000


def test_it_does_not_matter_how_inputs_are_measured() -> None:
    x = columns(300, 20, low=0.1)
    y = x[:, 4] / x[:, 9] + 0.01 * np.random.default_rng(1).normal(size=300)
    assert told(x, y) == told(1e9 * np.log(x) + 5, y) == told(x, 1e-20 * y)


def test_rows_that_do_not_count_say_nothing() -> None:
    x = columns(300, 20)
    y = np.where(np.arange(300) < 150, x[:, 4], 10 * x[:, 9])
    assert telling_inputs(x, y, np.where(np.arange(300) < 150, 1.0, 0.0)) == [4]


def test_inputs_that_do_not_vary_are_never_chosen() -> None:
    x = columns(100, 20)
    x[:, :10] = 3.0
    assert set(told(x, x[:, 15] + 0.01 * x[:, 12])) <= {15, 12}
    assert told(x, np.full(100, 0.1)) == []


def test_so_many_that_tell_something_are_not_told_apart_from_the_others() -> None:
    x = columns(2000, MOST + 6)
    assert telling_inputs(x, x[:, : MOST + 1].sum(1), np.ones(2000)) is None
    assert set(told(x, x[:, :FEW].sum(1))) == set(range(FEW))


def test_targets_over_decades_are_looked_at_by_their_logarithms_too() -> None:
    x = columns(300, 30, low=0.0)
    y = np.exp(12 * x[:, 3] + 2 * x[:, 4]) * np.exp(0.3 * np.random.default_rng(1).normal(size=300))
    problem = Problem(torch.tensor(x), torch.tensor(y)[:, None], list(FUNCTIONS.values()))
    assert set(inputs_to_look_at(problem) or ()) >= {3, 4}


def test_few_inputs_are_all_looked_at() -> None:
    x = columns(300, FEW)
    problem = Problem(torch.tensor(x), torch.tensor(x[:, :1]), list(FUNCTIONS.values()))
    assert inputs_to_look_at(problem) is None


def test_an_input_that_tells_all_is_told_from_two_that_tell_something() -> None:
    x = columns(200, 3)
    noise = 0.05 * np.random.default_rng(1).normal(size=200)
    ones = np.ones(200)
    assert telling_alone(x, np.exp(2 * x[:, 1]) + noise, ones) == 1
    assert telling_alone(x, np.exp(2 * x[:, 1]) + 0.02 * x[:, 2] + noise, ones) == 1  # next to nothing
    assert telling_alone(x, np.exp(2 * x[:, 1]) + 0.5 * x[:, 2] + noise, ones) is None
    assert telling_alone(x, x[:, 0] * x[:, 2] + noise, ones) is None
    assert telling_alone(x, np.sin(40 * x[:, 0]) + 0.3 * x[:, 0] + 0.3 * x[:, 1], ones) is None  # too fast for waves
    assert telling_alone(x, noise, ones) is None


def test_rows_that_do_not_count_do_not_tell_which_input_tells_all() -> None:
    x = columns(200, 2)
    y = np.where(np.arange(200) < 100, x[:, 0] ** 2, x[:, 1]) + 0.01 * np.random.default_rng(1).normal(size=200)
    first = (np.arange(200) < 100).astype(float)
    assert telling_alone(x, y, first) == 0
    assert telling_alone(x, y, 1 - first) == 1


def test_each_input_is_in_one_pair_the_strongest() -> None:
    x = columns(2000, 12)
    y = x[:, 2] * x[:, 5] + 0.5 * x[:, 5] * x[:, 7] + 0.4 * x[:, 0] * x[:, 1]
    ranks = np.stack([ranks_of(column) for column in x.T], axis=1)
    assert telling_pairs(ranks, np.ones(2000), y - y.mean(), 1999) == [(2, 5), (0, 1)]
