"""Compiling: only where it was asked for or can pay, and never a reason to fail."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch

from kanrun.config.schema import AdamConfig, LbfgsConfig, LmConfig, OptimizerConfig
from kanrun.config.validation import read_config
from kanrun.data.losses import MSE
from kanrun.errors import ConfigError
from kanrun.model.mlp import MLP
from kanrun.model.network import KAN
from kanrun.training import steppers
from kanrun.training.objective import Objective
from kanrun.training.steppers import Compiler
from tests.helpers import uniform_rows


class Idle:
    """A stepper that does nothing."""

    finished = False

    def step(self, objective: Objective) -> None:
        pass


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The functions that were given to torch.compile, which gives them back as they are."""
    given: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda function: given.append(function) or function)
    monkeypatch.setattr(steppers, "has_compiler", lambda: True)
    return given


def gradients(model: KAN) -> list[torch.Tensor]:
    model.zero_grad()
    model(uniform_rows(30, 2, seed=1)).sum().backward()
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


def run(model: KAN | MLP, config: OptimizerConfig, left: int = 10, steps: int = 5) -> Compiler:
    compiler = Compiler(model, config)
    for step in range(steps):
        compiler.step(Idle(), Objective(MSE), left - step)
    return compiler


@pytest.mark.parametrize(
    ("model", "config", "there", "told"),
    [
        (KAN([2, 1]), LmConfig(), True, "only a KAN's lbfgs and adam"),
        (MLP([2, 3, 1]), LbfgsConfig(), True, "only a KAN's lbfgs and adam"),
        (KAN([2, 1]), AdamConfig(), False, "no C++ compiler"),
        (KAN([2, 1]), AdamConfig(), True, ""),
    ],
)
def test_true_says_why_it_has_no_effect(
    model: KAN | MLP, config: OptimizerConfig, there: bool, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Compiler, "mode", "true")
    monkeypatch.setattr(steppers, "has_compiler", lambda: there)
    note = Compiler(model, config).note
    assert told in note
    assert bool(note) is bool(told)
    monkeypatch.setattr(Compiler, "mode", "auto")
    assert Compiler(model, config).note == ""


def test_true_compiles_before_the_first_step_and_gives_the_same_gradients(
    calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Compiler, "mode", "true")
    model = KAN([2, 3, 1], seed=1)
    before = gradients(model)
    compiler = run(model, LbfgsConfig())
    for a, b in zip(before, gradients(model), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert len(calls) == 1
    assert "input_gradient" in model.layers[1].__dict__
    assert "input_gradient" not in model.clone().layers[1].__dict__
    compiler.end()
    assert "input_gradient" not in model.layers[1].__dict__


@pytest.mark.parametrize("mode", ["true", "auto"])
@pytest.mark.parametrize(("kind", "config"), [(KAN, LmConfig()), (MLP, AdamConfig())], ids=["lm", "mlp"])
def test_lm_and_mlps_are_never_compiled(
    mode: str, kind: Any, config: OptimizerConfig, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Compiler, "mode", mode)
    assert not run(kind([2, 3, 1]), config, left=10**9).waits
    assert calls == []


def test_auto_leaves_short_runs_alone(calls: list[Any]) -> None:
    model = KAN([2, 3, 1])
    assert run(model, AdamConfig()).waits
    gradients(model)
    assert calls == []


@pytest.mark.usefixtures("calls")
def test_auto_tries_long_runs_and_goes_back_where_steps_are_no_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 1.0] * 3 + [0.0, 2.0] * 4)
    monkeypatch.setattr(steppers.time, "perf_counter", lambda: next(times))
    model = KAN([2, 3, 1])
    compiler = Compiler(model, AdamConfig())
    for step in range(7):
        assert ("input_gradient" in model.layers[1].__dict__) == (step > 2)
        compiler.step(Idle(), Objective(MSE), 10**6)
    assert "input_gradient" not in model.layers[1].__dict__


def test_a_failure_is_noted_once_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("no headers")

    monkeypatch.setattr(torch, "compile", lambda _: fail)
    monkeypatch.setattr(steppers, "has_compiler", lambda: True)
    monkeypatch.setattr(Compiler, "mode", "true")
    model = KAN([2, 3, 3, 1], seed=1)
    before = gradients(model)
    run(model, LbfgsConfig())
    with caplog.at_level(logging.WARNING, logger="kanrun"):
        after = gradients(model)
    for a, b in zip(before, after, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert [r.getMessage() for r in caplog.records] == [
        "compile: torch.compile failed and is left out (RuntimeError: no headers)"
    ]


def test_yaml_true_and_false_are_accepted() -> None:
    given = (True, False, "auto", "true")
    assert [read_config({"compile": one}).compile for one in given] == ["true", "false", "auto", "true"]
    with pytest.raises(ConfigError, match="compile=perhaps"):
        read_config({"compile": "perhaps"})
