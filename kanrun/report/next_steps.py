"""The three things to do next with a run: what to look at, and commands as they are typed."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from kanrun.model.network import KAN
from kanrun.report.paging import PAGE
from kanrun.state import Result


def next_steps(result: Result, folder: Path) -> list[str]:
    """Look at the report, predict, and go on; for a run that was interrupted, end it."""
    run = typed(folder)
    if result.interrupted is not None:
        return [f"kanrun resume {run}", *[f"kanrun show {run}"] * bool(result.state.entries)]
    look = f"{typed(folder / PAGE)} in a browser"
    by = "" if result.formulas else " --network"
    splines = any(isinstance(network, KAN) for network in result.state.networks.values())
    further = f"kanrun refine {run}" if splines else f"kanrun export {run} --to onnx -o model.onnx"
    return [look, f"kanrun predict {run} FILE{by}", further]


def typed(path: Path) -> str:
    """A path as a shell takes it: from here, where it lies below here."""
    try:
        near = os.path.relpath(path)
    except ValueError:  # on another drive
        near = str(path)
    short = str(path) if near.startswith("..") else near
    return shlex.quote(short if not short.startswith("-") else f"./{short}")
