from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from kanrun.config.schema import PruneConfig
from kanrun.context import UNLIMITED
from kanrun.data.dataset import CLASSIFICATION, REGRESSION, Dataset, Rows
from kanrun.data.losses import CROSS_ENTROPY, MSE
from kanrun.model.network import KAN
from kanrun.training import pruning
from kanrun.training.least_squares import levenberg_marquardt
from kanrun.training.pruning import losses_on, prune_and_refit, prune_each_output
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


@pytest.mark.parametrize(("tolerance", "seed"), [(1.0, 0), (1.5, 1)])
@pytest.mark.parametrize(("make", "width"), [(values, [3, 2, 1]), (values, [3, [1, 1], 1]), (classes, [3, 2])])
def test_pruning_never_lets_the_refitted_loss_grow_beyond_its_limit(
    make: Any, width: list[Any], tolerance: float, seed: int
) -> None:
    data = make()
    model = trained(data, width, seed, steps=8)
    before = model.clone()
    pruned = prune_and_refit(model, data, PruneConfig(node_threshold=0.05, edge_threshold=0.1, tolerance=tolerance))
    variance = float(data.train.y.var(correction=0)) if data.loss == MSE else 1.0
    reference = before.clone()
    reference.fit_grids(X)
    ridge = 0.0 if data.loss == MSE else 1e-5
    reached = levenberg_marquardt(reference, X, data.train.y, data.loss, pruning.REFIT_STEPS, ridge).loss
    limit = max(tolerance * reached, reached + 1e-4 * variance)
    assert refitted_loss(pruned, data) <= limit * (1 + 1e-9)
    if data.loss == MSE:  # edges that do nothing are left only where the targets are values
        assert pruned.active_edges() < before.active_edges()
    for a, b in zip(model.state_dict().values(), before.state_dict().values(), strict=True):
        assert torch.equal(a, b)  # what was given is left alone


def test_pruning_takes_out_an_input_that_does_nothing_and_keeps_a_weak_one() -> None:
    data = values()
    pruned = prune_and_refit(trained(data, [3, 2, 1]), data, PruneConfig())
    assert pruned.active_inputs() == [0, 1]
    assert loss_of(pruned, data) < 1e-3 * float(data.train.y.var())


def test_thresholds_that_cost_too_much_are_halved_until_they_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    data = values()
    model = trained(data, [3, 1])
    tried: list[tuple[float, float]] = []
    real = pruning.prune_by_score

    def watched(network: KAN, x: Tensor, node: float, edge: float) -> KAN:
        tried.append((node, edge))
        return real(network, x, node, edge)

    monkeypatch.setattr(pruning, "prune_by_score", watched)
    # The edge of x_2 has 0.115 / 0.72 = 0.16 of the variation: 0.5 and 0.25 take it out, 0.125 does not.
    pruned = prune_and_refit(model, data, PruneConfig(node_threshold=0.2, edge_threshold=0.5))
    assert tried == [(0.2, 0.5), (0.1, 0.25), (0.05, 0.125)]
    assert pruned.active_inputs() == [0, 1]


def test_thresholds_that_take_everything_leave_the_network_to_single_removals(monkeypatch: pytest.MonkeyPatch) -> None:
    data = values()
    calls: list[float] = []
    real = pruning.prune_by_score
    monkeypatch.setattr(pruning, "prune_by_score", lambda m, x, n, e: calls.append(e) or real(m, x, n, e))
    pruned = prune_and_refit(trained(data, [3, 1]), data, PruneConfig(edge_threshold=1000.0))
    assert calls == [1000.0 / 2**i for i in range(6)]
    assert pruned.active_inputs() == [0, 1]


def test_a_loose_tolerance_prunes_more() -> None:
    data = values()
    model = trained(data, [3, 1])
    strict, loose = (prune_and_refit(model, data, PruneConfig(tolerance=t)) for t in (1.1, 1e9))
    assert loose.active_edges() < strict.active_edges() == 2


def test_pruning_looks_at_no_test_row() -> None:
    data = values()
    poisoned = Dataset(
        "values", data.train, Rows(TEST_X * float("nan"), data.test.y), data.inputs, data.outputs, REGRESSION, MSE
    )
    model = trained(data, [3, 2, 1])
    one, two = (prune_and_refit(model, d, PruneConfig()) for d in (data, poisoned))
    assert torch.equal(one.get_vector(), two.get_vector())


