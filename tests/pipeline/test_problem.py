from __future__ import annotations

import os
from typing import Any

import pytest
import torch

from kanrun.config.schema import AutoConfig, Config, FixConfig, ModelConfig, RegularizationConfig
from kanrun.config.validation import read_config
from kanrun.pipeline.problem import build_network, grids_of, make_problem, penalty_of, threads_of
from tests.helpers import uniform_rows

X = uniform_rows(80, 3, seed=3)


def test_the_network_is_the_one_that_the_config_describes() -> None:
    config = Config(model=ModelConfig(grid=7, k=2, base="identity", grid_eps=0.5))
    model = build_network(config, [2, [1, 2], 1], X[:, :2].float())
    assert (model.width, model.grid, model.k, model.base, model.grid_eps) == ([2, [1, 2], 1], 7, 2, "identity", 0.5)
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_fixed_edges_are_in_their_place_with_their_numbers() -> None:
    edges = [
        FixConfig(layer=0, input=1, output=2, function="sin", a=2.0, b=0.5, c=-1.5, d=0.25),
        FixConfig(layer=1, input=0, output=0, function="gaussian", trainable=False),
    ]
    model = build_network(Config(model=ModelConfig(fix=edges)), [2, [1, 1], 1], X[:, :2])
    first, second = model.layers
    assert (first.functions, second.functions) == ({(2, 1): "sin"}, {(0, 0): "gaussian"})
    assert first.affine[2, 1].tolist() == [2.0, 0.5, -1.5]
    assert first.bias.tolist() == [0.0, 0.0, 0.25]
    assert (bool(first.is_trainable[2, 1]), bool(second.is_trainable[0, 0])) == (True, False)
    fixed = first.trace(X[:, :2]).edges[:, 2, 1]
    assert torch.allclose(fixed, -1.5 * torch.sin(2 * X[:, 1] + 0.5))


def test_the_seed_alone_decides_about_the_random_numbers() -> None:
    one, same, other = (build_network(Config(seed=s), [3, 4, 1], X).get_vector() for s in (7, 7, 8))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_every_further_attempt_begins_from_other_and_wilder_numbers() -> None:
    config = Config(model=ModelConfig(noise_scale=0.3, grid=20))
    networks = [build_network(config, [3, 20, 1], X, attempt) for attempt in range(3)]
    spreads = [float(n.layers[0].coef.detach().std()) for n in networks]
    assert spreads[1] == pytest.approx(2 * spreads[0], rel=0.1)
    assert spreads[2] == pytest.approx(4 * spreads[0], rel=0.1)
    scaled = [n.layers[0].coef.detach() / s for n, s in zip(networks, spreads, strict=True)]
    assert float((scaled[0] - scaled[1]).abs().mean()) > 0.5
    again = build_network(config, [3, 20, 1], X, 1)
    assert torch.equal(again.get_vector(), networks[1].get_vector())


def test_the_regularization_keeps_its_numbers_apart() -> None:
    given = RegularizationConfig(lamb=0.1, lamb_l1=0.2, lamb_entropy=0.3, lamb_coef=0.4, lamb_coefdiff=0.5)
    penalty = penalty_of(Config(regularization=given))
    assert (penalty.lamb, penalty.l1, penalty.entropy, penalty.coef, penalty.coefdiff) == (0.1, 0.2, 0.3, 0.4, 0.5)


def test_the_first_of_the_grids_is_the_one_to_begin_with() -> None:
    config = Config(model=ModelConfig(grid=7))
    assert grids_of(config) == [7]
    assert build_network(config, [3, 1], X).grid == 7
    config = Config(model=ModelConfig(grid=7), optimizer=AutoConfig(grids=[4, 8]))
    assert grids_of(config) == [4, 8]
    assert build_network(config, [3, 1], X).grid == 4


@pytest.mark.parametrize("dataset", [{"table": "circles", "rows": 60}, {"table": "iris"}])
def test_a_search_over_rows_with_classes_is_a_training(dataset: dict[str, Any]) -> None:
    problem = make_problem(read_config({"dataset": {"name": "sklearn", **dataset}, "search": {"seconds": 5}}))
    assert not problem.config.search.wanted
    assert problem.data.notes == ("the target has classes, so a network is trained instead of a search",)
    made = make_problem(read_config({"dataset": {"name": "sklearn", "table": "diabetes"}, "search": {"seconds": 5}}))
    assert made.config.search.wanted and made.data.notes == ()


def test_threads_beyond_the_cores_are_not_made() -> None:
    before = torch.get_num_threads()
    with threads_of(Config(threads=1024)):
        assert 1 <= torch.get_num_threads() <= (os.cpu_count() or 1)
    assert torch.get_num_threads() == before
