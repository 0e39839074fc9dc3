from __future__ import annotations

import csv
import importlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.errors import MissingConfigException

from kanrun.cli import main as cli
from kanrun.cli.compose import compose_job
from kanrun.config.packaged import config_folder
from kanrun.errors import ConfigError, KanrunError
from kanrun.pipeline import stages
from kanrun.report.paging import PAGE
from kanrun.report.status import InterruptedRun, Status
from tests.cli.command import QUICK, Call
from tests.contract import read_json, violations
from tests.sweep.folders import write_run

COMMAND = str(Path(sys.executable).with_name("kanrun"))


def run_folders(folder: Path) -> list[Path]:
    return sorted(p.parent for p in folder.rglob("kanrun.log"))


# ---- mistakes ------------------------------------------------------------------------------------------------------

CONTRASTIVE = ["dataset=contrastive", "dataset.n_inputs=3", "model.width=[3,1,1]"]

# What is typed; what the one line names: key and value as given; what it says is allowed.
COMPOSITION = {
    "unknown key": (["model.widht=3"], "model.widht=3", "model.width"),
    "unknown top key": (["sede=3"], "sede=3", "seed"),
    "key below a value": (["seed.a=3"], "seed.a=3", "seed"),
    "key of another tool": (["epochs=3"], "epochs=3", "optimizer.steps"),
    "key without its group": (["steps=3"], "steps=3", "optimizer.steps"),
    "key of another tool in its group": (["optimizer.lr=3"], "optimizer.lr=3", "optimizer.learning_rate"),
    "key of an option that is not chosen": (["optimizer.batch_size=3"], "optimizer.batch_size=3", "optimizer=adam"),
    "group that is misspelt": (["experimnt=hello"], "experimnt=hello", "did you mean experiment?"),
    "flag for a key": (["--seed=3"], "--seed=3", "seed=3"),
    "flag for an experiment": (["--experiment=hello"], "--experiment=hello", "did you mean experiment=hello?"),
    "flag for a subcommand": (["--resume", "run"], "--resume", "kanrun resume RUN"),
    "flag that there is not": (["--frobnicate"], "--frobnicate", "kanrun --help"),
    "folder of a run for a sweep": (["-m", "hydra.run.dir=here", "seed=0,1"], "hydra.run.dir=here", "hydra.sweep.dir"),
    "unknown option": (["dataset=mons"], "dataset=mons", "contrastive, moons, rows, sklearn, symbolic, table"),
    "unknown option with plus": (["+optimizer=sgd"], "optimizer=sgd", "adam, auto, lbfgs, lm"),
    "unknown optimizer": (["optimizer=sgd"], "optimizer=sgd", "adam, auto, lbfgs, lm"),
    "unknown experiment": (["experiment=helo"], "experiment=helo", "did you mean hello?"),
    "option that is a number": (["model=3"], "model=3", "kan"),
    "group left out": (["~plots"], "~plots", "default or none"),
    "group left out by its option": (["~model=kan", "experiment=hello"], "~model=kan", "kan or mlp"),
    "option that is null": (["dataset=null"], "dataset=null", "symbolic"),
    "key of another option": (["dataset=moons", "dataset.formula=x_1"], "dataset.formula=x_1", "dataset=moons"),
    "not an assignment": (["dataset"], "dataset", "key=value"),
    "open bracket": (["model.width=[2"], "model.width=[2", "key=value"),
    "two values without a sweep": (["seed=0,1"], "seed=0,1", "--multirun"),
    "own functions that are a list": (["symbolic.functions=[x]"], "symbolic.functions=[x]", "lorentz"),
    "own function without a formula": (["symbolic.functions={f: }"], "symbolic.functions={f: }", "lorentz"),
    "own function by a number": (["symbolic.functions.1f=x"], "symbolic.functions.1f=x", "lorentz"),
    "config folder that is not there": (["--config-path", "/nowhere", "--config-name", "config"], "/nowhere", "exist"),
}  # fmt: skip
IN_THE_RUN = {
    "unknown key with plus": (["+model.widht=3"], "model.widht=3", "did you mean width?"),
    "unknown top key with plus": (["+sede=3"], "sede=3", "did you mean seed?"),
    "wrong type": (["model.grid=abc"], "model.grid=abc", "a whole number is needed"),
    "missing value": (["seed=???"], "seed=???", "a whole number is needed"),
    "grid out of range": (["model.grid=0"], "model.grid=0", "1 to 1000"),
    "order out of range": (["model.k=6"], "model.k=6", "0 to 5"),
    "negative rows": (["dataset.n_train=-5"], "dataset.n_train=-5", "2 to 10000000"),
    "classes for a search": (["dataset=moons", "experiment=discover"], "dataset=moons", "leave out experiment"),
    "relations for a search": (["dataset=contrastive", "search=discover"], "dataset=contrastive", "not of classes"),
    "MLP for a search": (["model=mlp", "search=discover"], "model=mlp", "model=kan"),
    "search without formulas": (["search=discover", "symbolic=none"], "symbolic=none", "search=none"),
    "search without pruning": (["search=discover", "prune=none"], "prune=none", "search=none"),
    "search with pruning switched off": (["search=discover", "prune.enabled=false"], "prune.enabled=false", "search"),
    "fixed edge for a search": (
        ["search=discover", "model.width=[2,1]", "model.fix=[{function:sin}]"], "model.fix[0].function=sin", "fix=[]"
    ),
    "negative time": (["search.seconds=-1"], "search.seconds=-1.0", "0 to 1000000"),
    "unknown dtype": (["dtype=float16"], "dtype=float16", "float64, float32"),
    "width too wide at the inputs": (["model.width=[3,1]"], "model.width=[3,1]", "2 inputs"),
    "width too wide at the outputs": (["model.width=[2,5,2]"], "model.width=[2,5,2]", "1 output"),
    "width without classes": (["dataset=moons", "model.width=[2,3]"], "model.width=[2,3]", "2 classes"),
    "malformed width": (["model.width=[2,[0,0],1]"], "model.width=[2,[0,0],1]", "[sums, products]"),
    "width that is no list": (["model.width=5"], "model.width=5", "a list is needed"),
    "unknown function": (["symbolic.library=[sine]"], "symbolic.library=sine", "gaussian"),
    "library of nothing": (["symbolic.library=['0']"], "symbolic.library=[0]", "function"),
    "own function with the name of another": (["symbolic.functions.sin=x"], "symbolic.functions.sin=x", "another name"),
    "own function that cannot be read": (["symbolic.functions={f: sin(}"], "symbolic.functions.f=sin(", "character 4"),
    "own function of an input": (["+symbolic.functions.f=x_1"], "symbolic.functions.f=x_1", "x, pi"),
    "own function without slopes": (
        ["symbolic.functions={f: 'besselj(1,x)'}"], "symbolic.functions.f=besselj(1,x)", "besselj"
    ),
    "own function that is empty": (["symbolic.functions.f="], "symbolic.functions.f=", "1/(1+x**2)"),
    "own functions that are a number": (["symbolic.functions=5"], "symbolic.functions=5", "a mapping"),
    "unknown fixed function": (
        ["model.width=[2,1]", "model.fix=[{function:sine}]"], "model.fix[0].function=sine", "gaussian"
    ),
    "fixed layer": (["model.width=[2,1]", "model.fix=[{layer:3}]"], "model.fix[0].layer=3", "0 to 0"),
    "fixed input": (["model.width=[2,1]", "model.fix=[{input:2}]"], "model.fix[0].input=2", "0 to 1"),
    "fixed output": (["model.width=[2,1]", "model.fix=[{output:1}]"], "model.fix[0].output=1", "0 to 0"),
    "rows of one's own": (["dataset=rows"], "dataset=rows", "kanrun.fit"),
    "formula that cannot be read": (["dataset.formula=sin(x_1"], "dataset.formula=sin(x_1", "character 4"),
    "formula that is not finite": (["dataset.formula=log(x_1)"], "dataset.formula=log(x_1)", "dataset.domain"),
    "formula that divides by zero": (["dataset.formula=1/0"], "dataset.formula=1/0", "finite"),
    "formula with an unknown function": (["dataset.formula=foo(x_1)"], "dataset.formula=foo(x_1)", "floor"),
    "formula with an unknown name": (["dataset.formula=x_1+y"], "dataset.formula=x_1+y", "x_1, x_2"),
    "formula that is null": (["dataset.formula=null"], "dataset.formula=null", "a formula"),
    "formula that is empty": (["dataset.formula="], "dataset.formula=", "a formula"),
    "no formulas": (["dataset.formula=[]"], "dataset.formula=[]", "at least one"),
    "empty domain": (["dataset.domain=[1,0]"], "dataset.domain=[1,0]", "[low, high]"),
    "domain for too few inputs": (["dataset.domain=[[0,1]]"], "dataset.domain=[[0,1]]", "2 inputs"),
    "relation without a left side": (
        [*CONTRASTIVE, "dataset.relations=['x_1*x_2']"], "dataset.relations=x_1*x_2", "x_i = formula"
    ),
    "relation with an unknown input": (
        [*CONTRASTIVE, "dataset.relations=['x_9 = x_1']"], "dataset.relations=x_9 = x_1", "x_1 to x_3"
    ),
    "relations in a circle": (
        [*CONTRASTIVE, "dataset.relations=['x_1 = x_2','x_2 = x_1']"], "dataset.relations=x_1 = x_2", "circle"
    ),
    "grids that are no list": (["optimizer.grids=3"], "optimizer.grids=3", "a list is needed"),
    "grid of nothing": (["optimizer.grids=[3,0]"], "optimizer.grids[1]=0", "1 to 1000"),
    "grid that is no number": (["optimizer.grids=[fine]"], "optimizer.grids[0]=fine", "a whole number is needed"),
    "no restart": (["optimizer.restarts=0"], "optimizer.restarts=0", "1 to 1000"),
    "more rows held back than there are": (["dataset.validation=1.5"], "dataset.validation=1.5", "0 to 0.9"),
    "fewer rows held back than none": (["dataset.validation=-0.1"], "dataset.validation=-0.1", "0 to 0.9"),
    "network too large for lm": (
        ["optimizer=lm", "model.width=[2,100,1]", "model.grid=20"], "optimizer=lm", "optimizer=lbfgs"
    ),
    "grid too fine for lm": (
        ["optimizer=lm", "model.width=[2,20,1]", "optimizer.grids=[3,200]"], "optimizer=lm", "optimizer=lbfgs"
    ),
    "device that is not there": (["device=cuda:77"], "device=cuda:77", "here are cpu"),
    "device that does not exist": (["device=abacus"], "device=abacus", "here are cpu"),
    "device without numbers": (["device=meta"], "device=meta", "here are cpu"),
}  # fmt: skip


