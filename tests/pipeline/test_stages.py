from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from kanrun.config.schema import (
    AdamConfig,
    AutoConfig,
    Config,
    FixConfig,
    LbfgsConfig,
    LmConfig,
    ModelConfig,
    OptimizerConfig,
    PruneConfig,
    RegularizationConfig,
)
from kanrun.data.dataset import CLASSIFICATION, REGRESSION, Dataset, Rows
from kanrun.data.losses import CROSS_ENTROPY, MSE
from kanrun.errors import ConfigError
from kanrun.functions.library import library
from kanrun.model.network import KAN
from kanrun.pipeline import stages
from kanrun.pipeline.stages import build_network, choose_optimizer, find_formula, grids_of, penalty_of, prune
from kanrun.training.least_squares import levenberg_marquardt
from tests.helpers import uniform_rows

X = uniform_rows(80, 3, seed=3)
TEST_X = uniform_rows(20, 3, seed=4)


def strong_and_weak(x: Tensor) -> Tensor:
    """x_1 matters most, x_2 a little, x_3 not at all."""
    return torch.sin(torch.pi * x[:, :1]) + 0.2 * x[:, 1:2]


def values() -> Dataset:
    rows = [Rows(x, strong_and_weak(x)) for x in (X, TEST_X)]
    return Dataset("values", *rows, ["x_1", "x_2", "x_3"], ["y"], REGRESSION, MSE)


def classes() -> Dataset:
    rows = [Rows(x, (strong_and_weak(x)[:, 0] > 0.1).long()) for x in (X, TEST_X)]
    return Dataset("classes", *rows, ["x_1", "x_2", "x_3"], ["a", "b"], CLASSIFICATION, CROSS_ENTROPY)


def trained(data: Dataset, width: list[Any], seed: int = 0, steps: int = 25) -> KAN:
    model = KAN(width, grid=4, seed=seed)
    model.fit_grids(data.train.x)
    levenberg_marquardt(model, data.train.x, data.train.y, data.loss, steps, 0.0 if data.loss == MSE else 1e-5)
    return model


def loss_of(model: KAN, data: Dataset) -> float:
    with torch.no_grad():
        return float(data.loss.value(model(data.train.x), data.train.y))


def refitted_loss(model: KAN, data: Dataset) -> float:
    """The loss after a long refit of a copy."""
    copy = model.clone()
    copy.fit_grids(data.train.x)
    levenberg_marquardt(copy, data.train.x, data.train.y, data.loss, 60, 0.0 if data.loss == MSE else 1e-5)
    return loss_of(copy, data)


# ---- building ------------------------------------------------------------------------------------------------------


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


# ---- the optimizer -------------------------------------------------------------------------------------------------

SMALL = KAN([3, 4, 1], grid=5)
LARGE = KAN([3, 90, 1], grid=5)  # 360 edges of 9 numbers each
HALF = KAN([3, 4, 1], grid=5, dtype=torch.float32)


def test_auto_is_lm_where_the_network_is_small_and_precise_and_lbfgs_elsewhere() -> None:
    assert SMALL.parameter_count() < 3000 < LARGE.parameter_count()
    assert choose_optimizer(AutoConfig(), SMALL) == LmConfig()
    assert choose_optimizer(AutoConfig(), LARGE) == LbfgsConfig()
    assert choose_optimizer(AutoConfig(), HALF) == LbfgsConfig()


def test_3000_parameters_are_the_most_for_lm() -> None:
    base = KAN([1, 1], grid=1, k=0, base="zero")
    at, beyond = (base.refine(grid) for grid in (3000, 3001))
    assert (at.parameter_count(), beyond.parameter_count()) == (3000, 3001)
    assert isinstance(choose_optimizer(AutoConfig(), at), LmConfig)
    assert choose_optimizer(LmConfig(steps=7), at) == LmConfig(steps=7)
    assert isinstance(choose_optimizer(AutoConfig(), beyond), LbfgsConfig)
    with pytest.raises(ConfigError, match="3001 parameters"):
        choose_optimizer(LmConfig(), beyond)


def test_lm_is_refused_for_a_grid_that_is_too_fine_and_auto_goes_as_far_as_it_can() -> None:
    grids = [5, 500]
    assert choose_optimizer(AutoConfig(grids=grids), SMALL) == LmConfig(grids=grids)
    with pytest.raises(ConfigError, match="optimizer=lbfgs"):
        choose_optimizer(LmConfig(grids=grids), SMALL)
    assert choose_optimizer(AutoConfig(grids=[5, 10]), SMALL) == LmConfig(grids=[5, 10])
    assert SMALL.grid == 5  # what was given is left alone


@pytest.mark.parametrize(("model", "kind"), [(SMALL, LmConfig), (LARGE, LbfgsConfig)], ids=["lm", "lbfgs"])
def test_what_was_given_to_auto_goes_to_what_it_chooses(model: KAN, kind: type[OptimizerConfig]) -> None:
    given = {
        "steps": 7, "refit_steps": 0, "grid_update_every": 3, "grid_update_until": -1, "grids": [5, 6], "restarts": 2
    }  # fmt: skip
    assert choose_optimizer(AutoConfig(**given), model) == kind(**given)
    for key, value in given.items():
        assert choose_optimizer(AutoConfig(**{key: value}), model) == kind(**{key: value})


@pytest.mark.parametrize("model", [SMALL, LARGE, HALF], ids=["small", "large", "float32"])
def test_an_optimizer_that_was_named_is_taken(model: KAN) -> None:
    for config in (LbfgsConfig(steps=3, history=4), AdamConfig(batch_size=7, restarts=2)):
        assert choose_optimizer(config, model) == config


def test_lm_can_be_asked_for_in_single_precision() -> None:
    assert choose_optimizer(LmConfig(), HALF) == LmConfig()


def test_a_network_too_large_for_lm_is_refused_in_one_line_that_names_another_optimizer() -> None:
    with pytest.raises(ConfigError) as caught:
        choose_optimizer(LmConfig(), LARGE)
    [problem] = caught.value.problems
    assert problem.startswith("optimizer=lm: ")
    assert str(LARGE.parameter_count()) in problem
    assert "3000" in problem
    assert "optimizer=lbfgs" in problem


def test_entries_that_do_not_train_do_not_count() -> None:
    model = LARGE.clone()
    for layer in model.layers:
        for s in range(layer.n_sub):
            for i in range(layer.n_in):
                if s or i:
                    layer.remove(s, i)
    assert isinstance(choose_optimizer(LmConfig(), model), LmConfig)


def test_the_first_of_the_grids_is_the_one_to_begin_with() -> None:
    config = Config(model=ModelConfig(grid=7))
    assert grids_of(config) == [7]
    assert build_network(config, [3, 1], X).grid == 7
    config = Config(model=ModelConfig(grid=7), optimizer=AutoConfig(grids=[4, 8]))
    assert grids_of(config) == [4, 8]
    assert build_network(config, [3, 1], X).grid == 4


# ---- pruning -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("tolerance", [1.0, 1.5])
@pytest.mark.parametrize(("make", "width"), [(values, [3, 2, 1]), (values, [3, [1, 1], 1]), (classes, [3, 2])])
def test_pruning_never_lets_the_refitted_loss_grow_beyond_its_limit(
    make: Any, width: list[Any], tolerance: float, seed: int
) -> None:
    data = make()
    model = trained(data, width, seed, steps=8)
    before = model.clone()
    pruned = prune(model, data, PruneConfig(node_threshold=0.05, edge_threshold=0.1, tolerance=tolerance))
    variance = float(data.train.y.var(correction=0)) if data.loss == MSE else 1.0
    reference = before.clone()
    reference.fit_grids(X)
    ridge = 0.0 if data.loss == MSE else 1e-5
    reached = levenberg_marquardt(reference, X, data.train.y, data.loss, stages.REFIT_STEPS, ridge).loss
    limit = max(tolerance * reached, reached + 1e-4 * variance)
    assert refitted_loss(pruned, data) <= limit * (1 + 1e-9)
    if data.loss == MSE:  # edges that do nothing are left only where the targets are values
        assert pruned.active_edges() < before.active_edges()
    for a, b in zip(model.state_dict().values(), before.state_dict().values(), strict=True):
        assert torch.equal(a, b)  # what was given is left alone


def test_pruning_takes_out_an_input_that_does_nothing_and_keeps_a_weak_one() -> None:
    data = values()
    pruned = prune(trained(data, [3, 2, 1]), data, PruneConfig())
    assert pruned.active_inputs() == [0, 1]
    assert loss_of(pruned, data) < 1e-3 * float(data.train.y.var())


def test_thresholds_that_cost_too_much_are_halved_until_they_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    data = values()
    model = trained(data, [3, 1])
    tried: list[tuple[float, float]] = []
    real = stages.prune_by_score

    def watched(network: KAN, x: Tensor, node: float, edge: float) -> KAN:
        tried.append((node, edge))
        return real(network, x, node, edge)

    monkeypatch.setattr(stages, "prune_by_score", watched)
    # The edge of x_2 has 0.115 / 0.72 = 0.16 of the variation: 0.5 and 0.25 take it out, 0.125 does not.
    pruned = prune(model, data, PruneConfig(node_threshold=0.2, edge_threshold=0.5))
    assert tried == [(0.2, 0.5), (0.1, 0.25), (0.05, 0.125)]
    assert pruned.active_inputs() == [0, 1]


