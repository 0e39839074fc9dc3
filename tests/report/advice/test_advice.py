from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kanrun.pipeline.fit import FitResult
from kanrun.pipeline.run import run
from kanrun.report import advice
from kanrun.report.advice import advice_on, with_advice
from tests.contract import read_json
from tests.report.advice.made_up import PLAIN, advice_in, drawn, follow, result_of


@pytest.fixture(scope="module")
def easy() -> FitResult:
    x = drawn(120, 2)
    return result_of(x, 2 * x[:, 0] + np.sin(x[:, 1]), {**PLAIN, "symbolic": {"work": 500}})


def test_an_easy_exact_law_gives_none(easy: FitResult) -> None:
    assert easy.formulas[0].reason == "exact to rounding"
    assert easy.metrics["advice"] == []
    x = drawn(30, 1, 1, 3)
    found = result_of(x, 3 * x[:, 0] ** 2, {"search": {"name": "discover", "work": 1000}})
    assert found.metrics["advice"] == []


def test_what_did_not_come_to_its_end_says_nothing_of_itself(easy: FitResult) -> None:
    assert advice_on(replace(easy, interrupted="SIGINT")) == ()
    assert advice_on(replace(easy, state=replace(easy.state, entries=()))) == ()


@pytest.mark.fails_within
def test_a_case_that_fails_costs_only_itself(easy: FitResult, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(result: object) -> list[advice.Advice]:  # noqa: ARG001
        raise RuntimeError("planted")

    def fine(result: object) -> list[advice.Advice]:  # noqa: ARG001
        return [advice.Advice("fine", "one of two")]

    monkeypatch.setattr(advice, "CASES", (broken, fine))
    told = with_advice(easy)
    assert told.metrics["advice"] == [{"kind": "fine", "finding": "one of two", "suggestion": ""}]
    assert isinstance(told, FitResult)


def test_it_stands_in_the_metrics_and_on_the_console(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {**PLAIN, "dataset": {"formula": "sin(3*x_1)*exp(x_1)", "domain": [0, 3], "n_train": 60, "n_test": 30},
                "symbolic": {"discover": False, "library": ["x"]}}  # fmt: skip
    run(settings, tmp_path / "run")
    [worse] = [one for one in read_json(tmp_path / "run" / "metrics.json")["advice"] if one["kind"] == "clearly worse"]
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert f"note: {worse['finding']}" in lines
    assert f"try {worse['suggestion']}" in lines
    assert lines.index(f"note: {worse['finding']}") < next(n for n, li in enumerate(lines) if li.startswith("y = "))


def test_advice_that_nobody_can_follow_is_seen_here() -> None:
    for made_up in ("search=everywhere", "optimizer.stepps=3", "kanrun predict RUN", "try harder"):
        with pytest.raises((Exception, SystemExit)):
            follow(made_up)


def test_no_case_is_left_out(easy: FitResult) -> None:
    assert advice_in(easy) == {}
    assert len({case.__name__ for case in advice.CASES}) == len(advice.CASES) == 17
