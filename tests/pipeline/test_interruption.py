from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from kanrun.context import Silent
from kanrun.functions.evaluate import evaluate
from kanrun.functions.parser import parse_formula
from kanrun.pipeline import interruption
from kanrun.pipeline.fit import Desk
from kanrun.pipeline.interruption import interruptible
from kanrun.pipeline.run import begin_run, report, resume
from kanrun.report.files import load_model
from kanrun.report.status import InterruptedRun, state_of
from tests.report.test_outputs import result

BOTH: list[str] = ["sin(3*x_1)+x_2**2", "exp(x_1)*x_2"]


class After(Silent):
    """Ends a run once a search has fitted so many networks in a stage."""

    def __init__(self, networks: int, stage: str = "search") -> None:
        self.left, self.wanted, self.stage = networks, stage, ""

    def stage_began(self, name: str) -> None:
        self.stage = name

    def trial(self, trial: Any) -> None:  # noqa: ARG002
        self.left -= self.stage == self.wanted

    def cancelled(self) -> str | None:
        return "SIGINT" if self.left <= 0 and self.stage == self.wanted else None


def config(formula: Any) -> dict[str, Any]:
    return {
        "dataset": {"formula": formula, "n_train": 60, "n_test": 30, "noise": 0.01, "domain": [0.5, 2.0]},
        "search": {"name": "discover", "work": 600}, "symbolic": {"library": ["x", "x^2", "sin", "exp"]},
        "plots": {"enabled": False},
    }  # fmt: skip


def interrupted(folder: Path, formula: Any, overseer: After) -> dict[str, Any]:
    """What is in the folder of a search that was interrupted: its metrics, nothing where there are none."""
    with pytest.raises(InterruptedRun):
        begin_run(config(formula), folder, quiet=True, overseer=overseer)
    assert state_of(folder) == "interrupted"
    assert "interrupted before its end" in (folder / "report.html").read_text(encoding="utf-8")
    path = folder / "metrics.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def test_an_interrupted_search_leaves_what_it_has_found_and_goes_on_from_there(tmp_path: Path) -> None:
    metrics = interrupted(tmp_path, "exp(-x_1)*cos(5*x_1)+x_2**1.7", After(4))
    assert [entry["name"] for entry in metrics["stages"]] == ["train", "prune", "symbolic"]
    assert metrics["search"]["stopped"] == "cancelled"
    [formula] = json.loads((tmp_path / "formula.json").read_text(encoding="utf-8"))
    assert [point["expression"] for point in formula["front"] if point["chosen"]] == [formula["expression"]]
    expression = parse_formula(formula["expression"], ["x_1", "x_2"])
    x = torch.rand(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 1
    ours, model = (
        evaluate(expression, {"x_1": x[:, 0].numpy(), "x_2": x[:, 1].numpy()}),
        load_model(tmp_path / "model.pt"),
    )
    assert model(x)[:, 0].tolist() == pytest.approx(list(ours), rel=1e-6)
    assert formula["test"]["rmse"] == metrics["final"]["rmse"]
    assert metrics["final"]["r2"] > 0.5
    assert (tmp_path / "formula.tex").exists()
    ended = resume(tmp_path, quiet=True)
    assert ended is not None and ended["search"]["stopped"] != "cancelled"
    assert state_of(tmp_path) == "completed"


def test_where_nothing_was_found_that_is_said(tmp_path: Path) -> None:
    assert interrupted(tmp_path, BOTH[0], After(0)) == {}
    assert "Nothing was found before that." in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_search_for_several_outputs_leaves_those_that_it_has_found(tmp_path: Path) -> None:
    metrics = interrupted(tmp_path, BOTH, After(0, "search y_2"))
    first, second = json.loads((tmp_path / "formula.json").read_text(encoding="utf-8"))
    assert "x_1" in first["expression"]
    assert "x" not in second["expression"]
    assert any(text.startswith("nothing was found for y_2 yet") for text in metrics["warnings"])
    assert metrics["final"]["outputs"]["y_1"]["r2"] > 0.9 > 0.1 > metrics["final"]["outputs"]["y_2"]["r2"]


@pytest.mark.parametrize("noticed", [False, True])
def test_a_run_that_writes_what_it_has_gets_longer_than_one_that_has_not_noticed(
    noticed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interruption, "GRACE", 0.01)
    monkeypatch.setattr(interruption, "LATEST", 3600.0 if noticed else 0.01)
    called = threading.Event()
    with interruptible(lambda _: called.set()) as run:
        first = threading.Event()
        monkeypatch.setattr(run, "late", lambda late=run.late: (late(), first.set()))
        signal.raise_signal(signal.SIGTERM)
        if noticed:
            assert run.cancelled() == "SIGTERM"
        assert first.wait(60)
        assert called.is_set() == (not noticed)


def test_a_run_that_ends_just_when_its_time_is_up_is_not_ended_again(monkeypatch: pytest.MonkeyPatch) -> None:
    called = list[str]()
    monkeypatch.setattr(interruption, "GRACE", 3600.0)
    with interruptible(called.append) as run:
        signal.raise_signal(signal.SIGTERM)
        assert run.cancelled() == "SIGTERM"
    before = run.timer
    run.late()  # its timer had already begun
    assert called == [] and run.timer is before


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """The signals that somebody hears who was there before the run."""
    heard = list[int]()
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    yield heard
    signal.signal(signal.SIGTERM, before)


def test_a_signal_that_ended_nothing_is_passed_on(heard: list[int]) -> None:
    with interruptible() as interruption:
        signal.raise_signal(signal.SIGTERM)
        assert interruption.cancelled() == "SIGTERM" and heard == []
    assert heard == [signal.SIGTERM]


def test_one_that_ended_a_run_is_not(heard: list[int]) -> None:
    def ended() -> None:
        with interruptible():
            signal.raise_signal(signal.SIGTERM)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ended()
    assert heard == []


def test_one_that_nobody_handled_before_is_only_noted() -> None:
    with interruptible() as interruption:
        signal.raise_signal(signal.SIGINT)
    assert interruption.cancelled() == "SIGINT"


def test_a_second_signal_does_not_wait() -> None:
    with interruptible() as asked:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert asked.cancelled() == "SIGTERM"


def test_in_another_thread_signals_are_left_to_others() -> None:
    before, within = [signal.getsignal(one) for one in interruption.SIGNALS], []

    def elsewhere() -> None:
        with interruptible() as asked:
            within.extend(signal.getsignal(one) for one in interruption.SIGNALS)
            assert asked.cancelled() is None

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert within == before


@pytest.mark.parametrize("by", [None, "SIGTERM"])
def test_a_signal_that_comes_while_outputs_are_written_leaves_what_goes_on(tmp_path: Path, by: str | None) -> None:
    class Writing(Desk):
        folder, removed = tmp_path, False

        def tell(self, text: str) -> None:
            raise AssertionError(text)

        @property
        def checkpoint(self) -> Any:
            return SimpleNamespace(remove=lambda: setattr(self, "removed", True))

    one, found = Writing(cancelled=lambda: by), result("train", plots=False)
    entries = tuple({**entry, "train": {"mse": 0.0}, "parameters": 0} for entry in found.state.entries)
    given = found.problem, replace(found.state, entries=entries)
    if by is None:
        assert report(one, *given)["stages"]  # type: ignore[arg-type]
    else:
        with pytest.raises(InterruptedRun, match="SIGTERM"):
            report(one, *given)  # type: ignore[arg-type]
    assert one.removed == (by is None)
    assert {"metrics.json", "model.pt"} <= {path.name for path in tmp_path.iterdir()}
