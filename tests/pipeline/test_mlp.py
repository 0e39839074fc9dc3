"""model=mlp from the config to the run folder."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch

from kanrun.config.datasets import ContrastiveConfig, MoonsConfig, SymbolicConfig
from kanrun.config.schema import (
    AdamConfig,
    AutoConfig,
    Config,
    LbfgsConfig,
    LmConfig,
    MlpConfig,
    ModelConfig,
    PlotsConfig,
)
from kanrun.config.validation import read_config
from kanrun.data.build import build_dataset, network_width
from kanrun.errors import ConfigError
from kanrun.model.mlp import MLP
from kanrun.model.network import KAN
from kanrun.pipeline.problem import build_network
from kanrun.pipeline.run import run
from kanrun.report.load import load_run
from kanrun.training.optimizers import MLP_STEPS, chosen_optimizer
from tests.contract import violations
from tests.helpers import uniform_rows

CPU = torch.device("cpu")


def small(**changes: Any) -> Config:
    """sin(pi x_1) + x_2^2 from 60 rows in a few steps."""
    settings = {
        "dataset": SymbolicConfig(formula="sin(pi*x_1)+x_2**2", n_train=60, n_test=40),
        "model": MlpConfig(width=[2, 6, 1]),
        "optimizer": LmConfig(steps=6),
        "plots": PlotsConfig("none", enabled=False),
    }
    return Config(**{**settings, **changes})


def width_of(model: ModelConfig | MlpConfig, dataset: Any = None) -> list[Any]:
    config = small(model=model, dataset=dataset or small().dataset)
    return network_width(config, build_dataset(config, torch.float64, CPU))


# ---- the config ------------------------------------------------------------------------------------------------------


def test_a_given_width_is_taken_and_another_one_matches_the_kan() -> None:
    assert width_of(MlpConfig(width=[2, 20, 20, 1])) == [2, 20, 20, 1]
    for given in (MlpConfig(), MlpConfig(kan_width=[2, [3, 1], 1], kan_grid=10, kan_k=2)):
        kan = KAN(width_of(ModelConfig(width=given.kan_width)), given.kan_grid, given.kan_k)
        width = width_of(given)
        assert (width[0], width[1], width[-1]) == (2, width[2], 1)
        assert MLP(width).parameter_count() == pytest.approx(kan.parameter_count(), rel=0.1)


@pytest.mark.parametrize("model", [MlpConfig(kan_width=[2, 3, 1]), MlpConfig(width=[2, 3, 1])])
def test_moons_follow_the_width_that_is_given(model: MlpConfig) -> None:
    moons = MoonsConfig(n_train=20, n_test=10)
    assert width_of(model, moons)[-1] == 1
    assert width_of(MlpConfig(), moons)[-1] == 2


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"model": {"width": [2, [3, 1], 1]}}, "model.width[1]=[3,1]: a whole number is needed"),
        ({"model": {"width": [2, 0, 1]}}, "model.width[1]=0: allowed is 1 or more"),
        ({"model": {"width": [2]}}, "model.width=[2]: two or more layers, each a whole number above 0, e.g."),
        ({"model": {"kan_width": [2]}}, "model.kan_width=[2]: two or more layers"),
        ({"model": {"kan_width": [[1, 1], 2]}}, "model.kan_width=[[1,1],2]: two or more layers"),
        ({"model": {"activation": "sigmoid"}}, "model.activation=sigmoid: unknown choice"),
        ({"model": {"kan_grid": 0}}, "model.kan_grid=0: allowed is 1 to 1000"),
        ({"model": {"fix": []}}, "model.fix=[]: unknown key"),
        ({"model": {"grid": 5}}, "model.grid=5: unknown key"),
        ({"regularization": {"name": "sparse", "lamb": 0.01}}, "regularization.lamb=0.01: it weakens edges of a KAN"),
        ({"optimizer": {"grids": [3, 10]}}, "optimizer.grids=[3,10]: an MLP has no grids"),
    ],
)
def test_what_an_mlp_does_not_take_is_one_line(settings: dict[str, Any], told: str) -> None:
    settings["model"] = {"name": "mlp", **settings.get("model", {})}
    with pytest.raises(ConfigError) as caught:
        read_config(settings)
    [line] = str(caught.value).splitlines()
    assert line.startswith(told)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (MlpConfig(width=[3, 1]), "model.width=[3,1]: the dataset has 2 inputs"),
        (MlpConfig(kan_width=[2, 5, 2]), "model.kan_width=[2,5,2]: the dataset has 1 output,"),
    ],
)
def test_a_width_that_does_not_fit_the_dataset_is_named_by_its_key(model: MlpConfig, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        width_of(model)
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize(
    ("width", "dtype", "expected"),
    [
        ([2, 20, 20, 1], torch.float64, LmConfig),
        ([2, 20, 20, 1], torch.float32, LbfgsConfig),
        ([2, 60, 60, 1], torch.float64, LbfgsConfig),
    ],
)
def test_auto_is_lm_for_a_small_network_in_float64(width: list[int], dtype: torch.dtype, expected: type) -> None:
    chosen = chosen_optimizer(AutoConfig(), MLP(width, dtype=dtype))
    assert type(chosen) is expected
    assert chosen.steps == MLP_STEPS * expected().steps
    assert chosen_optimizer(AutoConfig(steps=7), MLP(width, dtype=dtype)).steps == 7
    assert chosen.grid_update_until == -1


def test_lm_is_refused_for_a_large_network() -> None:
    with pytest.raises(ConfigError, match="optimizer=lm: the network has 3901 parameters"):
        chosen_optimizer(LmConfig(), MLP([2, 60, 60, 1]))


def test_the_network_is_that_of_the_config_and_a_further_attempt_another_one() -> None:
    rows = 100 + uniform_rows(30, 2).float()
    config = Config(model=MlpConfig(activation="tanh"), seed=3)
    model = build_network(config, [2, 4, 1], rows)
    assert isinstance(model, MLP)
    assert (model.width, model.activation) == ([2, 4, 1], "tanh")
    assert model.get_vector().dtype == torch.float32
    assert torch.allclose(model.shift, rows.mean(0))
    vectors = [build_network(config, [2, 4, 1], rows, attempt).get_vector() for attempt in (0, 0, 1)]
    assert torch.equal(vectors[0], vectors[1])
    assert not torch.equal(vectors[0], vectors[2])


# ---- the run ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_run_leaves_its_folder_without_formulas_and_comes_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], dtype: str
) -> None:
    optimizer = LmConfig(steps=6) if dtype == "float64" else LbfgsConfig(steps=3)
    config = small(plots=PlotsConfig(), dtype=dtype, optimizer=optimizer)
    metrics = run(config, tmp_path)
    assert violations(tmp_path, stages=("train",), pictures=False) == []
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()) == [
        "config.yaml", "history.csv", "kanrun.log", "metrics.json", "model.pt", "plots/history.png",
        "plots/history.svg", "plots/predictions.png", "plots/predictions.svg", "plots/residuals.png",
        "plots/residuals.svg", "report.html", "status.json",
    ]  # fmt: skip
    assert (metrics["width"], metrics["parameters"]) == ([2, 6, 1], 25)
    assert metrics["stages"][0]["active_inputs"] == ["x_1", "x_2"]
    out = capsys.readouterr().out
    assert "[2, 6, 1], MLP with silu, 25 parameters" in out
    assert "grid" not in out
    loaded = load_run(tmp_path)
    assert loaded.config == config
    assert loaded.formulas == []
    assert isinstance(loaded.model, MLP)
    test = build_dataset(config, getattr(torch, dtype), CPU).test
    with torch.no_grad():
        mse = float(((loaded.model(test.x) - test.y) ** 2).mean())
    assert mse == pytest.approx(metrics["final"]["mse"], rel=1e-5)


@pytest.mark.parametrize("optimizer", [AdamConfig(steps=20), LbfgsConfig(steps=4), LmConfig(steps=10), AutoConfig()])
@pytest.mark.parametrize("dataset", ["symbolic", "moons"])
def test_every_optimizer_makes_it_better_and_nothing_starts_it_afresh(
    tmp_path: Path, optimizer: Any, dataset: str
) -> None:
    section: Any = small().dataset if dataset == "symbolic" else MoonsConfig(n_train=60, n_test=40)
    run(small(dataset=section, model=MlpConfig(kan_width=None, kan_grid=2), optimizer=optimizer), tmp_path, quiet=True)
    with (tmp_path / "history.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["train_loss"]) < 0.5 * float(rows[0]["train_loss"])
    assert {row["grid"] for row in rows} == {"0"}


def test_the_same_config_gives_the_same_numbers(tmp_path: Path) -> None:
    finals = [run(small(seed=s), tmp_path / str(n), quiet=True)["final"] for n, s in enumerate((4, 4, 5))]
    assert finals[0] == finals[1] != finals[2]


def test_rows_held_back_choose_among_several_restarts(tmp_path: Path) -> None:
    dataset = SymbolicConfig(formula="sin(pi*x_1)+x_2**2", n_train=60, n_test=40, validation=0.2)
    metrics = run(small(dataset=dataset, optimizer=LmConfig(steps=6, restarts=2)), tmp_path, quiet=True)
    assert metrics["width"] == [2, 6, 1]
    assert violations(tmp_path, stages=("train",), pictures=False) == []


def test_a_contrastive_run_tells_classes_apart_and_says_nothing_about_related_inputs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = ContrastiveConfig(relations=["x_2 = x_1**2"], n_inputs=2, n_train=100, n_test=100)
    metrics = run(small(dataset=dataset, optimizer=LmConfig(steps=20)), tmp_path)
    assert metrics["final"]["accuracy"] > 0.6
    assert "related_inputs" not in metrics
    assert "related inputs" not in capsys.readouterr().out


def test_a_damaged_model_file_is_one_line(tmp_path: Path) -> None:
    run(small(), tmp_path, quiet=True)
    saved = torch.load(tmp_path / "model.pt", weights_only=True)
    torch.save({**saved, "width": [2, 7, 1]}, tmp_path / "model.pt")
    with pytest.raises(Exception, match=r"model\.pt") as caught:
        load_run(tmp_path)
    assert type(caught.value).__name__ == "KanrunError"
    assert len(str(caught.value).splitlines()) == 1
