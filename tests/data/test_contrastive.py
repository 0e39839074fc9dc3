from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from kanrun.config.datasets import ContrastiveConfig
from kanrun.data.contrastive import make_contrastive
from kanrun.data.dataset import CLASSIFICATION, Dataset, Rows
from kanrun.data.losses import MSE
from kanrun.errors import ConfigError
from tests.helpers import Array, formula_values

RELATIONS = ["x_3 = exp(sin(pi*x_1)+x_2**2)", "x_4 = x_5**3"]


def make(relations: list[Any] = RELATIONS, inputs: int = 6, seed: int = 0, **settings: Any) -> Dataset:
    """A few real rows and as many shuffled ones."""
    config = ContrastiveConfig(relations=relations, n_inputs=inputs, **{"n_train": 200, "n_test": 80, **settings})
    return make_contrastive(config, seed, torch.float64)


def halves(rows: Rows) -> tuple[Array, Array]:
    """Real and shuffled rows, by the target."""
    real = rows.y[:, 0] == 1
    return rows.x[real].numpy(), rows.x[~real].numpy()


def error(relation: str, x: Array) -> Array:
    """By how much a relation is missed, a row."""
    left, right = relation.split("=")
    return np.abs(formula_values(left.strip(), x) - formula_values(right.strip(), x))


def test_half_of_the_rows_are_real_and_come_first() -> None:
    data = make()
    for rows, count in ((data.train, 200), (data.test, 80)):
        assert rows.x.shape == (2 * count, 6)
        assert rows.y[:, 0].tolist() == [1.0] * count + [0.0] * count
    assert (data.inputs, data.outputs) == ([f"x_{i}" for i in range(1, 7)], ["real"])
    assert (data.task, data.loss) == (CLASSIFICATION, MSE)
    assert data.relations == RELATIONS
    assert data.truth == []


def test_relations_hold_on_real_rows_and_break_on_shuffled_ones() -> None:
    data = make()
    for rows in (data.train, data.test):
        real, shuffled = halves(rows)
        for relation in RELATIONS:
            assert error(relation, real).max() < 1e-12
            assert np.median(error(relation, shuffled)) > 0.1


def test_shuffled_rows_have_the_same_columns_each_in_an_order_of_its_own() -> None:
    real, shuffled = halves(make().train)
    orders = []
    for a, b in zip(real.T, shuffled.T, strict=True):
        assert sorted(a) == sorted(b)
        orders.append(tuple(np.argsort(a)[np.argsort(np.argsort(b))]))
    assert len(set(orders)) == 6
    assert np.abs(np.corrcoef(shuffled.T) - np.eye(6)).max() < 0.3
    assert np.corrcoef(real.T)[3, 4] > 0.8


def test_free_inputs_are_even_over_their_domains() -> None:
    domain = [[-1, 1], [0, 2], [-1, 1], [-1, 1], [3, 4], [-5, -4]]
    data = make(domain=domain, n_train=1000)
    real, _ = halves(data.train)
    for i in (0, 1, 4, 5):
        low, high = domain[i]
        assert stats.kstest((real[:, i] - low) / (high - low), "uniform").pvalue > 1e-3
    assert real[:, 3].min() > 20


def test_training_and_test_rows_are_separate_draws() -> None:
    data = make(seed=2)
    train, test = (set(halves(rows)[0].flatten().tolist()) for rows in (data.train, data.test))
    assert not train & test


def test_the_seed_alone_decides_the_rows() -> None:
    first = make(seed=3)
    np.random.seed(9)
    torch.manual_seed(9)
    again, other = make(seed=3), make(seed=4)
    assert torch.equal(first.train.x, again.train.x)
    assert torch.equal(first.test.x, again.test.x)
    assert not set(first.train.x.flatten().tolist()) & set(other.train.x.flatten().tolist())


def test_global_random_numbers_are_neither_used_nor_changed() -> None:
    np.random.seed(1)
    torch.manual_seed(1)
    make()
    after = np.random.random(), float(torch.rand(1))
    np.random.seed(1)
    torch.manual_seed(1)
    assert after == (np.random.random(), float(torch.rand(1)))


@pytest.mark.parametrize(
    "relations",
    [
        ["x_2 = x_1**2", "x_3 = exp(x_2)"],
        ["x_3 = exp(x_2)", "x_2 = x_1**2"],
        ["x_4 = x_3+x_1", "x_3 = x_2*x_1", "x_2 = sin(x_1)"],
        ["x_1 = x_2+x_3", "x_4 = x_2-x_3"],
        ["  x_1=x_2 "],
        ["x_1 = 5"],
    ],
)
def test_relations_may_build_on_each_other_in_any_order(relations: list[str]) -> None:
    real, _ = halves(make(relations, 5).train)
    for relation in relations:
        assert error(relation, real).max() < 1e-12


@pytest.mark.parametrize(
    ("relations", "wrong"),
    [
        (["x_1 = x_2", "x_2 = x_1"], "circle"),
        (["x_1 = x_1+1"], "circle"),
        (["x_1 = x_2", "x_2 = x_3", "x_3 = x_1"], "circle"),
        (["x_5 = x_4", "x_1 = x_2", "x_2 = x_1"], "circle"),
        (["x_1 = x_2", "x_1 = x_3"], "at most once"),
        (["x_7 = x_1"], "x_1 to x_6"),
        (["x_1 = x_7"], "unknown name x_7"),
        (["x_1 == x_2"], "x_i = formula"),
        (["x_1"], "x_i = formula"),
        ([""], "x_i = formula"),
        ([3], "x_i = formula"),
        (["2*x_1 = x_2"], "x_i = formula"),
        (["x_1 + x_2 = 1"], "x_i = formula"),
        (["= x_1"], "x_i = formula"),
        (["x_1 = "], "formula"),
        (["x_1 = x_2 = x_3"], "cannot be read"),
        (["x_1 = sine(x_2)"], "did you mean sin"),
        (["x_1 = log(x_2)"], "not finite on its domain"),
        (["x_1 = 1/(x_2-x_2)"], "not finite"),
        (["x_2 = 3*x_1", "x_3 = asin(x_2)"], "not finite on its domain"),
        (["x_1 = __import__('os').getcwd()"], "plain names"),
    ],
)
def test_wrong_relations_are_refused_with_the_reason(relations: list[Any], wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong) as caught:
        make(relations)
    (message,) = caught.value.problems
    assert message.startswith("dataset.relations=")
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("pairs", [1, 3, 5])
def test_a_list_of_domains_has_one_pair_an_input(pairs: int) -> None:
    if pairs == 3:
        data = make(["x_2 = x_1"], 3, domain=[[0, 1]] * 3)
        assert data.domain == [(0.0, 1.0)] * 3
        return
    try:
        data = make(["x_2 = x_1"], 3, domain=[[0, 1]] * pairs)
    except ConfigError as caught:
        assert "dataset.domain" in str(caught)  # noqa: PT017
    else:
        assert data.train.x.shape[1] == len(data.inputs) == len(data.domain)


def test_rows_have_the_precision_of_the_run() -> None:
    config = ContrastiveConfig(n_train=4, n_test=4)
    data = make_contrastive(config, 0, torch.float32)
    assert {part.dtype for rows in (data.train, data.test) for part in (rows.x, rows.y)} == {torch.float32}
