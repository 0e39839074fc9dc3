from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kanrun.config.schema import Config, PlotsConfig
from kanrun.data.dataset import REGRESSION, Dataset, Rows
from kanrun.data.losses import MSE
from kanrun.discovery.state import Tried
from kanrun.model.network import KAN
from kanrun.report import outputs
from kanrun.report.folder import clear_folder
from kanrun.report.outputs import Output, register_output, write_outputs
from kanrun.state import Problem, Result, State
from kanrun.symbolic.formula import Formula
from kanrun.symbolic.front import Alternative
from kanrun.training.history import Record
from kanrun.training.target_scaling import Unscaled
from tests.helpers import uniform_rows

FORMULA = Formula("y", "x_1**2", "x_1**2", "x_{1}^{2}", 3, {"mse": 0.0}, True, [Alternative(3, None, "x_1**2")])


def result(*stages: str, plots: bool = True, formulas: tuple[Formula, ...] = (FORMULA,)) -> Result:
    """That of a run with these stages."""
    rows = [Rows(x, x[:, :1] ** 2) for x in (uniform_rows(20, 2), uniform_rows(10, 2, seed=1))]
    data = Dataset("planted", *rows, ["x_1", "x_2"], ["y"], REGRESSION, MSE)
    model = KAN([2, 1], grid=3)
    model.fix(0, 0, 0, "x^2")
    model.fix(0, 1, 0, "x")
    entries = tuple({"name": stage, "test": {"mse": 0.0}} for stage in stages)
    state = State(
        model, dict.fromkeys(stages, model), (Record("train", 0, 0.5, 0.25, 0.0, 0.1),), formulas, entries=entries
    )
    problem = Problem(Config(plots=PlotsConfig(enabled=plots)), data, model, Unscaled(), data)
    return Result(problem, state, {"stages": list(entries)})


def pictures(folder: Path) -> set[str]:
    return {p.name for p in (folder / "plots").iterdir()} if (folder / "plots").exists() else set()


def both(*names: str) -> set[str]:
    return {f"{name}.{end}" for name in names for end in ("png", "svg")}


FILES = {"history.csv", "model.pt", "metrics.json", *(f"formula.{end}" for end in ("json", "txt", "tex", "py"))}


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
    write_outputs(tmp_path, result(*stages))
    assert pictures(tmp_path) == both(
        *(f"network_{d}" for d in drawn), "history", "predictions", "edges", "residuals", "importance"
    )
    assert {p.name for p in tmp_path.iterdir()} == {*FILES, "plots"}
    assert (tmp_path / "history.csv").read_text().splitlines()[1] == "train,0,0.5,0.25,0.0,0.1,,0,0"


def test_a_front_is_drawn_where_there_are_alternatives_and_a_search_by_its_networks(tmp_path: Path) -> None:
    front = [Alternative(1, 0.5, "1.0", "1"), Alternative(3, 0.01, "x_1**2", "x_1**2", True)]
    found = result("train", formulas=(replace(FORMULA, front=front),))
    tried = (Tried("sum under x", 0.5, 0.1), Tried("sum under exp", 0.1, 0.2))
    write_outputs(tmp_path, replace(found, state=replace(found.state, tried=tried, search={"ended": "time was up"})))
    assert both("front") <= pictures(tmp_path)
    assert "ended: time was up" in (tmp_path / "plots" / "history.svg").read_text(encoding="utf-8")


def test_in_a_hurry_there_are_no_pictures_and_without_a_finished_stage_nothing(tmp_path: Path) -> None:
    write_outputs(tmp_path, result())
    assert list(tmp_path.iterdir()) == []
    write_outputs(tmp_path, result("train"), hurry=lambda: True)
    assert {p.name for p in tmp_path.iterdir()} == FILES


def test_without_formulas_and_pictures_the_rest_is_written(tmp_path: Path) -> None:
    write_outputs(tmp_path, result("train", plots=False, formulas=()))
    assert {p.name for p in tmp_path.iterdir()} == {"history.csv", "model.pt", "metrics.json"}


def test_an_output_of_ones_own_comes_before_the_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "OUTPUTS", list(outputs.OUTPUTS))

    def own(folder: Path, result: Result) -> None:
        assert not (folder / "metrics.json").exists()
        (folder / "size.txt").write_text(str(result.network.parameter_count()))

    register_output(Output("size", own))
    write_outputs(tmp_path, result("train", plots=False))
    assert (tmp_path / "size.txt").read_text() == "7"
    assert (tmp_path / "metrics.json").exists()


def test_the_file_of_an_output_of_ones_own_goes_with_the_run_that_left_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "OUTPUTS", outputs.OUTPUTS[:])
    monkeypatch.setattr("kanrun.report.folder.OUTPUTS", outputs.OUTPUTS)
    register_output(Output("size.txt", lambda folder, _: (folder / "size.txt").touch()))
    write_outputs(tmp_path, result("train", plots=False))
    assert (tmp_path / "size.txt").exists()
    clear_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []
