"""Small runs on rows that are made up so that something is true of them, and whether their advice can be followed."""

from __future__ import annotations

import re
import shlex
from argparse import ArgumentParser
from typing import Any

import numpy as np

from kanrun.cli.commands import COMMANDS
from kanrun.cli.quoting import prepared
from kanrun.config.validation import read_config
from kanrun.pipeline.fit import FitResult, fit
from kanrun.report.advice import Advice
from tests.composing import composed

Array = Any
# One exact layer, read edge by edge: a second or less.
PLAIN: dict[str, Any] = {
    "model": {"hidden": [], "grid": 3}, "optimizer": {"name": "lm", "steps": 8, "refit_steps": 4},
    "symbolic": {"discover": False, "library": ["x", "x^2", "sin"]},
    "plots": {"enabled": False},
}  # fmt: skip
UNREAD = {**PLAIN, "symbolic": {"enabled": False}}


def drawn(rows: int, inputs: int, low: float = -1.0, high: float = 1.0) -> Array:
    return np.random.default_rng(rows + inputs).uniform(low, high, (rows, inputs))


def normal(rows: int) -> Array:
    return np.random.default_rng(7 * rows).normal(0, 1, rows)


def result_of(x: Array, y: Array, config: dict[str, Any] | None = None, **more: Any) -> FitResult:
    return fit(x, y, config or PLAIN, **more)


def advice_in(result: FitResult) -> dict[str, Advice]:
    """Its advice by kind; whatever it suggests has to be there."""
    found = [Advice(**one) for one in result.metrics["advice"]]
    for one in found:
        follow(one.suggestion)
    return {one.kind: one for one in found}


def follow(suggestion: str) -> None:
    """Fails where a suggestion has a setting or a command that does not exist."""
    for part in re.split(r", or ", suggestion):
        words = shlex.split(part)
        if words[:1] == ["kanrun"]:
            parser = ArgumentParser(exit_on_error=False)
            COMMANDS[words[1]].arguments(parser)
            parser.parse_args(words[2:])
        settings = [word.rstrip(":") for word in words if re.match(r"[a-z_.]+=", word)]
        table = ["dataset=table"] * any(s.startswith(("dataset.ignore", "dataset.inputs")) for s in settings)
        shipped = ["dataset=sklearn"] * any(s.startswith("dataset.balanced") for s in settings)
        started = ["model.start=RUN"] * (words[:2] == ["kanrun", "refine"])
        assert settings or words[:1] == ["kanrun"] or words[0] in ("a", "more", "other", "weights"), part
        read_config(composed(*prepared([*table, *shipped, *started, *settings])))
