from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from kanrun.config.datasets import ContrastiveConfig, DatasetConfig, MoonsConfig, SymbolicConfig
from kanrun.config.schema import Config, ModelConfig
from kanrun.data.build import MAKERS, build_dataset, check_match, moved, network_width, register_dataset
from kanrun.data.dataset import Dataset, hold_back
from kanrun.errors import ConfigError

SMALL = {"n_train": 10, "n_test": 6}
TWO_BY_THREE = SymbolicConfig(formula=["x_1+x_2", "x_1", "x_2"], **SMALL)
KINDS = [TWO_BY_THREE, MoonsConfig(**SMALL), ContrastiveConfig(**SMALL)]
SIZES = {"symbolic": (2, 3), "moons": (2, 2), "contrastive": (6, 1)}


def build(dataset: DatasetConfig, width: list[Any] | None = None, seed: int = 0) -> Dataset:
    """The dataset of a config, on the CPU."""
    config = Config(dataset=dataset, model=ModelConfig(width=width), seed=seed)
    return build_dataset(config, torch.float64, torch.device("cpu"))


def problems(dataset: DatasetConfig, width: list[Any]) -> list[str]:
    """What is wrong with a width."""
    with pytest.raises(ConfigError) as caught:
        build(dataset, width)
    return caught.value.problems


@pytest.mark.parametrize("section", KINDS, ids=lambda section: section.name)
def test_every_kind_of_dataset_is_built_with_a_default_width(section: DatasetConfig) -> None:
    data = build(section)
    inputs, outputs = SIZES[section.name]
    assert data.name == section.name
    assert (len(data.inputs), len(data.outputs)) == (inputs, outputs)
    assert data.train.x.shape[1] == inputs
    assert network_width(Config(dataset=section), data) == [inputs, 5, outputs]


@pytest.mark.parametrize("section", KINDS, ids=lambda section: section.name)
def test_a_width_that_matches_is_taken_as_it_is(section: DatasetConfig) -> None:
    inputs, outputs = SIZES[section.name]
    for width in ([inputs, outputs], [inputs, 4, outputs], [inputs, [2, 1], [outputs - 1, 1]]):
        data = build(section, width)
        assert network_width(Config(model=ModelConfig(width=width)), data) == width


@pytest.mark.parametrize(
    ("width", "missing"),
    [
        ([3, 5, 3], ["2 inputs"]),
        ([2, 5, 1], ["3 outputs"]),
        ([1, 1], ["2 inputs", "3 outputs"]),
        ([2, [2, 2]], ["3 outputs"]),
        ([4, [2, 2], [1, 1]], ["2 inputs", "3 outputs"]),
    ],
)
def test_all_mismatches_of_the_width_are_named_at_once(width: list[Any], missing: list[str]) -> None:
    found = problems(TWO_BY_THREE, width)
    assert len(found) == len(missing)
    for message, part in zip(found, missing, strict=True):
        assert message.startswith(f"model.width={str(width).replace(' ', '')}: ")
        assert part in message


def test_for_classes_the_message_speaks_of_classes() -> None:
    (message,) = problems(MoonsConfig(form="classes", **SMALL), [2, 7])
    assert "2 classes" in message


def test_a_relation_needs_one_output() -> None:
    assert len(problems(ContrastiveConfig(**SMALL), [5, 2])) == 2


def test_the_seed_of_the_dataset_comes_before_that_of_the_run() -> None:
    for kind in (SymbolicConfig, MoonsConfig, ContrastiveConfig):
        own, other = build(kind(seed=3, **SMALL), seed=1), build(kind(seed=3, **SMALL), seed=2)
        assert torch.equal(own.train.x, other.train.x)
        assert torch.equal(own.train.x, build(kind(**SMALL), seed=3).train.x)
        assert not torch.equal(own.train.x, build(kind(**SMALL), seed=1).train.x)
        assert torch.equal(build(kind(seed=0, **SMALL), seed=5).train.x, build(kind(**SMALL), seed=0).train.x)


def test_two_datasets_cannot_have_one_name() -> None:
    with pytest.raises(ValueError, match="another dataset by the name of moons"):
        register_dataset(type("Moons", (MoonsConfig,), {}), MAKERS[MoonsConfig])
    register_dataset(MoonsConfig, MAKERS[MoonsConfig])


def test_an_unknown_kind_is_a_mistake_of_the_program() -> None:
    with pytest.raises(KeyError, match="DatasetConfig"):
        build(DatasetConfig())


def test_a_width_can_be_checked_against_any_dataset() -> None:
    data = build(TWO_BY_THREE)
    check_match([2, 3], data)
    with pytest.raises(ConfigError):
        check_match([2, 2], data)


def test_moving_to_another_device_takes_all_rows_along() -> None:
    data = build(TWO_BY_THREE)
    assert moved(data, torch.device("cpu")) is data
    away = moved(data, torch.device("meta"))
    assert away.validation is None
    held = moved(hold_back(data, 0.3, seed=0), torch.device("meta"))
    assert held.validation is not None
    for rows in (away.train, away.test, held.train, held.test, held.validation):
        assert (rows.x.device.type, rows.y.device.type) == ("meta", "meta")
    assert (away.inputs, away.truth) == (data.inputs, data.truth)
    assert data.train.x.device.type == "cpu"


@pytest.mark.parametrize("section", KINDS, ids=lambda section: section.name)
def test_validation_rows_are_taken_from_the_training_rows_by_the_seed_of_the_dataset(section: DatasetConfig) -> None:
    whole = build(section)
    assert whole.validation is None
    part = replace(section, validation=0.3)
    data = build(part)
    expected = hold_back(whole, 0.3, seed=0)
    assert data.validation is not None and expected.validation is not None
    assert len(data.validation.x) == round(0.3 * len(whole.train.x))
    assert torch.equal(data.validation.x, expected.validation.x)
    assert torch.equal(data.train.x, expected.train.x)
    assert torch.equal(data.train.y, expected.train.y)
    assert torch.equal(data.test.x, whole.test.x)
    own = build(replace(part, seed=0), seed=5)
    assert own.validation is not None
    assert torch.equal(own.validation.x, data.validation.x)


def test_global_random_numbers_are_left_alone() -> None:
    torch.manual_seed(4)
    expected = float(torch.rand(1))
    torch.manual_seed(4)
    for section in KINDS:
        build(section)
    assert float(torch.rand(1)) == expected