def as_cases(table: dict[str, tuple[list[str], str, str]]) -> list[object]:
    return [pytest.param(*row, id=name.replace(" ", "_")) for name, row in table.items()]


@pytest.mark.parametrize(("arguments", "given", "allowed"), as_cases(COMPOSITION))
def test_a_mistake_in_what_is_chosen_is_one_line_and_leaves_nothing(
    kanrun: Call, tmp_path: Path, arguments: list[str], given: str, allowed: str
) -> None:
    status, out, lines = kanrun(*arguments)
    assert (status, out, len(lines)) == (1, "", 1), lines
    assert lines[0].startswith("kanrun: ")
    assert given in lines[0]
    assert allowed in lines[0].replace(given, "", 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("arguments", "given", "allowed"), as_cases(IN_THE_RUN))
def test_a_mistake_in_a_setting_is_one_line_and_leaves_nothing(
    kanrun: Call, tmp_path: Path, arguments: list[str], given: str, allowed: str
) -> None:
    status, out, lines = kanrun("plots=none", *arguments)
    assert (status, out, len(lines)) == (1, "", 1), lines
    assert lines[0].startswith(f"kanrun: {given}")
    assert allowed in lines[0].replace(given, "", 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["experiment=moons_classes", "dataset.formula=x_1"], ["optimizer.batch_size=5"]])
