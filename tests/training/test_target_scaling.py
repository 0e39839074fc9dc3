from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from kanrun.config.datasets import SymbolicConfig
from kanrun.config.schema import (
    Config,
    MlpConfig,
    ModelConfig,
    PlotsConfig,
    SymbolicFitConfig,
)
from kanrun.data.dataset import REGRESSION, Dataset, Rows
from kanrun.data.losses import MSE
from kanrun.model.mlp import MLP
from kanrun.model.network import KAN
from kanrun.pipeline.run import run
from kanrun.symbolic.search import Symbolic
from kanrun.training.history import Record
from kanrun.training.target_scaling import Scaled, Unscaled, scaling_of
from tests.helpers import uniform_rows

X = uniform_rows(200, 2)
FEW = SymbolicFitConfig(library=["x", "x^2", "exp", "log"], work=300.0)


def data_of(y: torch.Tensor) -> Dataset:
    rows = Rows(X, y if y.ndim == 2 else y[:, None])
    return Dataset("rows", rows, rows, ["x_1", "x_2"], ["y"] * rows.y.shape[1], REGRESSION, MSE, validation=rows)


@pytest.mark.parametrize("y", [X[:, 0], 5 * X[:, 0] - 3 * X[:, 1], 1 + X[:, 0]])
def test_targets_of_a_moderate_size_are_left_as_they_are(y: torch.Tensor) -> None:
    assert scaling_of(data_of(y), KAN([2, 1])) == Unscaled()


@pytest.mark.parametrize("y", [1e-9 * X[:, 0], 1e5 * X[:, 0] * X[:, 1], 100 + X[:, 0], -1e6 + 1e-3 * X[:, 1]])
@pytest.mark.parametrize("model", [KAN([2, 1]), MLP([2, 3, 1])], ids=["kan", "mlp"])
def test_others_train_with_a_spread_near_one_and_near_zero_and_come_back(y: torch.Tensor, model: Any) -> None:
    data = data_of(y)
    scaling = scaling_of(data, model)
    assert isinstance(scaling, Scaled)
    small = scaling.scaled(data)
    assert small.validation is not None
    for rows in (small.train, small.test, small.validation):
        spread = float(rows.y.std(correction=0))
        assert 0.1 < spread < 2
        assert abs(float(rows.y.mean())) <= 10 * spread
    with torch.no_grad():
        before, restored = model(X), scaling.restored(model)(X)
    torch.testing.assert_close((restored - scaling.shift) / scaling.scale, before, rtol=0, atol=1e-4)


@pytest.mark.parametrize("model", [KAN([2, 1]), MLP([2, 3, 1])], ids=["kan", "mlp"])
def test_a_network_for_the_targets_is_entered_in_their_scale_and_comes_back(model: Any) -> None:
    scaling = scaling_of(data_of(100 + 7 * X[:, 0]), model)
    assert isinstance(scaling, Scaled)
    own = model.clone()
    with torch.no_grad():
        wanted = (own(X) - scaling.shift) / scaling.scale
        torch.testing.assert_close(scaling.entered(own)(X), wanted)
        torch.testing.assert_close(scaling.restored(scaling.entered(own))(X), own(X))


def test_losses_come_back_in_the_scale_of_the_targets() -> None:
    scaling = scaling_of(data_of(1000 * X[:, 0]), KAN([2, 1]))
    assert isinstance(scaling, Scaled)
    record = Record("train", 0, 2.0, 3.0, 4.0, 0.5)
    back = scaling.restored_record(replace(record, validation_loss=5.0))
    assert (back.train_loss, back.test_loss, back.regularization) == tuple(scaling.of_loss * v for v in (2.0, 3.0, 4.0))
    assert back.validation_loss == scaling.of_loss * 5.0
    assert scaling.restored_record(record).validation_loss is None
    model = KAN([2, 1])
    found = scaling.restored_formula(Symbolic(model, 2.0, 7.0, [model]))
    assert found.loss == scaling.of_loss * 2.0
    with torch.no_grad():
        for own in (found.model, *found.front):
            torch.testing.assert_close(own(X), scaling.scale * model(X) + scaling.shift)


def test_every_output_has_a_scale_of_its_own(tmp_path: Path) -> None:
    data = data_of(torch.stack([1000 * X[:, 0], X[:, 1], 5 + 0 * X[:, 0]], dim=1))
    scaling = scaling_of(data, KAN([2, 3]))
    assert isinstance(scaling, Scaled)
    assert scaling.scale.tolist() == [1000.0, 1.0, 1.0]
    dataset = SymbolicConfig(formula=["1000*x_1", "x_2"], n_train=100, n_test=40)
    model = ModelConfig(width=[2, 2], grid=3)
    run(Config(dataset=dataset, model=model, symbolic=FEW, plots=PlotsConfig(enabled=False)), tmp_path, quiet=True)
    assert [f["rounded"] for f in json.loads((tmp_path / "formula.json").read_text())] == ["1000*x_1", "x_2"]


def test_targets_that_are_all_the_same_become_zeros() -> None:
    data = data_of(torch.full((200,), 31234.5678, dtype=torch.float64))
    scaling = scaling_of(data, KAN([2, 1]))
    assert isinstance(scaling, Scaled)
    assert float(scaling.scaled(data).train.y.abs().max()) == 0


def test_outputs_of_moderate_but_uneven_spreads_come_near_one_by_one_digit() -> None:
    scaling = scaling_of(data_of(torch.stack([0.5 * X[:, 0], 7.7 * X[:, 1]], dim=1)), KAN([2, 2]))
    assert isinstance(scaling, Scaled)
    spreads = scaling.scaled(data_of(torch.stack([0.5 * X[:, 0], 7.7 * X[:, 1]], dim=1))).train.y.std(0)
    assert bool(((spreads > 2 / 3) & (spreads < 3 / 2)).all())
    assert [f"{s:.0e}" for s in scaling.scale.tolist()] == [
        f"{s:.1e}".replace(".0", "") for s in scaling.scale.tolist()
    ]


def test_an_output_that_is_a_product_is_scaled_and_not_shifted() -> None:
    model = KAN([2, [1, 1]], seed=1)
    y = torch.stack([100 + X[:, 0], 1000 * X[:, 0] * X[:, 1]], dim=1)
    scaling = scaling_of(data_of(y), model)
    assert isinstance(scaling, Scaled)
    assert scaling.shift.tolist() == [100.0, 0.0]
    with torch.no_grad():
        torch.testing.assert_close(scaling.restored(model)(X), scaling.scale * model(X) + scaling.shift)


def test_a_locked_edge_to_an_output_keeps_the_scale() -> None:
    model = KAN([2, 1])
    model.fix(0, 0, 0, "x", c=1000.0, trainable=False)
    assert scaling_of(data_of(1000 * X[:, 0] + X[:, 1]), model) == Unscaled()


@pytest.mark.parametrize("formula", ["1e-6*x_1*x_2", "1000+x_1*x_2", "1e5*x_1*x_2"])
@pytest.mark.parametrize("model", [ModelConfig(width=[2, 2, 1], grid=3), MlpConfig()], ids=["kan", "mlp"])
def test_a_run_explains_targets_of_any_size(formula: str, model: Any, tmp_path: Path) -> None:
    config = Config(
        dataset=SymbolicConfig(formula=formula, n_train=100, n_test=40),
        model=model,
        symbolic=FEW,
        plots=PlotsConfig(enabled=False),
    )
    metrics = run(config, tmp_path, quiet=True)
    assert all(stage["test"]["r2"] > 0.999 for stage in metrics["stages"])
