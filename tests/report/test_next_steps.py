from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from kanrun.cli.commands import COMMANDS, Parser
from kanrun.model.mlp import MLP
from kanrun.report.next_steps import next_steps, typed
from kanrun.state import Result
from tests.report.test_outputs import result


def check(steps: list[str]) -> None:
    """Every command exists and takes what it is given."""
    for step in steps:
        name, *given = shlex.split(step)
        if name == "kanrun":
            parser = Parser()
            COMMANDS[given[0]].arguments(parser)
            parser.parse_args(given[1:])
        else:
            assert (name.rpartition("/")[2], given) == ("report.html", ["in", "a", "browser"])


@pytest.fixture
def finished() -> Result:
    return result("train", "symbolic")


def test_a_run_is_looked_at_predicts_and_is_gone_on_with(
    finished: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "a run's"
    folder.mkdir()
    run, page = shlex.quote("a run's"), shlex.quote("a run's/report.html")
    assert next_steps(finished, folder) == [
        f"{page} in a browser", f"kanrun predict {run} FILE", f"kanrun refine {run}"
    ]  # fmt: skip
    check(next_steps(finished, folder))


def test_without_formulas_or_splines_other_commands_fit(finished: Result, tmp_path: Path) -> None:
    state = replace(finished.state, formulas=(), networks={"train": MLP([2, 3, 1])})
    steps = next_steps(replace(finished, state=state), tmp_path)
    assert steps[1:] == [
        f"kanrun predict {tmp_path} FILE --network", f"kanrun export {tmp_path} --to onnx -o model.onnx"
    ]  # fmt: skip
    check(steps)


def test_what_was_interrupted_is_gone_on_with_first(finished: Result, tmp_path: Path) -> None:
    steps = next_steps(replace(finished, interrupted="SIGINT"), tmp_path)
    assert steps[0] == f"kanrun resume {tmp_path}"
    check(steps)


def test_a_folder_is_named_from_here_and_never_as_a_flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert typed(tmp_path / "-run") == "./-run"
    assert typed(tmp_path.parent / "other") == str(tmp_path.parent / "other")


def test_where_there_is_no_way_from_here_the_whole_path_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_another_drive(_: Path) -> str:
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr(os.path, "relpath", on_another_drive)
    assert typed(tmp_path / "a run") == f"'{tmp_path}/a run'"
