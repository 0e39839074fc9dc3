from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from kanrun.config.datasets import MoonsConfig, SymbolicConfig
from kanrun.config.schema import (
    Config,
    ModelConfig,
    PlotsConfig,
    SearchConfig,
    SymbolicFitConfig,
)
from kanrun.context import Budget, Context, Meter
from kanrun.data.build import build_dataset
from kanrun.data.dataset import Dataset, of_output
from kanrun.discovery.problem import Problem
from kanrun.errors import ConfigError
from kanrun.functions.builtin import Function
from kanrun.functions.library import library
from kanrun.model.network import KAN
from kanrun.pipeline import searching
from kanrun.pipeline.run import run
from kanrun.pipeline.searching import Found, search_problem
from kanrun.report.load import load_run
from kanrun.state import Problem as RunProblem
from kanrun.state import State
from kanrun.training.target_scaling import Unscaled
from tests.contract import read_json, violations
from tests.planted import regression

FUNCTIONS = SymbolicFitConfig(library=["x", "x^2", "sin", "exp", "sqrt"])
PEELED = SymbolicFitConfig(library=["x", "1/x", "1/x^3", "sin"])


def search(
    folder: Path, formula: str, seconds: float = 10.0, library: SymbolicFitConfig = FUNCTIONS,
    work: float | None = None, **dataset: Any,
) -> dict[str, Any]:  # fmt: skip
    config = Config(
        dataset=SymbolicConfig(formula=formula, **{"n_train": 200, "n_test": 100} | dataset),
        search=SearchConfig("discover", seconds, work), symbolic=library, plots=PlotsConfig("none", False),
    )  # fmt: skip
    metrics = run(config, folder)
    assert violations(folder, stages=("train", "prune", "symbolic"), pictures=False) == []
    return metrics


def test_a_search_says_what_it_does_why_it_ended_and_which_network_it_chose(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = search(tmp_path, "exp(x_1+x_2**2)", n_train=60, n_test=30)
    out = capsys.readouterr().out
    assert "search ended: a formula is exact to rounding (" in out
    assert "network [2, 5, 1]" not in out
    told = metrics["search"]
    assert (told["stopped"], told["ended"]) == ("exact", "a formula is exact to rounding")
    assert told["work"] > 0
    assert 1 <= told["structures"] <= told["networks"]
    assert 0 < told["seconds"] <= metrics["stages"][0]["seconds"]
    first = metrics["stages"][0]
    assert (metrics["width"], metrics["parameters"]) == (first["width"], first["parameters"])
    assert metrics["width"] != [2, 5, 1]  # the one that is trained without a search
    assert metrics["final"] == read_json(tmp_path / "formula.json")[0]["test"]
    assert "search ended: a formula is exact" in (tmp_path / "kanrun.log").read_text(encoding="utf-8")


def test_of_many_inputs_those_that_tell_something_are_searched_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = search(tmp_path, "2*x_3*x_15", domain=[-1, 1])
    told = "of 15 inputs those that tell something were searched: x_3, x_15; dataset.inputs names others"
    assert told in " ".join(capsys.readouterr().out.split())
    model = load_run(tmp_path).model
    assert (model.n_in, model.active_inputs()) == (15, [2, 14])
    assert read_json(tmp_path / "formula.json")[0]["exact"] is True
    assert [stage["width"][0] for stage in metrics["stages"]] == [15, 15, 15]


def test_a_formula_that_was_put_together_is_shown_by_its_own_network(tmp_path: Path) -> None:
    metrics = search(tmp_path, "x_2*sin(2*x_3)/x_1**3", 20.0, PEELED, n_train=100, n_test=30, domain=[1, 3])
    [formula] = read_json(tmp_path / "formula.json")
    assert formula["exact"] is True
    assert metrics["width"] == metrics["stages"][-1]["width"] == load_run(tmp_path).model.width


@pytest.mark.parametrize(
    ("formula", "changes", "stopped", "ended"),
    [
        ("5/2", {}, "alike", "all values are the same"),
        ("sin(x_1*x_2)+exp(x_1)", {"seconds": 0.01, "domain": [-1, 3]}, "seconds", "the 0.01 s are over"),
        ("sin(x_1*x_2)+exp(x_1)", {"work": 9.0, "domain": [-1, 3]}, "work", "the 9 units of work are done"),
    ],
)
def test_a_search_that_finds_nothing_exact_says_why_it_ended(
    tmp_path: Path, formula: str, changes: dict[str, Any], stopped: str, ended: str
) -> None:
    told = search(tmp_path, formula, **changes)["search"]
    assert (told["stopped"], told["ended"]) == (stopped, ended)
    assert told["work"] >= 0


def busy(until: threading.Event) -> None:
    """Keeps a core from its work."""
    while not until.is_set():
        torch.linalg.svd(torch.rand(100, 100))


@pytest.mark.slow
def test_the_same_work_gives_the_same_formula_however_busy_the_machine_is(tmp_path: Path) -> None:
    """Seconds are not looked at where work is named."""
    told = []
    for number, loads in enumerate((0, 2)):
        done = threading.Event()
        others = [threading.Thread(target=busy, args=[done]) for _ in range(loads)]
        for other in others:
            other.start()
        try:
            folder = tmp_path / str(number)
            metrics = search(
                folder, "sin(x_1*x_2)+exp(x_1)/x_2", 1e-9, work=40.0, noise=0.01, domain=[0.5, 3], n_train=50
            )
        finally:
            done.set()
            for other in others:
                other.join()
        del metrics["search"]["seconds"]
        told.append((read_json(folder / "formula.json"), metrics["search"], metrics["final"], metrics["width"]))
    assert told[0] == told[1]


def test_rows_held_back_by_the_user_are_scored_and_not_looked_at(tmp_path: Path) -> None:
    seen: list[int] = []
    plain = searching.search_problem

    def noted(config: Config, data: Dataset, functions: list[Function]) -> Problem:
        problem = plain(config, data, functions)
        seen.append(len(problem.x))
        return problem

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "search_problem", noted)
        metrics = search(tmp_path, "x_1*x_2", validation=0.25)
    assert seen == [150]
    assert all(stage["validation"]["mse"] < 1e-20 for stage in metrics["stages"])


