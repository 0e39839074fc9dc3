from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from kanrun.config.datasets import MoonsConfig
from kanrun.config.schema import Config, ModelConfig
from kanrun.data.build import build_dataset
from kanrun.data.dataset import CLASSIFICATION, Dataset
from kanrun.data.losses import CROSS_ENTROPY, MSE, Loss
from kanrun.data.moons import make_moons
from kanrun.errors import ConfigError


def make(outputs: int | None = None, seed: int = 0, **settings: Any) -> Dataset:
    """A small pair of moons."""
    return make_moons(MoonsConfig(**{"n_train": 200, "n_test": 100, **settings}), seed, torch.float64, outputs)


def half_circles(x: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """The distance of each point from its own half circle's curve."""
    upper, lower = torch.hypot(x[:, 0], x[:, 1]) - 1, torch.hypot(x[:, 0] - 1, x[:, 1] - 0.5) - 1
    return torch.where(label == 0, upper, lower)


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_points_lie_on_two_half_circles_up_to_the_noise(noise: float) -> None:
    data = make(noise=noise, n_train=2000)
    distance = half_circles(data.train.x, data.train.y)
    if noise:
        assert float(distance.std()) == pytest.approx(noise, rel=0.1)
    else:
        assert float(distance.abs().max()) < 1e-12
        assert bool((data.train.x[data.train.y == 0, 1] >= 0).all())
        assert bool((data.train.x[data.train.y == 1, 1] <= 0.5).all())


def test_both_classes_are_there_in_equal_parts_and_in_random_order() -> None:
    for rows in (make().train, make().test):
        assert int(rows.y.sum()) == len(rows.y) // 2
        assert 0.3 < float((rows.y[1:] != rows.y[:-1]).double().mean()) < 0.7


@pytest.mark.parametrize(
    ("form", "width", "loss"),
    [
        ("auto", [2, 1], MSE),
        ("auto", [2, 4, 1], MSE),
        ("auto", [2, 2], CROSS_ENTROPY),
        ("auto", [2, [0, 2]], CROSS_ENTROPY),
        ("auto", None, CROSS_ENTROPY),
        ("regression", None, MSE),
        ("regression", [2, 1], MSE),
        ("classes", [2, 3, 2], CROSS_ENTROPY),
    ],
)
def test_the_form_follows_the_width_unless_it_is_given(form: str, width: list[Any] | None, loss: Loss) -> None:
    config = Config(dataset=MoonsConfig(form=form, n_train=20, n_test=10), model=ModelConfig(width=width))
    data = build_dataset(config, torch.float64, torch.device("cpu"))
    assert (data.task, data.loss) == (CLASSIFICATION, loss)
    if loss == MSE:
        assert data.outputs == ["class"]
        assert data.train.y.shape == (20, 1)
        assert data.train.y.dtype == torch.float64
        assert data.train.y.unique().tolist() == [0.0, 1.0]
    else:
        assert data.outputs == ["logit_0", "logit_1"]
        assert data.train.y.shape == (20,)
        assert data.train.y.dtype == torch.long
        assert data.train.y.unique().tolist() == [0, 1]


@pytest.mark.parametrize(
    ("form", "width", "what"),
    [
        ("classes", [2, 1], "2 classes"),
        ("regression", [2, 2], "1 output"),
        ("auto", [2, 3], "2 classes"),
        ("auto", [3, 2], "2 inputs"),
    ],
)
def test_a_width_that_does_not_match_the_form_is_named(form: str, width: list[int], what: str) -> None:
    config = Config(dataset=MoonsConfig(form=form, n_train=20, n_test=10), model=ModelConfig(width=list(width)))
    with pytest.raises(ConfigError, match=what) as caught:
        build_dataset(config, torch.float64, torch.device("cpu"))
    assert caught.value.problems[0].startswith(f"model.width=[{','.join(map(str, width))}]")


def test_both_forms_have_the_same_rows() -> None:
    classes, values = make(2), make(1)
    assert torch.equal(classes.train.x, values.train.x)
    assert torch.equal(classes.train.y.double(), values.train.y[:, 0])


def test_training_and_test_rows_are_separate_draws() -> None:
    data = make(n_train=150, n_test=150)
    rows = torch.cat([data.train.x, data.test.x])
    assert len(rows.unique(dim=0)) == 300


def test_the_seed_alone_decides_the_rows() -> None:
    first = make(seed=3)
    np.random.seed(9)
    torch.manual_seed(9)
    again, other = make(seed=3), make(seed=4)
    assert torch.equal(first.train.x, again.train.x)
    assert torch.equal(first.test.x, again.test.x)
    assert torch.equal(first.train.y, again.train.y)
    assert not set(first.train.x.flatten().tolist()) & set(other.train.x.flatten().tolist())


def test_global_random_numbers_are_neither_used_nor_changed() -> None:
    np.random.seed(1)
    torch.manual_seed(1)
    make()
    after = np.random.random(), float(torch.rand(1))
    np.random.seed(1)
    torch.manual_seed(1)
    assert after == (np.random.random(), float(torch.rand(1)))


def test_rows_are_counted_and_have_the_precision_of_the_run() -> None:
    data = make_moons(MoonsConfig(n_train=7, n_test=3), 0, torch.float32, 1)
    assert data.train.x.shape == (7, 2)
    assert data.test.y.shape == (3, 1)
    assert {data.train.x.dtype, data.train.y.dtype, data.test.x.dtype} == {torch.float32}
    assert data.inputs == ["x_1", "x_2"]
    assert data.truth == data.relations == []