def test_a_key_of_another_option_is_explained_though_the_option_was_not_typed(
    kanrun: Call, arguments: list[str]
) -> None:
    status, _, [line] = kanrun(*arguments)
    assert status == 1
    assert line.startswith(f"kanrun: {arguments[-1]}: ")
    assert "not a setting of" in line
    assert "did you mean" not in line  # it would be the same key again


def test_mistakes_of_all_kinds_are_reported_at_once_a_line_each(kanrun: Call, tmp_path: Path) -> None:
    wrong = ["model.k=9", "+model.widht=3", "seed=-1", "dtype=half", "prune.enabled=perhaps"]
    status, _, lines = kanrun(*wrong)
    assert status == 1
    assert sorted(line.partition(": ")[2].partition("=")[0] for line in lines) == [
        "dtype", "model.k", "model.widht", "prune.enabled", "seed"
    ]  # fmt: skip
    assert all(line.startswith("kanrun: ") for line in lines)
    assert list(tmp_path.iterdir()) == []


def test_two_unknown_keys_are_two_lines(kanrun: Call) -> None:
    status, _, lines = kanrun("model.widht=3", "sede=1")
    assert status == 1
    assert [line.partition("=")[0] for line in lines] == ["kanrun: model.widht", "kanrun: sede"]