# ---- what a search is given ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "told"),
    [
        (MoonsConfig(n_train=20, n_test=20), "classification with 2"),
        (MoonsConfig(n_train=20, n_test=20, form="regression"), "classification with 1"),
        (SymbolicConfig(formula=["x_1", "x_2"], n_train=20, n_test=20), "one target a row"),
        (SymbolicConfig(formula="x_1*10**200", n_train=20, n_test=20), "finite squares"),
    ],
)
@pytest.mark.parametrize("limit", [{"seconds": 5.0}, {"work": 70.0}])
def test_other_problems_than_one_output_name_the_setting(dataset: Any, told: str, limit: dict[str, float]) -> None:
    other = Config(dataset=dataset, search=SearchConfig("discover", **limit))
    data = build_dataset(other, torch.float64, torch.device("cpu"))
    [(name, value)] = limit.items()
    with pytest.raises(ConfigError, match=rf"search\.{name}={value}: .*" + told) as error:
        search_problem(other, data, library(["x"]))
    assert "search=none" in str(error.value)


def test_a_search_looks_at_so_many_rows_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kanrun.pipeline.searching.MOST_ROWS", 40)
    config = Config(dataset=SymbolicConfig(formula="x_1+x_2", n_train=100, n_test=10), model=ModelConfig(width=[2, 1]))
    data = build_dataset(config, torch.float64, torch.device("cpu"))
    problem = search_problem(config, data, library(["x"]))
    assert 20 <= len(problem.x) == len(problem.y) <= 40
    assert (len(data.train.x), problem.width) == (100, [2, 1])


def test_settings_that_a_search_does_not_look_at_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = Config(
        dataset=SymbolicConfig(formula="x_1**2", n_train=50, n_test=20), search=SearchConfig("discover", 5.0),
        symbolic=FUNCTIONS, plots=PlotsConfig("none", False),
    )  # fmt: skip
    config.model.grid = 9  # type: ignore[union-attr]
    run(config, tmp_path)
    sentence = "a search trains and prunes in its own way, without model.grid=9\n"
    assert f"note: {sentence}" in capsys.readouterr().out
    assert sentence in (tmp_path / "kanrun.log").read_text(encoding="utf-8")


@pytest.mark.slow
def test_several_targets_are_searched_one_after_the_other_and_brought_together(tmp_path: Path) -> None:
    dataset = SymbolicConfig(formula=["x_1*x_2", "1000*x_1"], n_train=60, n_test=30)
    config = Config(dataset=dataset, search=SearchConfig("discover", work=3000.0), plots=PlotsConfig("none", False))
    metrics = run(config, tmp_path, quiet=True)
    assert [f["expression"] for f in read_json(tmp_path / "formula.json")] == ["x_1*x_2", "1000*x_1"]
    assert [s["name"] for s in metrics["stages"]] == ["train", "prune", "symbolic"]
    assert metrics["final"]["r2"] == pytest.approx(1.0)
    assert set(metrics["search"]["outputs"]) == {"y_1", "y_2"}
    assert metrics["search"]["work"] <= 3000
    loaded = load_run(tmp_path)
    x = torch.tensor([[0.5, 0.25], [0.1, -0.3]], dtype=torch.float64)
    expected = torch.stack([x[:, 0] * x[:, 1], 1000 * x[:, 0]], dim=1)
    torch.testing.assert_close(loaded.model(x).detach(), expected)


# ---- what is made of what searches have given ----------------------------------------------------------------------


def searched(outputs: int) -> tuple[RunProblem, State]:
    """A problem of so many outputs and a state in which a search has found their means."""
    data = regression(outputs)
    config = Config(search=SearchConfig("discover", 5.0), model=ModelConfig(width=[2, outputs]))
    problem = RunProblem(config, data, KAN([2, outputs], grid=3), Unscaled(), data)
    told = {"structures": 0, "networks": 0, "seconds": 1.0, "work": 2.0, "stopped": "work", "ended": "its work is done"}
    found = tuple(
        Found(search_problem(config, of_output(data, j), library(["x"])).constant(), told, (1.0, 1.0))
        for j in range(outputs)
    )
    return problem, State(found=found)


def test_where_no_formula_can_be_kept_there_are_the_networks_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "kept", lambda _, state, symbolic, *__: (state, symbolic.model, []))
    state = searching.brought_together(*searched(2), Context())
    assert state.warnings == ("there is no formula: none that was found can be kept",)
    assert state.formulas == () and state.found == ()
    assert [entry["name"] for entry in state.entries] == ["train", "prune", "symbolic"]


def test_a_signal_that_comes_with_the_last_output_found_costs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, before = searched(2)
    monkeypatch.setattr(searching, "search_output", lambda _, state, *__: replace(state, found=before.found))
    context = Context(Budget(Meter(cancelled=lambda: "SIGTERM")))
    state = searching.search_one_of(problem, replace(before, found=before.found[:1]), context, 1)
    assert [formula.output for formula in state.formulas] == problem.data.outputs
    for formula, mean in zip(state.formulas, problem.data.train.y.mean(0).tolist(), strict=True):
        assert float(formula.expression) == pytest.approx(mean)
    assert not any("nothing was found" in text for text in state.warnings)
