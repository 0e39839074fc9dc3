from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
import yaml

from kanrun.config.schema import Config, ContrastiveConfig, FixConfig, ModelConfig, SymbolicConfig
from kanrun.config.validation import read_config
from kanrun.data.dataset import REGRESSION, Dataset, Rows
from kanrun.data.losses import MSE
from kanrun.discovery.state import Tried
from kanrun.errors import ConfigError
from kanrun.model.network import KAN
from kanrun.relations.relation import Relation
from kanrun.report.folder import (
    check_folder,
    formula_function,
    without_gradient,
    write_config,
    write_formula_files,
    write_plots,
    write_training,
)
from kanrun.symbolic.formula import Alternative, Formula
from kanrun.training.history import Record
from tests.helpers import uniform_rows

CONFIGS = {
    "default": Config(),
    "odd text": Config(dataset=SymbolicConfig(formula=["x_1 + '", 'é: "#x', "- a\nb"], domain=[[0, 1], [-2.5, 1e-7]])),
    "fixed edges": Config(model=ModelConfig(width=[2, [1, 1], 1], fix=[FixConfig(function="1/x^2", a=1e300, d=-0.1)])),
    "relations": Config(dataset=ContrastiveConfig(relations=["x_3 = x_1: yes", "null"]), seed=2**31),
}


def planted() -> Dataset:
    rows = [Rows(x, x[:, :1] ** 2) for x in (uniform_rows(20, 2), uniform_rows(10, 2, seed=1))]
    return Dataset("planted", *rows, ["x_1", "x_2"], ["y"], REGRESSION, MSE)


def formula(output: str = "y") -> Formula:
    return Formula(output, "x_1**2", "x_1**2", "x_{1}^{2}", 3, {"mse": 0.0}, True, [Alternative(3, None, "x_1**2")])


@pytest.mark.parametrize("name", CONFIGS)
def test_a_written_config_is_complete_and_reads_back_the_same(tmp_path: Path, name: str) -> None:
    write_config(tmp_path, CONFIGS[name])
    written = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))
    assert written == asdict(CONFIGS[name])
    assert read_config(written) == CONFIGS[name]


def test_training_leaves_its_history_and_the_network(tmp_path: Path) -> None:
    write_training(tmp_path, [Record("train", 0, 0.5, 0.25, 0.0, 0.1)], KAN([2, 1], grid=3))
    assert (tmp_path / "history.csv").read_text().splitlines()[1] == "train,0,0.5,0.25,0.0,0.1,,0,0"
    assert (tmp_path / "model.pt").stat().st_size > 0


def test_formulas_leave_four_files(tmp_path: Path) -> None:
    write_formula_files(tmp_path, [formula("y_1"), formula("y_2")], ["x_1", "x_2"], [])
    assert {p.name for p in tmp_path.iterdir()} == {f"formula.{e}" for e in ("json", "txt", "tex", "py")}
    entries = json.loads((tmp_path / "formula.json").read_text())
    assert [e["output"] for e in entries] == ["y_1", "y_2"]
    point = {"complexity": 3, "error": None, "expression": "x_1**2", "rounded": "", "chosen": False}
    assert entries[0]["front"] == [point]
    assert "relation" not in entries[0]
    assert (tmp_path / "formula.txt").read_text().splitlines()[::2] == ["y_1 = x_1**2", "y_2 = x_1**2"]


def test_relations_stand_beside_the_formula(tmp_path: Path) -> None:
    relation = Relation(["x_1", "x_2"], "x_1 - 2.0*x_2 = 0", "x_1 - 2*x_2 = 0", {"x_1": "2.0*x_2"}, 1e-9)
    write_formula_files(tmp_path, [formula("real")], ["x_1", "x_2"], [relation])
    [entry] = json.loads((tmp_path / "formula.json").read_text())
    assert entry["relation"] == [asdict(relation)]
    text = (tmp_path / "formula.txt").read_text().splitlines()
    assert [line for line in text if "exact:" not in line] == [
        "real = x_1**2",
        "relation: x_1 - 2*x_2 = 0",
        "  x_1 = 2*x_2",
    ]


@pytest.mark.parametrize(
    ("stages", "drawn"),
    [
        (["train"], {"trained"}),
        (["train", "prune"], {"trained", "pruned"}),
        (["train", "prune", "refit", "symbolic"], {"trained", "pruned", "symbolic"}),
        (["train", "symbolic"], {"trained", "symbolic"}),
    ],
)
def test_there_is_a_picture_of_every_network_that_there_was(tmp_path: Path, stages: list[str], drawn: set[str]) -> None:
    model = KAN([2, 1], grid=3)
    model.fix(0, 0, 0, "x^2")
    model.fix(0, 1, 0, "x")
    history = [Record("train", 0, 0.5, 0.25, 0.0, 0.1)]
    write_plots(tmp_path, planted(), dict.fromkeys(stages, model), history, [formula()], 3.0)
    names = {*(f"network_{d}" for d in drawn), "history", "predictions"}
    assert {p.name for p in (tmp_path / "plots").iterdir()} == {f"{n}.{e}" for n in names for e in ("png", "svg")}


def test_a_front_is_drawn_where_there_are_alternatives_and_a_search_by_its_networks(tmp_path: Path) -> None:
    model = KAN([2, 1], grid=3)
    history = [Record("train", 0, 0.5, 0.25, 0.0, 0.1)]
    front = [Alternative(1, 0.5, "1.0", "1"), Alternative(3, 0.01, "x_1**2", "x_1**2", True)]
    tried = [Tried("sum under x", 0.5, 0.1), Tried("sum under exp", 0.1, 0.2)]
    write_plots(
        tmp_path, planted(), {"train": model}, history, [replace(formula(), front=front)], 3.0, tried, "time was up"
    )
    assert (tmp_path / "plots" / "front.png").is_file()
    assert "ended: time was up" in (tmp_path / "plots" / "history.svg").read_text(encoding="utf-8")


def test_a_network_as_a_function_keeps_no_gradients() -> None:
    model, x = KAN([2, 1], grid=3), uniform_rows(5, 2)
    values = without_gradient(model)(x)
    assert not values.requires_grad
    assert torch.equal(values, model(x).detach())


def test_formulas_as_a_function_give_their_values() -> None:
    data = planted()
    function = formula_function([formula()], data)
    assert function is not None
    assert torch.allclose(function(data.test.x), data.test.y, atol=1e-15)
    assert formula_function([], data) is None


@pytest.mark.parametrize(
    ("files", "overwrite", "told"),
    [
        ({}, False, None),
        ({"notes.txt": "mine"}, False, None),
        ({"status.json": '{"state": "completed"}'}, False, "completed run"),
        ({"status.json": '{"state": "completed"}', "model.pt": "x"}, True, None),
        ({"status.json": '{"state": "failed"}', "model.pt": "x"}, False, None),
        ({"status.json": '{"state": "inter'}, False, None),
        ({"model.pt": "of another program"}, False, "model.pt of something else"),
    ],
)
def test_only_a_finished_run_or_what_is_no_run_is_in_the_way(
    tmp_path: Path, files: dict[str, str], overwrite: bool, told: str | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    if told is None:
        check_folder(tmp_path, "hydra.run.dir", overwrite)
        check_folder(tmp_path / "new" / "folder", "hydra.run.dir", overwrite)
        return
    with pytest.raises(ConfigError, match=told) as caught:
        check_folder(tmp_path, "hydra.run.dir", overwrite)
    assert str(caught.value).startswith(f"hydra.run.dir={tmp_path}: ")
