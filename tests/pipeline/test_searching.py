from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kanrun.config.schema import Config, PlotsConfig, SearchConfig, SymbolicConfig, SymbolicFitConfig
from kanrun.pipeline.run import run
from kanrun.report.load import load_run
from tests.contract import read_json, violations

FUNCTIONS = SymbolicFitConfig(library=["x", "x^2", "sin", "exp", "sqrt"])


def search(
    folder: Path, formula: str, seconds: float = 10.0, library: SymbolicFitConfig = FUNCTIONS, **dataset: Any
) -> dict[str, Any]:
    config = Config(
        dataset=SymbolicConfig(formula=formula, **{"n_train": 200, "n_test": 100} | dataset),
        search=SearchConfig("discover", seconds), symbolic=library, plots=PlotsConfig("none", False),
    )  # fmt: skip
    metrics = run(config, folder)
    assert violations(folder, stages=("train", "prune", "symbolic"), pictures=False) == []
    return metrics


def test_a_search_says_what_it_does_why_it_ended_and_which_network_it_chose(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = search(tmp_path, "exp(sin(pi*x_1)+x_2**2)")
    out = capsys.readouterr().out
    assert "search ended: a formula is exact to rounding (" in out
    assert "network [2, 5, 1]" not in out
    told = metrics["search"]
    assert told["ended"] == "a formula is exact to rounding"
    assert 1 <= told["structures"] <= told["networks"]
    assert 0 < told["seconds"] <= metrics["stages"][0]["seconds"]
    first = metrics["stages"][0]
    assert (metrics["width"], metrics["parameters"]) == (first["width"], first["parameters"])
    assert metrics["width"] != [2, 5, 1]  # the one that is trained without a search
    assert metrics["final"] == read_json(tmp_path / "formula.json")[0]["test"]
    assert "search ended: a formula is exact" in (tmp_path / "kanrun.log").read_text(encoding="utf-8")


def test_a_formula_that_was_put_together_is_shown_by_its_own_network(tmp_path: Path) -> None:
    metrics = search(tmp_path, "x_2*sin(2*x_3)/(x_1*x_4**3)", 20.0, SymbolicFitConfig(), n_train=500, domain=[1, 3])
    [formula] = read_json(tmp_path / "formula.json")
    assert formula["exact"] is True
    assert metrics["width"] == metrics["stages"][-1]["width"] == load_run(tmp_path).model.width


@pytest.mark.parametrize(
    ("formula", "changes", "reason"),
    [
        ("5/2", {}, "all values are the same"),
        ("sin(x_1*x_2)+exp(x_1)", {"seconds": 0.01, "domain": [-1, 3]}, "the 0.01 s are over"),
    ],
)
def test_a_search_that_finds_nothing_exact_says_why_it_ended(
    tmp_path: Path, formula: str, changes: dict[str, Any], reason: str
) -> None:
    assert search(tmp_path, formula, **changes)["search"]["ended"].startswith(reason)


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