def test_thresholds_that_take_everything_leave_the_network_to_single_removals(monkeypatch: pytest.MonkeyPatch) -> None:
    data = values()
    calls: list[float] = []
    real = stages.prune_by_score
    monkeypatch.setattr(stages, "prune_by_score", lambda m, x, n, e: calls.append(e) or real(m, x, n, e))
    pruned = prune(trained(data, [3, 1]), data, PruneConfig(edge_threshold=1000.0))
    assert calls == [1000.0 / 2**i for i in range(6)]
    assert pruned.active_inputs() == [0, 1]


def test_a_loose_tolerance_prunes_more() -> None:
    data = values()
    model = trained(data, [3, 1])
    strict, loose = (prune(model, data, PruneConfig(tolerance=t)) for t in (1.1, 1e9))
    assert loose.active_edges() < strict.active_edges() == 2


def test_pruning_looks_at_no_test_row() -> None:
    data = values()
    poisoned = Dataset(
        "values", data.train, Rows(TEST_X * float("nan"), data.test.y), data.inputs, data.outputs, REGRESSION, MSE
    )
    model = trained(data, [3, 2, 1])
    one, two = (prune(model, d, PruneConfig()) for d in (data, poisoned))
    assert torch.equal(one.get_vector(), two.get_vector())


def test_rows_held_back_keep_pruning_from_following_noise() -> None:
    x = [uniform_rows(n, 3, seed) for n, seed in ((120, 5), (40, 6), (500, 7))]
    noise = torch.randn(160, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = [strong_and_weak(x[0]) + 0.4 * noise[:120], strong_and_weak(x[1]) + 0.4 * noise[120:], strong_and_weak(x[2])]
    train, held, test = (Rows(a, b) for a, b in zip(x, y, strict=True))
    data = Dataset("values", train, test, ["x_1", "x_2", "x_3"], ["y"], REGRESSION, MSE)
    model = trained(data, [3, 4, 1], steps=5)

    def missed(network: KAN) -> float:
        with torch.no_grad():
            return float(((network(test.x) - test.y) ** 2).mean())

    without, judged = (prune(model, d, PruneConfig()) for d in (data, replace(data, validation=held)))
    assert judged.parameter_count() < without.parameter_count()
    assert missed(judged) < 0.7 * missed(without)


def test_a_network_too_large_to_refit_is_still_pruned_by_score(monkeypatch: pytest.MonkeyPatch) -> None:
    data = values()
    model = trained(data, [3, 2, 1])
    monkeypatch.setattr(stages, "MOST_PARAMETERS", 1)
    monkeypatch.setattr(stages, "levenberg_marquardt", lambda *_: pytest.fail("a refit of a network that is too large"))
    pruned = prune(model, data, PruneConfig())
    assert pruned.active_edges() < model.active_edges()
    assert loss_of(pruned, data) < 2e-3


# ---- formulas ------------------------------------------------------------------------------------------------------


def test_the_formula_uses_the_functions_asked_for_and_no_others() -> None:
    data = values()
    found = find_formula(trained(data, [3, 1], steps=5), data, library(["x", "sin"]))
    names = {name for layer in found.model.layers for name in layer.functions.values()}
    assert found.model.is_symbolic()
    assert names <= {"x", "sin"}
    assert loss_of(found.model, data) < 1e-20


def test_logits_are_scaled_down_without_changing_a_class() -> None:
    x = uniform_rows(50, 2, seed=1)
    y = (x[:, 0] > 0).long()
    data = Dataset("planted", Rows(x, y), Rows(x, y), ["x_1", "x_2"], ["a", "b"], CLASSIFICATION, CROSS_ENTROPY)
    model = KAN([2, 2, 2], grid=3)
    for part in (model.layers[-1].coef, model.layers[-1].base_scale):
        part.data *= 1e4
    classes = model(x).argmax(1)
    stages.temper(model, data)
    assert float(model(x).detach().abs().mean()) == pytest.approx(stages.LOGITS)
    assert torch.equal(model(x).argmax(1), classes)


def test_large_logits_are_no_reason_to_prune_what_tells_the_classes_apart() -> None:
    """Classes that are told apart completely have large coefficients; the pull on them must not count as loss."""
    x = uniform_rows(200, 2, seed=1)
    y = (x[:, 0] + x[:, 1] > 0).long()
    rows = Rows(x, y)
    data = Dataset("planted", rows, rows, ["x_1", "x_2"], ["logit_0", "logit_1"], CLASSIFICATION, CROSS_ENTROPY)
    model = KAN([2, 2], grid=3)
    for i in range(2):
        model.fix(0, i, 0, "x", c=-500.0)
        model.fix(0, i, 1, "x", c=500.0)
    pruned = prune(model, data, PruneConfig())
    assert pruned.active_inputs() == [0, 1]
    assert bool((pruned(x).argmax(1) == y).double().mean() > 0.98)
