from __future__ import annotations

import csv
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.interruptions import lasting
from kanrun.config.datasets import ContrastiveConfig, DatasetConfig, MoonsConfig, SymbolicConfig
from kanrun.config.schema import (
    AdamConfig,
    Config,
    LbfgsConfig,
    ModelConfig,
    PlotsConfig,
    PruneConfig,
    RegularizationConfig,
    SymbolicFitConfig,
)
from kanrun.pipeline.run import run
from tests.contract import read_json

DATASETS = {
    "symbolic": (SymbolicConfig(formula="sin(pi*x_1)+x_2**2", n_train=30, n_test=20, noise=0.02), [2, 2, 1]),
    "moons": (MoonsConfig(n_train=16, n_test=12), [2, 2]),
    "contrastive": (
        ContrastiveConfig(relations=["x_2 = x_1**2"], n_inputs=2, n_train=16, n_test=12), [2, [0, 1], 1]
    ),
}  # fmt: skip

ONLY_TRAINED: dict[str, Any] = {
    "symbolic": SymbolicFitConfig("none", enabled=False), "prune": PruneConfig("none", enabled=False)
}  # fmt: skip


def small(dataset: DatasetConfig, width: list[Any], **changes: Any) -> Config:
    settings = {
        "dataset": dataset,
        "model": ModelConfig(width=width, grid=3),
        "optimizer": LbfgsConfig(steps=4, refit_steps=2, iterations=4),
        "regularization": RegularizationConfig("sparse", lamb=1e-3),
        "symbolic": SymbolicFitConfig(library=["x", "sin"], work=20.0),
        "plots": PlotsConfig("none", enabled=False),
        "seed": 4,
    }
    return Config(**{**settings, **changes})


def saved_tensors(folder: Path) -> list[torch.Tensor]:
    saved = torch.load(folder / "model.pt", weights_only=True)
    return [value for layer in saved["layers"] for value in layer.values() if isinstance(value, torch.Tensor)]


def same_models(one: Path, two: Path) -> bool:
    pairs = list(zip(saved_tensors(one), saved_tensors(two), strict=True))
    assert pairs
    return all(torch.equal(a, b) for a, b in pairs)


def history_without_seconds(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    return [{column: value for column, value in row.items() if column != "seconds"} for row in rows]


@pytest.fixture(scope="module", params=DATASETS)
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs of a config: `one` and `two` from other global random states, `few` with fewer test rows."""
    dataset, width = DATASETS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    for number, (name, changes) in enumerate({"one": {}, "two": {}, "few": {"n_test": 10}}.items()):
        random.seed(number)
        np.random.seed(number)
        torch.manual_seed(number)
        run(small(replace(dataset, **changes), width), folder / name, quiet=True)
    return folder


@pytest.mark.slow
def test_the_same_config_gives_the_same_numbers_whatever_the_global_random_state(runs: Path) -> None:
    one, two = runs / "one", runs / "two"
    assert lasting(read_json(one / "metrics.json")) == lasting(read_json(two / "metrics.json"))
    assert read_json(one / "formula.json") == read_json(two / "formula.json")
    assert history_without_seconds(one) == history_without_seconds(two)
    assert same_models(one, two)


def test_the_order_of_mini_batches_comes_from_the_seed_too(tmp_path: Path) -> None:
    adam = AdamConfig(steps=3, batch_size=16)
    config = small(*DATASETS["symbolic"], optimizer=adam, **ONLY_TRAINED)
    for folder in ("one", "two"):
        run(config, tmp_path / folder, quiet=True)
    assert same_models(tmp_path / "one", tmp_path / "two")


def test_another_seed_gives_other_numbers_and_the_seed_of_the_dataset_can_stay(tmp_path: Path) -> None:
    dataset, width = DATASETS["symbolic"]
    kept = replace(dataset, seed=4)
    for folder, config in {
        "one": small(dataset, width, **ONLY_TRAINED),
        "other": small(dataset, width, **ONLY_TRAINED, seed=5),
        "kept": small(kept, width, **ONLY_TRAINED),
    }.items():
        run(config, tmp_path / folder, quiet=True)
    assert not same_models_or_shapes(tmp_path / "one", tmp_path / "other")
    assert same_models(tmp_path / "one", tmp_path / "kept")


def same_models_or_shapes(one: Path, two: Path) -> bool:
    first, second = saved_tensors(one), saved_tensors(two)
    return len(first) == len(second) and all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_run_leaves_the_global_random_state_alone(tmp_path: Path) -> None:
    random.seed(11)
    np.random.seed(12)
    torch.manual_seed(13)
    plain, legacy, tensors = random.getstate(), np.random.get_state(legacy=False), torch.get_rng_state()
    dataset, width = DATASETS["contrastive"]  # whose rows are shuffled
    run(small(dataset, width, plots=PlotsConfig()), tmp_path, quiet=True)
    after = np.random.get_state(legacy=False)
    assert random.getstate() == plain
    assert np.array_equal(after["state"]["key"], legacy["state"]["key"])  # type: ignore[call-overload]
    assert after["state"]["pos"] == legacy["state"]["pos"]  # type: ignore[call-overload]
    assert torch.equal(torch.get_rng_state(), tensors)
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.slow
def test_the_test_rows_never_influence_the_model(runs: Path) -> None:
    few, many = runs / "few", runs / "one"
    assert same_models(few, many)
    told = [
        [(f["output"], f["expression"], f["rounded"], f["complexity"], f["exact"]) for f in formulas]
        for formulas in (read_json(few / "formula.json"), read_json(many / "formula.json"))
    ]
    assert told[0] == told[1]
    scores = [[s["train"] for s in read_json(f / "metrics.json")["stages"]] for f in (few, many)]
    assert scores[0] == scores[1]
    first = [read_json(f / "metrics.json")["stages"][0]["test"] for f in (few, many)]
    assert first[0] != first[1]  # the test rows are others: what came after may be exact on both