def test_an_unknown_flag_is_one_line(kanrun: Call, tmp_path: Path) -> None:
    status, out, lines = kanrun("--sede=1")
    assert (status, out, len(lines)) == (1, "", 1), lines
    assert lines[0].startswith("kanrun: ")
    assert "--sede" in lines[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("more", [[], ["-m", "model.grid=3,4"]])
def test_a_reference_to_nothing_names_the_key_and_no_file_that_is_not_there(
    kanrun: Call, tmp_path: Path, more: list[str]
) -> None:
    status, _, [line] = kanrun("seed=${nothing}", *more)
    assert status == 1
    assert "seed" in line
    assert "nothing" in line
    assert ("kanrun.log" in line) == bool(run_folders(tmp_path))


def test_an_error_of_the_program_itself_is_one_line_and_its_traceback_is_in_the_log(
    kanrun: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("planted\nin two lines")

    monkeypatch.setattr(importlib.import_module("kanrun.pipeline.stages"), "train_by_schedule", broken)
    status, _, [line] = kanrun(*QUICK)
    assert status == 1
    assert line.startswith("kanrun: ZeroDivisionError: planted in two lines")
    [folder] = run_folders(tmp_path)
    assert str(folder / "kanrun.log") in line
    log = (folder / "kanrun.log").read_text(encoding="utf-8")
    assert "Traceback (most recent call last)" in log
    assert "ZeroDivisionError: planted" in log
    assert read_json(folder / "status.json")["error"].startswith("ZeroDivisionError: planted")


def test_an_error_of_the_program_itself_before_there_is_a_folder_says_how_to_see_more(
    kanrun: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(importlib.import_module("kanrun.pipeline.problem"), "build_dataset", broken)
    status, _, [line] = kanrun(*QUICK)
    assert status == 1
    assert line == "kanrun: ZeroDivisionError: planted (HYDRA_FULL_ERROR=1 shows where)"


def test_a_reference_to_what_only_the_run_knows_is_told_by_the_run(kanrun: Call, tmp_path: Path) -> None:
    status, _, [line] = kanrun("seed=${hydra:runtime.cwd}")
    assert (status, line) == (1, f"kanrun: seed={tmp_path}: a whole number is needed")


def test_a_group_of_a_saved_config_is_not_chosen_anew(kanrun: Call, noisy_run: Path) -> None:
    status, _, [line] = kanrun("--config-path", str(noisy_run), "--config-name", "config", "model=mlp")
    assert status == 1
    assert line.startswith("kanrun: model=mlp: a saved config has its options; set keys such as model.name")


# ---- formulas ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "formula"),
    [
        ("dataset.formula=sin(x_1)*x_2", "sin(x_1)*x_2"),
        ("dataset.formula='sin(x_1)*x_2'", "sin(x_1)*x_2"),
        ('dataset.formula="sin(x_1)*x_2"', "sin(x_1)*x_2"),
        ("++dataset.formula=-x_1 / (x_2 + 3)", "-x_1 / (x_2 + 3)"),
        ("dataset.formula=(x_1+x_2)**2", "(x_1+x_2)**2"),
        ("dataset.formula=Max(x_1, x_2)", "Max(x_1, x_2)"),
        ("dataset.formula=['sin(x_1)*x_2',x_1]", ["sin(x_1)*x_2", "x_1"]),
    ],
)
def test_a_formula_needs_no_quotes_inside(kanrun: Call, typed: str, formula: object) -> None:
    status, out, lines = kanrun("--cfg", "job", *QUICK, typed)
    assert (status, lines) == (0, [])
    assert yaml.safe_load(out)["dataset"]["formula"] == formula


@pytest.mark.parametrize(
    ("typed", "formulas"),
    [
        ("sin(x_1)*x_2,x_1+x_2", ["sin(x_1)*x_2", "x_1+x_2"]),
        ("Max(x_1,x_2),x_1", ["Max(x_1,x_2)", "x_1"]),
        ("Max(x_1,sin(x_2)),x_1", ["Max(x_1,sin(x_2))", "x_1"]),
        ("Max(sin(x_1),x_2),sin(Max(x_1,x_2))", ["Max(sin(x_1),x_2)", "sin(Max(x_1,x_2))"]),
        ("x_1*x_2", ["x_1*x_2"]),
    ],
)
def test_a_sweep_over_formulas_is_cut_at_the_commas_outside_brackets(typed: str, formulas: list[str]) -> None:
    [argument] = cli.prepared(["-m", f"dataset.formula={typed}"])[1:]
    assert argument == "dataset.formula=" + ",".join(f'"{f}"' for f in formulas)


@pytest.mark.parametrize(
    ("typed", "ready"),
    [
        (".lorentz=1/(1+x**2)", '.lorentz="1/(1+x**2)"'),
        (".f=log(x,2)", '.f="log(x,2)"'),
        (".f='x**2'", ".f='x**2'"),
        ("={lorentz: 1/(1+x**2)}", '={lorentz:"1/(1+x**2)"}'),
        ("={f: Max(x,1), g:exp(-x**2)}", '={f:"Max(x,1)",g:"exp(-x**2)"}'),
        ("={f: 'x**2', g: \"x**3\"}", "={f:'x**2',g:\"x**3\"}"),
        ("={}", "={}"),
    ],
)
def test_own_functions_need_no_quotes_and_no_plus(typed: str, ready: str) -> None:
    for plus in ("", "+", "++"):
        assert cli.prepared([f"{plus}symbolic.functions{typed}"]) == [f"++symbolic.functions{ready}"]


def test_a_sweep_goes_over_formulas_of_a_function() -> None:
    [argument] = cli.prepared(["-m", "symbolic.functions.f=Max(x,1),x**2"])[1:]
    assert argument == '++symbolic.functions.f="Max(x,1)","x**2"'


def test_own_functions_reach_the_run(kanrun: Call, tmp_path: Path) -> None:
    own = ["symbolic.functions={lorentz: 1/(1+x**2)}", "symbolic.functions.cube=x**3"]
    assert kanrun(*QUICK, *own, "hydra.run.dir=first").status == 0
    again = ["--config-path", "first", "--config-name", "config", "symbolic.functions.relu=Max(0,x)"]
    assert kanrun(*again, "hydra.run.dir=second").status == 0
    functions = {"lorentz": "1/(1+x**2)", "cube": "x**3"}
    for folder, expected in (("first", functions), ("second", functions | {"relu": "Max(0,x)"})):
        config = yaml.safe_load((tmp_path / folder / "config.yaml").read_text(encoding="utf-8"))
        assert config["symbolic"]["functions"] == expected


@pytest.mark.parametrize(
    ("typed", "ready"),
    [
        ("[{layer:1,function:x^2}]", '[{layer:1,function:"x^2"}]'),
        ("[{function: 1/x^2, input: 1},{function:sin}]", '[{function: "1/x^2", input: 1},{function:"sin"}]'),
        ("[{function:'x^2'}]", "[{function:'x^2'}]"),
        ("[]", "[]"),
    ],
)
def test_the_function_of_a_fixed_edge_needs_no_quotes(typed: str, ready: str) -> None:
    assert cli.prepared([f"model.fix={typed}"]) == [f"model.fix={ready}"]


def test_a_sweep_may_be_asked_for_among_the_overrides() -> None:
    assert cli.prepared(["plots=none", "-m", "seed=0,1"]) == ["-m", "plots=none", "seed=0,1"]


def test_other_arguments_are_passed_on_as_they_are() -> None:
    given = ["-m", "model.width=[2,1],[2,2,1]", "dataset.formula='x_1,x_2'", "seed=0,1", "dataset.formula=null"]
    assert cli.prepared(given) == given


# ---- folders -------------------------------------------------------------------------------------------------------


def test_a_run_has_a_folder_by_date_and_time_and_writes_nowhere_else(kanrun: Call, tmp_path: Path) -> None:
    status, out, lines = kanrun(*QUICK)
    assert (status, lines) == (0, [])
    [folder] = run_folders(tmp_path)
    outputs, date, moment = folder.relative_to(tmp_path).parts
    assert outputs == "outputs"
    time.strptime(f"{date} {moment[:8]}", "%Y-%m-%d %H-%M-%S")
    assert len(moment.split("-")[3]) == 6  # microseconds, so that two launches have two folders
    assert str(folder) in out.replace("\n", "")
    assert {p.parent for p in tmp_path.rglob("*") if p.is_file()} == {folder}
    assert violations(folder, stages=("train",), pictures=False) == []


def test_a_folder_of_ones_own_leaves_the_working_folder_empty(
    kanrun: Call, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("elsewhere") / "a run" / "deep"
    status, _, lines = kanrun(*QUICK, f"hydra.run.dir='{folder}'")
    assert (status, lines) == (0, [])
    assert violations(folder, stages=("train",), pictures=False) == []
    assert list(tmp_path.iterdir()) == []


def test_grids_restarts_and_validation_are_told_on_the_command_line(kanrun: Call, tmp_path: Path) -> None:
    schedule = [
        "optimizer.grids=[3,6]", "optimizer.restarts=2", "dataset.validation=0.2", "optimizer.steps=3",
        "dataset.n_train=300",
    ]  # fmt: skip
    status, _, lines = kanrun(*QUICK, *schedule)
    assert (status, lines) == (0, [])
    [folder] = run_folders(tmp_path)
    assert violations(folder, stages=("train",), pictures=False) == []
    with (folder / "history.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {r["attempt"] for r in rows} == {"0", "1"}
    assert {r["grid"] for r in rows} == {"3", "6"}
    assert all(float(r["validation_loss"]) > 0 for r in rows)


def test_a_sweep_has_a_numbered_folder_a_job(kanrun: Call, tmp_path: Path) -> None:
    status, _, lines = kanrun("-m", *QUICK, "seed=0,1", "hydra.launcher.jobs=1")
    assert (status, lines) == (0, [])
    folders = run_folders(tmp_path)
    assert [f.relative_to(tmp_path).parts[:2] for f in folders] == [("outputs", "sweeps")] * 2
    assert [f.relative_to(tmp_path).parts[4:] for f in folders] == [("0",), ("1",)]
    assert len({f.parent for f in folders}) == 1
    assert [read_json(f / "metrics.json")["seed"] for f in folders] == [0, 1]
    assert all(violations(f, stages=("train",), pictures=False) == [] for f in folders)


def test_a_sweep_with_bad_jobs_names_them_all_before_the_first_is_run(kanrun: Call, tmp_path: Path) -> None:
    status, out, lines = kanrun("--multirun", *QUICK, "model.width=[2,1],[2],[3,1],[2,2,1]")
    assert (status, out) == (1, "")
    starts = ["kanrun: job 1: model.width=[2]: ", "kanrun: job 2: model.width=[3,1]: "]
    assert [line.startswith(start) for line, start in zip(lines, starts, strict=True)] == [True, True]
    assert list(tmp_path.iterdir()) == []


def test_what_is_wrong_with_several_jobs_of_a_sweep_is_said_once(kanrun: Call, tmp_path: Path) -> None:
    status, _, lines = kanrun("-m", *QUICK, "seed=0,1", "model.k=3,9")
    assert (status, lines) == (1, ["kanrun: jobs 1, 3: model.k=9: allowed is 0 to 5"])
    assert kanrun("-m", *QUICK, "seed=0,1", "model.k=9").lines == ["kanrun: model.k=9: allowed is 0 to 5"]
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_goes_on_past_a_job_that_fails_and_says_so_at_the_end(
    kanrun: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = stages.train_by_schedule

    def fails_with_seed_one(schedule: Any, rows: Any, context: Any) -> Any:
        if schedule.seed == 1:
            raise ZeroDivisionError("planted")
        return begin(schedule, rows, context)

    monkeypatch.setattr(stages, "train_by_schedule", fails_with_seed_one)
    status, _, [line] = kanrun("-m", *QUICK, "seed=0,1,2", "hydra.launcher.jobs=1")
    assert status == 1
    assert line.startswith("kanrun: job 1: ZeroDivisionError: planted")
    states = [read_json(f / "status.json")["state"] for f in run_folders(tmp_path)]
    assert states == ["completed", "failed", "completed"]


def test_a_job_may_ask_for_its_number(kanrun: Call, tmp_path: Path) -> None:
    assert kanrun("-m", *QUICK, "seed=${hydra:job.num}", "model.k=2,3", "hydra.launcher.jobs=1").status == 0
    assert [read_json(f / "metrics.json")["seed"] for f in run_folders(tmp_path)] == [0, 1]


def test_a_finished_run_is_replaced_only_when_that_is_said(kanrun: Call, tmp_path: Path) -> None:
    assert kanrun(*QUICK, "seed=1", "hydra.run.dir=mine").status == 0
    before = {p: p.read_bytes() for p in (tmp_path / "mine").iterdir()}
    status, out, [line] = kanrun(*QUICK, "seed=2", "hydra.run.dir=mine")
    assert (status, out) == (1, "")
    assert line.startswith("kanrun: hydra.run.dir=mine: it holds a completed run;")
    assert "overwrite=true" in line
    assert {p: p.read_bytes() for p in (tmp_path / "mine").iterdir()} == before
    assert kanrun(*QUICK, "seed=2", "hydra.run.dir=mine", "overwrite=true").status == 0
    assert read_json(tmp_path / "mine" / "metrics.json")["seed"] == 2
    again = ["--config-path", "mine", "--config-name", "config", "hydra.run.dir=mine"]
    assert kanrun(*again).status == 1  # the saved config does not say it for ever


@pytest.mark.parametrize(("state", "said"), [("interrupted", "was interrupted"), ("running", "was killed")])
def test_a_run_that_can_be_resumed_is_replaced_only_when_that_is_said(
    kanrun: Call, tmp_path: Path, state: str, said: str
) -> None:
    (tmp_path / "mine").mkdir()
    left = json.dumps({"state": state})
    (tmp_path / "mine" / "status.json").write_text(left)
    status, out, [line] = kanrun(*QUICK, "hydra.run.dir=mine")
    assert (status, out) == (1, "")
    assert line.startswith(f"kanrun: hydra.run.dir=mine: it holds a run that {said}, which `kanrun resume` takes up")
    assert "overwrite=true" in line
    assert (tmp_path / "mine" / "status.json").read_text() == left
    assert kanrun(*QUICK, "hydra.run.dir=mine", "overwrite=true").status == 0
    assert read_json(tmp_path / "mine" / "status.json")["state"] == "completed"


def test_a_finished_sweep_is_not_replaced_either(kanrun: Call, tmp_path: Path) -> None:
    assert kanrun("-m", *QUICK, "seed=1,2", "hydra.sweep.dir=mine", "hydra.launcher.jobs=1").status == 0
    status, _, [line] = kanrun("-m", *QUICK, "seed=3,4", "hydra.sweep.dir=mine")
    assert status == 1
    assert line.startswith("kanrun: hydra.sweep.dir=mine: it holds a completed run;")
    assert [read_json(tmp_path / "mine" / n / "metrics.json")["seed"] for n in "01"] == [1, 2]


@pytest.mark.parametrize("where", ["there", "there/below", "there/far/below"])
def test_a_file_in_the_place_of_the_folder_is_one_line(kanrun: Call, tmp_path: Path, where: str) -> None:
    (tmp_path / "there").write_text("text")
    for arguments, key in (([], "hydra.run.dir"), (["-m"], "hydra.sweep.dir")):
        status, _, [line] = kanrun(*arguments, *QUICK, f"{key}={where}")
        assert status == 1
        assert line == f"kanrun: {key}={where}: {tmp_path / 'there'} is a file; name a folder"
    assert (tmp_path / "there").read_text() == "text"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("hello", "experiment=hello?"),
        ("helo", "experiment=hello?"),
        ("moons", "dataset=moons?"),
        ("sparse", "regularization=sparse?"),
        ("model", "model=kan or model=mlp?"),
        ("nonsense", "--help"),
        ("!!", "--help"),
    ],
)
def test_a_word_alone_is_answered_by_what_was_probably_meant(kanrun: Call, typed: str, meant: str) -> None:
    status, _, [line] = kanrun(typed)
    assert status == 1
    assert line.startswith(f"kanrun: {typed}: not of the form key=value; ")
    assert meant in line


# ---- another option than the experiment's ------------------------------------------------------------------------

FEW = ["dataset.n_train=40", "dataset.n_test=20", "optimizer.steps=1", "prune=none", "symbolic=none", "plots=none"]


def test_an_option_that_is_typed_is_free_of_what_the_experiment_set_for_its_own(kanrun: Call, tmp_path: Path) -> None:
    status, _, lines = kanrun("experiment=smoke", "dataset=moons", *FEW, "hydra.run.dir=run")
    assert (status, lines) == (0, [])
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text(encoding="utf-8"))
    assert config["dataset"] == {
        "name": "moons", "seed": None, "validation": 0.0, "loss": "auto", "form": "auto", "n_train": 40, "n_test": 20,
        "noise": 0.1,
    }  # fmt: skip
    assert config["regularization"]["lamb"] == 0.001  # the rest of the experiment stays


def test_each_job_of_a_sweep_over_options_has_its_own_settings(kanrun: Call, tmp_path: Path) -> None:
    sweep = [
        "-m",
        "experiment=hello",
        "model=kan,mlp",
        "regularization=none",
        *FEW,
        "hydra.sweep.dir=sweep",
        "hydra.launcher.jobs=1",
    ]
    status, _, lines = kanrun(*sweep)
    assert (status, lines) == (0, [])
    kan, mlp = (yaml.safe_load((tmp_path / "sweep" / n / "config.yaml").read_text(encoding="utf-8")) for n in "01")
    assert (kan["model"]["width"], mlp["model"]["width"]) == ([2, 5, 1], None)
    assert "grid" not in mlp["model"]
    # Without regularization means without, whatever strength the experiment has for its own.
    assert [c["regularization"] for c in (kan, mlp)] == [
        {**kan["regularization"], "lamb": 0.0, "lamb_entropy": 2.0}
    ] * 2


def test_what_is_typed_for_another_option_is_never_left_out(kanrun: Call) -> None:
    status, _, [line] = kanrun("experiment=smoke", "dataset=moons", "dataset.formula=x_1")
    assert status == 1
    assert line == "kanrun: dataset.formula=x_1: not a setting of dataset=moons, but of dataset=symbolic"


def test_the_config_that_is_shown_is_the_one_that_would_be_run(kanrun: Call) -> None:
    status, out, lines = kanrun("--cfg", "job", "experiment=hello", "model=mlp", "regularization=none")
    assert (status, lines) == (0, [])
    shown = yaml.safe_load(out)
    assert (shown["model"]["width"], shown["regularization"]["lamb"]) == (None, 0.0)
    assert "grid" not in shown["model"]


def test_a_search_can_be_switched_off_in_its_experiment(kanrun: Call, tmp_path: Path) -> None:
    assert kanrun("experiment=discover", "search=none", *FEW).status == 0
    [folder] = run_folders(tmp_path)
    assert [s["name"] for s in read_json(folder / "metrics.json")["stages"]] == ["train"]


# ---- sweeps and saved configs ------------------------------------------------------------------------------------


def test_a_sweep_whose_jobs_all_go_well_has_status_zero_and_gives_losses_of_validation_rows(
    kanrun: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float | None] = []
    plain = cli.Job.__call__

    def noted(self: cli.Job, composed: object) -> float | None:
        given.append(plain(self, composed))
        return given[-1]

    monkeypatch.setattr(cli.Job, "__call__", noted)
    status, _, _ = kanrun("-m", *QUICK, "optimizer=lbfgs,adam", "dataset.validation=0.2", "hydra/launcher=basic")
    assert status == 0
    last = [read_json(f / "metrics.json")["stages"][-1] for f in run_folders(tmp_path)]
    assert given == [stage["validation"]["mse"] for stage in last]
    assert all(stage["validation"]["mse"] != stage["test"]["mse"] for stage in last)
    given.clear()
    assert kanrun("-m", *QUICK, "hydra/launcher=basic").status == 0
    assert given == [None]  # there are no rows to judge by, and test rows are none


def test_a_saved_config_run_again_gives_the_same_numbers(kanrun: Call, tmp_path: Path) -> None:
    smoke = ["experiment=smoke", "plots=none", "symbolic.library=[x,'x^2',sin]", "symbolic.work=20", "seed=3"]
    smoke += ["model.width=[2,1]", "dataset.n_train=40", "dataset.n_test=20"]
    assert kanrun(*smoke, "hydra.run.dir=first").status == 0
    status, _, lines = kanrun("--config-path", str(tmp_path / "first"), "--config-name", "config")
    assert (status, lines) == (0, [])
    first, again = tmp_path / "first", next(f for f in run_folders(tmp_path) if f.name != "first")
    outputs, _, moment = again.relative_to(tmp_path).parts
    assert (outputs, len(moment.split("-"))) == ("outputs", 4)  # with microseconds, as every run
    assert {p.name for p in again.iterdir()} == {p.name for p in first.iterdir()}
    assert (again / "config.yaml").read_text() == (first / "config.yaml").read_text()
    one, two = (read_json(f / "metrics.json") for f in (first, again))
    assert one["final"] == two["final"]
    assert [(s["name"], s["train"], s["test"]) for s in one["stages"]] == [
        (s["name"], s["train"], s["test"]) for s in two["stages"]
    ]
    assert read_json(first / "formula.json") == read_json(again / "formula.json")


def test_a_saved_config_can_be_run_again_with_changes_into_a_chosen_folder(kanrun: Call, tmp_path: Path) -> None:
    assert kanrun(*QUICK, "hydra.run.dir=first").status == 0
    saved = [f"--config-path={tmp_path / 'first'}", "--config-name=config"]
    assert kanrun(*saved, "seed=9", "hydra.run.dir=second").status == 0
    assert read_json(tmp_path / "second" / "metrics.json")["seed"] == 9
    assert sorted(p.name for p in tmp_path.iterdir()) == ["first", "second"]
    assert kanrun("-m", *saved, "seed=5,6", "hydra.sweep.dir=third", "hydra.launcher.jobs=1").status == 0
    assert [read_json(tmp_path / "third" / str(n) / "metrics.json")["seed"] for n in (0, 1)] == [5, 6]


def test_the_whole_config_can_be_shown_without_a_run(kanrun: Call, tmp_path: Path) -> None:
    status, out, lines = kanrun("--cfg", "job", "experiment=hello")
    assert (status, lines) == (0, [])
    assert yaml.safe_load(out)["regularization"]["lamb"] == 0.01
    assert list(tmp_path.iterdir()) == []


# ---- the installed command -----------------------------------------------------------------------------------------


def test_the_installed_command_finds_a_formula_without_being_told_a_network(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            COMMAND, "experiment=discover", "dataset.formula=x_1/sqrt(x_2)", "dataset.domain=[1,3]",
            "dataset.n_train=60", "dataset.n_test=30", "search.seconds=10", "hydra.run.dir=found", "plots=none",
        ],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    folder = tmp_path / "found"
    assert violations(folder, stages=("train", "prune", "symbolic"), pictures=False) == []
    [formula] = read_json(folder / "formula.json")
    assert (formula["expression"], formula["exact"]) == ("x_1/sqrt(x_2)", True)
    assert "x_1/sqrt(x_2)" in done.stdout
    saved = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    assert saved["search"] == {"name": "discover", "seconds": 10.0, "work": None}


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (["model.k=9", "plots=none"], "kanrun: model.k=9: allowed is 0 to 5"),
    ],
)
def test_the_installed_command_ends_a_mistake_with_one_line_and_status_one(
    tmp_path: Path, arguments: list[str], start: str
) -> None:
    done = subprocess.run([COMMAND, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(start)


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [(["dataset=mons"], MissingConfigException, "mons"), (["show", "nowhere"], KanrunError, "not a run folder")],
)
def test_a_traceback_is_shown_to_those_who_ask_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], kind: type[Exception], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["kanrun", *arguments])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(kind, match=said):  # not a line and a status: Python shows where
        cli.main()
    logging.captureWarnings(False)


