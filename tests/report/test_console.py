from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from kanrun.config.schema import AUTO, PLAIN, Config, LmConfig, SearchConfig
from kanrun.data.dataset import CLASSIFICATION, REGRESSION, Dataset, Rows
from kanrun.data.losses import CROSS_ENTROPY, MSE
from kanrun.discovery.state import Tried
from kanrun.model.network import KAN
from kanrun.relations.relation import Relation, Tie
from kanrun.report.console import Console
from kanrun.report.numbers import shown
from kanrun.report.progress import Beat
from kanrun.state import Problem, Relations, Result, State
from kanrun.symbolic.formula import Formula
from kanrun.training.history import Record
from kanrun.training.target_scaling import Unscaled
from tests.helpers import uniform_rows


def dataset(name: str = "planted", classes: bool = False) -> Dataset:
    rows = [Rows(x, torch.zeros(len(x), 1)) for x in (uniform_rows(30, 2), uniform_rows(20, 2))]
    task, loss = (CLASSIFICATION, CROSS_ENTROPY) if classes else (REGRESSION, MSE)
    return Dataset(name, *rows, ["x_1", "x_2"], ["y"], task, loss)


def formula(text: str = "x_1**2", exact: bool | None = True, output: str = "y") -> Formula:
    return Formula(output, text, text, text, 3, {"mse": 0.0}, exact, [])


def problem(data: Dataset | None = None, model: KAN | None = None, search: SearchConfig | None = None) -> Problem:
    data = data or dataset()
    config = Config(optimizer=LmConfig(), search=search or SearchConfig())
    return Problem(config, data, model or KAN([2, 1], grid=3), Unscaled(), data)


def result(formulas: list[Formula], metrics: dict[str, Any], relations: list[Relation] | None = None) -> Result:
    ties = [Tie([0, 1], torch.zeros(1, 2), relation) for relation in relations or []]
    return Result(problem(), State(formulas=tuple(formulas), relations=Relations(ties=ties)), metrics)


def stage(name: str, **test: Any) -> dict[str, Any]:
    return {
        "name": name, "seconds": 1.25, "cpu_seconds": 1.2, "parameters": 12345, "width": [2, [1, 1], 1],
        "active_edges": 7, "active_inputs": ["x_1"], "train": dict.fromkeys(test, 0.125), "test": test,
    }  # fmt: skip


def regression(before: float, after: float, **more: Any) -> dict[str, Any]:
    def scores(rmse: float) -> dict[str, float]:
        return {"mse": rmse**2, "rmse": rmse, "r2": 1 - rmse}

    stages = [stage("train", **scores(9.0)), stage("refit", **scores(before))]
    return {"stages": [*stages, stage("symbolic", **scores(after), **more)]}


def classification(before: float, after: float) -> dict[str, Any]:
    return {
        "stages": [
            stage("train", cross_entropy=0.5, accuracy=before), stage("symbolic", cross_entropy=0.6, accuracy=after)
        ]
    }  # fmt: skip


# ---- what is printed -----------------------------------------------------------------------------------------------


