"""What fails after the training costs only itself: the network and its scores are kept, and it is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sympy as sp

from kanrun.config.datasets import SymbolicConfig
from kanrun.config.schema import (
    Config,
    ModelConfig,
    PlotsConfig,
    SearchConfig,
    SymbolicFitConfig,
)
from kanrun.discovery.moves.fractions import Fractions
from kanrun.discovery.moves.sums import Sums
from kanrun.pipeline import reaching, stages
from kanrun.pipeline.run import run
from kanrun.report import outputs
from kanrun.report.outputs import Output
from kanrun.symbolic import forms
from tests.contract import read_json
from tests.pipeline.test_run import NO_PLOTS, small

ONE_LAYER = small(model=ModelConfig(width=[2, 1], grid=3))
WRITTEN = {"metrics.json", "history.csv", "model.pt", "config.yaml", "status.json", "kanrun.log"}


def broken(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError("of our own doing")


def log_of(folder: Path) -> str:
    return (folder / "kanrun.log").read_text(encoding="utf-8")


@pytest.mark.fails_within
@pytest.mark.parametrize(("name", "stage"), [("prune_each_output", "prune"), ("read_formulas", "symbolic")])
def test_a_stage_that_fails_leaves_what_was_reached(
    name: str, stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stages, name, broken)
    metrics = run(ONE_LAYER, tmp_path)
    said = f"{stage} failed, what was reached before it is kept (ZeroDivisionError: of our own doing)"
    assert metrics["warnings"] == [said]
    assert said in " ".join(capsys.readouterr().out.split())
    assert "in broken" in log_of(tmp_path)
    assert stage not in [s["name"] for s in metrics["stages"]]
    assert metrics["final"]["rmse"] < 1
    assert read_json(tmp_path / "status.json")["state"] == "completed"
    assert {p.name for p in tmp_path.iterdir()} >= WRITTEN
    assert (tmp_path / "formula.json").exists() == (stage != "symbolic")


@pytest.mark.fails_within
def test_a_picture_that_fails_costs_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = [
        Output("my picture", broken, takes_time=True) if o.name == "picture network_pruned" else o
        for o in outputs.OUTPUTS
    ]
    monkeypatch.setattr(outputs, "OUTPUTS", own)
    metrics = run(small(model=ModelConfig(width=[2, 1], grid=3), plots=PlotsConfig()), tmp_path, quiet=True)
    assert metrics["warnings"] == ["my picture could not be made (ZeroDivisionError: of our own doing)"]
    assert read_json(tmp_path / "metrics.json")["warnings"] == metrics["warnings"]
    names = {p.name for p in (tmp_path / "plots").iterdir()}
    assert {"network_trained.png", "predictions.svg", "history.png"} <= names
    assert "network_pruned.png" not in names
    assert read_json(tmp_path / "status.json")["state"] == "completed"


def test_an_output_that_is_essential_is_not_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = [Output("model.pt", broken, essential=True), *outputs.OUTPUTS]
    monkeypatch.setattr(outputs, "OUTPUTS", own)
    with pytest.raises(ZeroDivisionError):
        run(ONE_LAYER, tmp_path, quiet=True)


@pytest.mark.fails_within
def test_a_move_of_the_search_that_fails_is_told_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for move in (Sums, Fractions):
        monkeypatch.setattr(move, "run", broken)
    config = Config(
        dataset=SymbolicConfig(formula="sin(3*x_1)+x_2**2", n_train=100, n_test=40),
        search=SearchConfig(work=20_000),
        symbolic=SymbolicFitConfig(library=["x", "x^2", "sin"], work=600.0),
        plots=NO_PLOTS,
    )
    metrics = run(config, tmp_path, quiet=True)
    assert any("in the search, sums of" in text and "ZeroDivisionError" in text for text in metrics["warnings"])
    assert read_json(tmp_path / "formula.json")[0]["exact"] is True
    assert "in broken" in log_of(tmp_path)


# ---- formulas that cannot be kept ----------------------------------------------------------------------------------


X = sp.Symbol("x_1", real=True)
BAD = {
    "a power that no text may have": sp.Float("1e-3619", 17) * (54 - X) ** sp.Float(2060.6),
    "no value on the rows": sp.log(X - 5),
    "infinite": sp.Float("1e300") ** 3 * X,
    "an unknown function": sp.Function("f")(X),
    "an unknown name": sp.Symbol("y") + X,
}
SEVERAL = small(  # of which there is a front
    model=ModelConfig(width=[2, 1], grid=3),
    dataset=SymbolicConfig(formula="exp(x_1)+Abs(x_2)", n_train=40, n_test=20),
    symbolic=SymbolicFitConfig(library=["x", "x^2", "exp"], work=100.0, discover=False),
)


def spoil(name: str, which: range, bad: sp.Expr, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What this function of the writing of formulas gives is `bad`, the times that are in `which`; all its times."""
    plain, made = getattr(forms, name), list[int]()

    def spoilt(*arguments: Any) -> list[sp.Expr]:
        made.append(len(made))
        return [bad] if made[-1] in which else plain(*arguments)

    monkeypatch.setattr(forms, name, spoilt)
    return made