def test_a_command_goes_well_where_there_is_no_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["kanrun", "--version"])
    monkeypatch.setattr(sys, "stdout", None)
    cli.main()
    assert logging.raiseExceptions


def test_a_command_about_a_run_that_a_signal_ends_says_so(kanrun: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(*_: object) -> None:
        raise InterruptedRun("SIGTERM")

    monkeypatch.setattr(cli, "carry_out", ended)
    assert kanrun("show", "run") == (128 + signal.SIGTERM, "", ["kanrun: interrupted by SIGTERM"])


def test_what_jobs_have_said_is_told_once_and_not_without_end(capsys: pytest.CaptureFixture[str]) -> None:
    job = cli.Job()
    job.said = [f"job {n}: no such file" for n in range(cli.MOST_SAID + 3)]
    for _ in range(2):
        cli.add_up(job)
    *told, last = capsys.readouterr().err.splitlines()
    assert told == [f"kanrun: {line}" for line in job.said[: cli.MOST_SAID]]
    assert last == "kanrun: and 3 more jobs that failed, see summary.csv"


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> cli.Job:
    """A job as a launcher hands it to another process."""
    job = cli.Job()
    monkeypatch.setattr(job, "process", -1)
    return job


def test_in_another_process_a_failure_is_raised_for_the_launcher_to_tell(
    worker: cli.Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    composed = compose_job([f"++hydra.runtime.output_dir={tmp_path}", "hydra.mode=RUN", "seed=-1"], config_folder())
    monkeypatch.setattr(HydraConfig.instance(), "cfg", composed)
    with pytest.raises(ConfigError, match=r"^seed=-1: "):
        worker(composed)
    assert (worker.failures, capsys.readouterr().err) == (0, "")
    logging.captureWarnings(False)


def test_another_process_that_does_not_end_soon_enough_speaks_for_its_own_run_and_leaves_a_cursor(
    worker: cli.Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ended(status: int) -> None:
        raise SystemExit(status)

    worker.sweep = write_run(tmp_path / "0", {}, "running").parent
    monkeypatch.setattr(os, "_exit", ended)
    with open(tmp_path / "screen", "w+b", buffering=0) as screen:
        monkeypatch.setattr(sys, "stdout", SimpleNamespace(isatty=lambda: True, fileno=screen.fileno))
        with pytest.raises(SystemExit) as end:
            worker.end_at_once(Status(tmp_path / "0"), "SIGTERM")
    assert end.value.code == 128 + signal.SIGTERM
    assert (tmp_path / "screen").read_bytes() == cli.SHOW_CURSOR
    assert capsys.readouterr().err == "kanrun: interrupted by SIGTERM\n"
    assert read_json(tmp_path / "0" / "status.json")["state"] == "interrupted"
    assert (tmp_path / "0" / PAGE).exists() and not (tmp_path / "summary.csv").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are another thing there")
def test_an_interrupted_run_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = subprocess.Popen(
        [COMMAND, "plots=none", "optimizer=lbfgs", "optimizer.steps=1000000", f"hydra.run.dir={folder}"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell in the background ignores it
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while not (folder / "config.yaml").exists() and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.05)
        time.sleep(0.5)
        assert json.loads((folder / "status.json").read_text(encoding="utf-8"))["state"] == "running"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert err == "kanrun: interrupted by SIGINT\n"
    told = read_json(folder / "status.json")
    assert told["state"] == "interrupted"
    assert told["error"] == f"interrupted by SIGINT in stage {told['stage']}; kanrun resume goes on with it"
    assert told["ended"] > told["started"]
    [reached] = read_json(folder / "metrics.json")["stages"]  # what the training had come to
    assert reached["name"] == "train"
    assert (folder / "model.pt").exists()
    assert "interrupted" in (folder / "kanrun.log").read_text(encoding="utf-8")


def test_how_a_sweep_goes_on_can_be_typed_as_it_is_told(tmp_path: Path) -> None:
    job = cli.Job()
    job.sweep = tmp_path / "my sweep"
    assert cli.way_on(job) == ""
    job.sweep.mkdir()
    (job.sweep / "sweep.json").write_text("{}")
    assert cli.way_on(job) == f"; kanrun -m sweep.resume='{job.sweep}' goes on with it"
