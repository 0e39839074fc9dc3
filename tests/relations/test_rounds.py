from __future__ import annotations

import math
from typing import Any

import torch

from kanrun.config.datasets import ContrastiveConfig
from kanrun.data.contrastive import make_contrastive
from kanrun.data.dataset import Dataset, hold_back
from kanrun.functions.library import library
from kanrun.model.network import KAN
from kanrun.relations.relation import find_relations, real_rows
from kanrun.relations.rounds import FRUITLESS, all_relations, with_shuffled
from tests.helpers import fixed_network

FUNCTIONS = library(["x", "x^2", "x^3", "sin", "exp", "log"])
# The sums of each network are constant on real rows; the gaussian of the last edge tells them from shuffled ones.
LAST = (1, 0, 0, "gaussian", 1.0, 0.0, 1.0)
FIRST = [(0, 0, 0, "sin", math.pi, 0.0, 9.0), (0, 1, 0, "x", 1.0, 0.0, 9.0), (0, 2, 0, "x", 1.0, 0.0, -9.0), LAST]
SECOND = [(0, 0, 0, "x^2", 1.0, 0.0, 9.0), (0, 3, 0, "x", 1.0, 0.0, -9.0), (0, 4, 0, "x", 1.0, 0.0, -9.0), LAST]
NOTHING: list[tuple[Any, ...]] = [(0, 5, 0, "x", 1.0, 0.0, 1.0), LAST]


def shared() -> Dataset:
    """x_1 takes part in two relations; x_6 is free."""
    texts = ["x_3 = sin(pi*x_1)+x_2", "x_5 = x_1**2-x_4"]
    return make_contrastive(ContrastiveConfig(relations=texts, n_inputs=6, n_train=300, n_test=20), 1, torch.float64)


class Taught:
    """Trainings that end as the given networks, the last one ever again; remembers the datasets."""

    def __init__(self, *networks: list[tuple[Any, ...]]) -> None:
        self.networks, self.seen = networks, list[Dataset]()

    def __call__(self, rest: Dataset, number: int) -> KAN:
        assert number == len(self.seen) + 1
        self.seen.append(rest)
        return fixed_network([6, 1, 1], self.networks[min(number, len(self.networks)) - 1])


def test_each_relation_found_is_set_aside_until_no_network_is_better_than_chance() -> None:
    data = shared()
    train = Taught(FIRST, SECOND, NOTHING)
    ties, rounds = all_relations(data, [], FUNCTIONS, train, seed=0)
    assert [tie.inputs for tie in ties] == [[0, 1, 2], [0, 3, 4]]
    assert [tie.relation.exact for tie in ties if tie.relation] == [True, True]
    assert [r.found for r in rounds] == [[["x_1", "x_2", "x_3"]], [["x_1", "x_4", "x_5"]]] + [[]] * FRUITLESS
    assert rounds[0].set_aside == []
    assert rounds[1].set_aside in (["x_2"], ["x_3"])  # x_1 is needed for the other
    assert len(rounds[2].set_aside) == 2
    assert all((r.accuracy > r.beyond) == bool(r.found) for r in rounds)


def test_what_is_set_aside_tells_real_rows_no_longer() -> None:
    data = shared()
    train = Taught(FIRST)
    ties, rounds = all_relations(data, [], FUNCTIONS, train, seed=0)
    assert [tie.inputs for tie in ties] == [[0, 1, 2]]
    assert all(r.accuracy <= r.beyond for r in rounds[1:])
    assert len(train.seen) == 1 + FRUITLESS


def test_relations_that_are_known_before_are_kept_and_set_aside_first() -> None:
    data = shared()
    known = find_relations(data, [[0, 1, 2]], FUNCTIONS)
    ties, rounds = all_relations(data, known, FUNCTIONS, Taught(SECOND, NOTHING), seed=0)
    assert ties[: len(known)] == known
    assert [tie.inputs for tie in ties] == [[0, 1, 2], [0, 3, 4]]
    assert rounds[0].set_aside in (["x_2"], ["x_3"])


def test_only_the_inputs_set_aside_are_shuffled_and_only_in_real_rows() -> None:
    data = hold_back(shared(), 0.2, 0)
    mixed = with_shuffled(data, [1, 4], seed=3)
    assert data.validation is not None and mixed.validation is not None
    for before, after in ((data.train, mixed.train), (data.test, mixed.test), (data.validation, mixed.validation)):
        real = before.y[:, 0] > 0.5
        assert torch.equal(before.y, after.y)
        assert torch.equal(before.x[~real], after.x[~real])
        assert torch.equal(before.x[:, [0, 2, 3, 5]], after.x[:, [0, 2, 3, 5]])
        for i in (1, 4):
            assert not torch.equal(before.x[real, i], after.x[real, i])
            assert torch.equal(before.x[real, i].sort().values, after.x[real, i].sort().values)
    assert len(real_rows(mixed)) == len(real_rows(data))
    again = with_shuffled(data, [1, 4], seed=3)
    assert torch.equal(again.train.x, mixed.train.x)


def test_nothing_is_trained_where_all_inputs_but_one_are_set_aside() -> None:
    data = make_contrastive(
        ContrastiveConfig(relations=["x_2 = x_1**3"], n_inputs=2, n_train=60, n_test=20), 1, torch.float64
    )
    known = find_relations(data, [[0, 1]], FUNCTIONS)
    assert [tie.inputs for tie in known] == [[0, 1]]
    assert all_relations(data, known, FUNCTIONS, Taught(NOTHING), seed=0) == (known, [])