@pytest.mark.fails_within
@pytest.mark.parametrize("name", BAD)
def test_a_form_that_cannot_be_kept_makes_room_for_the_formula_as_it_was(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil("settled", range(1000), BAD[name], monkeypatch)
    metrics = run(ONE_LAYER, tmp_path, quiet=True)
    assert "warnings" not in metrics
    [entry] = read_json(tmp_path / "formula.json")
    assert metrics["final"]["rmse"] == pytest.approx(entry["test"]["rmse"])
    assert entry["test"]["r2"] > 0.9


@pytest.mark.parametrize("name", ["a power that no text may have", "no value on the rows"])
def test_a_formula_that_cannot_be_kept_makes_room_for_the_next_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil("network_expressions", range(1), BAD[name], monkeypatch)
    metrics = run(SEVERAL, tmp_path, quiet=True)
    [said] = metrics["warnings"]
    assert said.startswith("a formula was dropped, it ")
    [entry] = read_json(tmp_path / "formula.json")
    assert metrics["final"]["rmse"] == pytest.approx(entry["test"]["rmse"])


def test_where_none_can_be_kept_the_network_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil("network_expressions", range(1000), BAD["infinite"], monkeypatch)
    metrics = run(ONE_LAYER, tmp_path, quiet=True)
    assert metrics["warnings"][-1] == "there is no formula: none that was found can be kept"
    assert not (tmp_path / "formula.json").exists()
    assert metrics["final"]["rmse"] is not None


def test_a_bad_alternative_is_left_out_of_the_front(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = spoil("network_expressions", range(1, 1000), BAD["no value on the rows"], monkeypatch)
    metrics = run(SEVERAL, tmp_path, quiet=True)
    assert len(made) > 1
    assert "warnings" not in metrics
    [entry] = read_json(tmp_path / "formula.json")
    assert [point["chosen"] for point in entry["front"]] == [True]


# ---- scores that are no numbers ------------------------------------------------------------------------------------


def test_targets_that_are_all_the_same_have_no_r2_and_that_is_said(tmp_path: Path) -> None:
    constant = SymbolicConfig(formula="5", domain=[[0, 1], [0, 1]], n_train=130, n_test=40)
    metrics = run(small(dataset=constant), tmp_path, quiet=True)
    assert "there is no R2 for rows (train, test) whose targets are all the same" in metrics["warnings"]


def test_rows_without_a_value_are_not_taken_for_targets_that_are_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = reaching.stage_entry

    def lost(*arguments: Any) -> dict[str, Any]:
        return {**plain(*arguments), "test": {"mse": None, "rmse": None, "r2": None, "nonfinite_rows": 40}}

    monkeypatch.setattr(reaching, "stage_entry", lost)
    metrics = run(ONE_LAYER, tmp_path, quiet=True)
    assert "train has no value on 40 of 40 test rows" in metrics["warnings"]
    assert not any("all the same" in text for text in metrics["warnings"])