def said(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No console goes on telling the time into the output of other tests."""
    begun: list[Beat] = []
    monkeypatch.setattr(Beat, "start", lambda beat: (begun.append(beat), beat.thread.start()))
    yield
    for beat in begun:
        beat.stop()


def test_the_end_names_scores_formulas_notes_relations_and_the_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    advice = [{"kind": "worse", "finding": "3 times the network's", "suggestion": "search=[deep]"}]
    metrics = regression(0.5, 1.5) | {"related_inputs": [["x_1", "x_3"]], "advice": advice}
    relation = Relation(["x_1", "x_3"], "x_1 + x_3 = 0", "x_1 + x_3 = 0", {}, 0.0)
    formulas = [formula(), formula("sin(x_2)", exact=False, output="z")]
    Console().ended(result(formulas, metrics, [relation]), tmp_path)
    lines = [line.rstrip() for line in said(capsys).splitlines()]
    assert "y = x_1**2 (exact)" in lines
    assert "z = sin(x_2)" in lines
    assert lines[lines.index("note: 3 times the network's") + 1] == "      try search=[deep]"
    assert "related inputs: x_1, x_3" in lines
    assert "relation: x_1 + x_3 = 0" in lines
    assert f"folder {tmp_path}" in lines


def test_no_related_inputs_are_told_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    Console().ended(result([], classification(0.9, 0.9) | {"related_inputs": []}), tmp_path)
    assert "related inputs: none found" in said(capsys)


@pytest.mark.parametrize("columns", ["20", "40", "80", "300"])
@pytest.mark.parametrize("metrics", [regression(0.123456789, 1.23456e-17), classification(0.98765, 0.912345)])
def test_nothing_is_cut_off_where_nobody_looks_at_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, metrics: dict[str, Any], columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    Console().ended(result([formula("x_1 + " * 60 + "x_2")], metrics), Path("/a" * 100))
    out = said(capsys)
    assert "…" not in out
    lines = out.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("stage "))
    assert lines.index("y = " + "x_1 + " * 60 + "x_2 (exact)") < start  # the answer comes first
    header, *rows = lines[start : start + 1 + len(metrics["stages"])]
    assert header.split()[0] == "stage"
    assert header.split()[-2:] == ["parameters", "seconds"]
    for row, entry in zip(rows, metrics["stages"], strict=True):
        cells = [shown(v) for k, v in entry["test"].items() if not (k == "mse" and "rmse" in entry["test"])]
        assert row.split()[0] == entry["name"]
        assert set(cells) <= set(row.split())
        assert row.split()[-2:] == ["12345", "1.2"]
    assert "folder " + "/a" * 100 in out.splitlines()


def test_scores_that_do_not_exist_are_shown_as_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    entry = stage("symbolic", mse=None, rmse=None, r2=None)
    Console().stage_ended(entry)
    assert "test RMSE -" in said(capsys)


def test_names_with_brackets_are_printed_as_they_are(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    console = Console()
    console.begin(problem(dataset("[bold]odd[/]"), KAN([2, [1, 1], 1], grid=3)))
    console.warning("step [3] of [/red] was undone")
    console.ended(result([formula("x[/]", output="[red]y")], regression(1.0, 1.0)), tmp_path / "[blue]")
    out = said(capsys)
    assert "[bold]odd[/]: regression, 30 training and 20 test rows, 2 inputs" in out
    assert "network [2, [1, 1], 1], grid 3, k 3" in out
    assert "trained by lm" in out
    assert "note: step [3] of [/red] was undone" in out
    assert "[red]y = x[/] (exact)" in out
    assert f"{tmp_path}/[blue]" in out


def test_a_stage_is_told_with_its_time_score_and_size(capsys: pytest.CaptureFixture[str]) -> None:
    Console().stage_ended(stage("prune", cross_entropy=0.3, accuracy=0.875))
    [line] = said(capsys).splitlines()
    assert line.split()[:6] == ["prune", "1.2", "s", "test", "accuracy", "0.875"]
    assert "width [2, [1, 1], 1], 7 edges" in line


def test_a_note_that_comes_many_times_in_a_stage_is_said_once_with_how_often(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console = Console()
    console.warning("before")
    console.stage_began("train")
    for message in ["again", "once", "again", "again"]:
        console.warning(message)
    assert said(capsys).splitlines() == ["note: before"]
    console.stage_ended(stage("train", rmse=1.0))
    assert said(capsys).splitlines()[:2] == ["note: again (3 times)", "note: once"]
    console.stage_began("prune")
    console.stage_ended(stage("prune", rmse=1.0))
    assert "note" not in said(capsys)
    console.stage_began("inputs")  # a stage without an entry
    console.warning("all are gone")
    console.stage_began("symbolic")
    assert said(capsys).splitlines() == ["note: all are gone"]


def test_what_a_training_chose_is_said_behind_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.stage_began("train")
    console.note("grid 10 of 3, 10")
    console.stage_ended(stage("train", rmse=1.0))
    assert [line.strip() for line in said(capsys).splitlines()][1:] == ["grid 10 of 3, 10"]
    console.stage_ended(stage("prune", rmse=1.0))
    assert "grid" not in said(capsys)


def test_a_search_says_what_it_may_use_and_how_it_ended(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.begin(problem(model=KAN([2, 5, 1], grid=3), search=SearchConfig("discover", 60.0)), ["search"])
    console.stage_began("search")
    console.trial(Tried("sum under x", 0.5, 10.1, structures=3, least=0.00123))
    console.say_progress()
    console.note("search ended: the 60 s are over")
    console.stage_ended(stage("train", rmse=1.0))
    first, columns, about, line, *rest = said(capsys).splitlines()
    assert "[2, 5, 1]" not in first + about  # of which the search knows nothing
    assert columns.startswith("  y by x_1 from -") and ", x_2 from -" in columns
    assert about == "search for a network and its formula, at most 60 s"
    assert "3 structures tried, the best leaves 1.2e-03 of the variance" in line
    assert rest[-1].strip() == "search ended: the 60 s are over"


def test_the_plan_is_told_where_there_is_more_than_one_stage(capsys: pytest.CaptureFixture[str]) -> None:
    Console().begin(problem(), ["train (up to 9 steps)", "prune"])
    assert said(capsys).splitlines()[-1] == "plan train (up to 9 steps), prune"


def test_one_of_a_thing_is_no_plural(capsys: pytest.CaptureFixture[str]) -> None:
    rows = Rows(uniform_rows(30, 1), torch.zeros(30, 1))
    one = Dataset("one", rows, rows, ["x_1"], ["y"], REGRESSION, MSE)
    console = Console()
    console.begin(problem(one, KAN([1, 1], grid=3)))
    console.stage_ended(stage("train", rmse=1.0) | {"active_edges": 1})
    out = said(capsys)
    assert "1 input\n" in out
    assert out.rstrip().endswith("1 edge")


def test_progress_is_only_for_those_who_watch(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.stage_began("train")
    console.step(Record("train", 3, 0.5, 0.5, 0.0, 1.0), 20)
    assert said(capsys) == ""


def test_a_quiet_console_says_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    console = Console("quiet")
    console.begin(problem())
    console.stage_began("train")
    console.step(Record("train", 3, 0.5, 0.5, 0.0, 1.0), 20)
    console.warning("something")
    assert console.beat is None and console.live is None
    console.stage_ended(stage("train", rmse=1.0, mse=1.0, r2=0.0))
    console.ended(result([formula()], regression(0.5, 1.5)), tmp_path)
    assert said(capsys) == ""


class Terminal(io.StringIO):
    """A terminal of a width that keeps what it is given."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("way", [AUTO, PLAIN])
def test_bars_are_for_those_who_watch_unless_plain_lines_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    for key, value in {"COLUMNS": "60", "TERM": "xterm-256color"}.items():
        monkeypatch.setenv(key, value)
    console = Console(way)
    console.begin(problem(model=KAN([2, 5, 1], grid=3)), ["train (up to 20 steps)", "prune", "refit (up to 20 steps)"])
    console.stage_began("train")
    console.step(Record("train", 3, 0.25, 0.5, 0.0, 1.0, 0.16), 20)
    watched = console.live is not None
    if watched:
        console.live.refresh()  # type: ignore[union-attr]
    console.warning("a note that is longer than a line of this terminal, which is why it goes on in the next one")
    console.stage_ended(stage("train", rmse=1.0))
    console.close()
    text = terminal.getvalue()
    assert watched == (way == AUTO)
    assert ("\x1b" in text) == watched == ("RMSE 0.5  validation 0.4" in text)
    if not watched:
        assert max(len(line) for line in text.splitlines() if not line.startswith("note: ")) <= 60
    assert "  train        1.2 s   test RMSE 1" in text


def test_where_nobody_looks_a_long_stage_has_lines_from_a_thread(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kanrun.report.console.SECONDS_BETWEEN", 0.001)
    console = Console()
    console.stage_began("symbolic")
    told = ""
    while told.count("symbolic") < 2:  # however long that takes
        told += said(capsys)
        time.sleep(0.001)
    console.close()
    said(capsys)
    time.sleep(0.01)
    assert said(capsys) == ""  # nothing comes after its end
    assert all(line.split()[0] == "symbolic" for line in told.splitlines())


def test_what_stands_out_in_the_rows_is_told_before_the_network(capsys: pytest.CaptureFixture[str]) -> None:
    Console().begin(problem(replace(dataset(), warnings=("[x_1] is 0 everywhere",))))
    lines = said(capsys).splitlines()
    assert lines.index("note: [x_1] is 0 everywhere") == next(n for n, one in enumerate(lines) if "network" in one) - 1