def test_rows_held_back_keep_pruning_from_following_noise() -> None:
    x = [uniform_rows(n, 3, seed) for n, seed in ((120, 5), (40, 6), (500, 7))]
    noise = torch.randn(160, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = [strong_and_weak(x[0]) + 0.4 * noise[:120], strong_and_weak(x[1]) + 0.4 * noise[120:], strong_and_weak(x[2])]
    train, held, test = (Rows(a, b) for a, b in zip(x, y, strict=True))
    data = Dataset("values", train, test, ["x_1", "x_2", "x_3"], ["y"], REGRESSION, MSE)
    model = trained(data, [3, 3, 1], steps=5)

    def missed(network: KAN) -> float:
        with torch.no_grad():
            return float(((network(test.x) - test.y) ** 2).mean())

    without, judged = (prune_and_refit(model, d, PruneConfig()) for d in (data, replace(data, validation=held)))
    assert judged.parameter_count() < without.parameter_count()
    assert missed(judged) < 0.7 * missed(without)


def test_a_network_too_large_to_refit_is_still_pruned_by_score(monkeypatch: pytest.MonkeyPatch) -> None:
    data = values()
    model = trained(data, [3, 2, 1])
    monkeypatch.setattr(pruning, "MOST_PARAMETERS", 1)
    monkeypatch.setattr(
        pruning, "levenberg_marquardt", lambda *_: pytest.fail("a refit of a network that is too large")
    )
    pruned = prune_and_refit(model, data, PruneConfig())
    assert pruned.active_edges() < model.active_edges()
    assert loss_of(pruned, data) < 2e-3


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
    pruned = prune_and_refit(model, data, PruneConfig())
    assert pruned.active_inputs() == [0, 1]
    assert bool((pruned(x).argmax(1) == y).double().mean() > 0.98)


def test_logits_that_are_too_sure_of_themselves_are_judged_by_what_they_tell() -> None:
    x = uniform_rows(300, 1, seed=1)
    y = (torch.rand(300, generator=torch.Generator().manual_seed(0)) < torch.sigmoid(4 * x[:, 0])).long()
    model = KAN([1, 2], grid=1)
    levenberg_marquardt(model, x, y, CROSS_ENTROPY, 50)
    (right,) = losses_on(model, Rows(x, y), CROSS_ENTROPY)
    with torch.no_grad():
        assert right == pytest.approx(float(CROSS_ENTROPY.value(model(x), y)), rel=1e-3)
    sure = model.clone()
    sure.rescale_outputs(torch.full((2,), 32.0, dtype=x.dtype), torch.zeros(2, dtype=x.dtype))
    with torch.no_grad():
        assert float(CROSS_ENTROPY.value(sure(x), y)) > 5 * right
    assert losses_on(sure, Rows(x, y), CROSS_ENTROPY) == pytest.approx([right], rel=1e-9)


def test_each_output_is_pruned_alone_and_all_stand_beside_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = KAN([3, 2, 2], grid=3, seed=1), list[Dataset]()

    def as_it_is(one: KAN, data: Dataset, *_: object) -> KAN:
        seen.append(data)
        return one

    monkeypatch.setattr(pruning, "prune_and_refit", as_it_is)
    y = torch.cat([X[:, :1], X[:, 1:2] ** 2], dim=1)
    data = Dataset("two", Rows(X, y), None, ["x_1", "x_2", "x_3"], ["a", "b"], REGRESSION, MSE)
    whole = prune_each_output(model, data)
    assert [(d.outputs, d.train.y.shape[1]) for d in seen] == [(["a"], 1), (["b"], 1)]
    with torch.no_grad():
        torch.testing.assert_close(whole(X), model(X))
    one = replace(data, train=Rows(X, y[:, :1]), outputs=["a"])
    alone = KAN([3, 2, 1], grid=3, seed=1)
    assert prune_each_output(alone, one) is alone  # there is nothing to part


def test_a_network_too_large_to_be_smoothed_has_the_loss_that_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    data, model = values(), KAN([3, 2, 1], grid=3, seed=1)
    monkeypatch.setattr(pruning, "MOST_PARAMETERS", 1)
    before = model.get_vector()
    assert pruning.smoothed(model, data, UNLIMITED) == losses_on(model, data.train, MSE)
    assert len(model.get_vector()) == len(before)


def many_classes() -> Dataset:
    """Five classes in stripes of the first input, a fifth of them drawn at random."""
    draw = torch.Generator().manual_seed(0)
    y = ((X[:, 0] + 1) * 2.499).long()
    y = torch.where(torch.rand(len(X), generator=draw) < 0.2, torch.randint(0, 5, (len(X),), generator=draw), y)
    rows = Rows(X, y)
    return Dataset("classes", rows, rows, ["x_1", "x_2", "x_3"], list("abcde"), CLASSIFICATION, CROSS_ENTROPY)


def test_a_large_network_of_many_classes_is_judged_by_what_other_rows_are_expected_to_cost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = many_classes()
    model = trained(data, [3, 2, 5], steps=4)
    model.layers[0].set_grid(model.layers[0].grid * 2)
    levenberg_marquardt(model, X, data.train.y, CROSS_ENTROPY, 4)
    vector = model.get_vector()
    small = pruning.smoothed(model.clone(), data, UNLIMITED)
    monkeypatch.setattr(pruning, "MOST_PARAMETERS", 1)
    assert pruning.refit(model, data, UNLIMITED) == losses_on(model, data.train, CROSS_ENTROPY)
    (large,) = pruning.smoothed(model, data, UNLIMITED)
    assert torch.equal(model.get_vector(), vector)  # nothing is trained
    assert large > losses_on(model, data.train, CROSS_ENTROPY)[0]  # as it is on the rows themselves
    assert large > small[0]  # which is the least that was expected on the way


def test_edges_of_many_classes_go_one_by_one_as_long_as_there_is_work_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    data = many_classes()
    model = trained(data, [3, 5], steps=4)
    config = PruneConfig(node_threshold=0.0, edge_threshold=0.0, tolerance=1.5)
    pruned = prune_and_refit(model.clone(), data, config, smooth=True)
    assert pruned.active_edges() < model.active_edges()
    monkeypatch.setattr(pruning, "MOST_WORK", 0.0)
    assert prune_and_refit(model.clone(), data, config, smooth=True).active_edges() > pruned.active_edges()
    two = classes()
    narrow = trained(two, [3, 2], steps=4)
    assert prune_and_refit(narrow, two, config, smooth=True).active_edges() < narrow.active_edges()
