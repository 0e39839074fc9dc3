"""What is added from outside the package, by one call each and without a change to it: as CONTRIBUTING.md writes it."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import kanrun
from kanrun import load_run, run
from kanrun.config.schema import GROUPS
from kanrun.data import build
from kanrun.report import outputs

SMALL = {
    "optimizer": {"name": "lm", "steps": 4, "refit_steps": 2}, "symbolic": {"work": 100}, "plots": {"enabled": False},
}  # fmt: skip


def written() -> tuple[str, str]:
    """The dataset and the output of CONTRIBUTING.md."""
    text = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    dataset, output = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return dataset, output


def test_a_dataset_and_an_output_from_elsewhere_are_part_of_a_run_as_contributing_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {name: section for name, section in GROUPS["dataset"].items() if name != "hooke"}
    monkeypatch.setitem(GROUPS, "dataset", known)
    monkeypatch.setattr(build, "MAKERS", dict(build.MAKERS))
    monkeypatch.setattr(outputs, "OUTPUTS", list(outputs.OUTPUTS))
    made: list[dict[str, Any]] = []

    def small(config: dict[str, Any], folder: str) -> None:
        made.append(run({**SMALL, **config}, tmp_path / folder, quiet=True))

    monkeypatch.setattr(kanrun, "run", small)
    there = ModuleType("elsewhere").__dict__
    dataset, output = written()
    for text in (output, dataset):  # whose last line is the run
        exec(compile(text, "CONTRIBUTING.md", "exec", dont_inherit=True), there)
    [metrics] = made
    assert (tmp_path / "hooke_run" / "rows.txt").read_text() == "300"
    assert metrics["inputs"] == ["k", "s"]
    loaded = load_run(tmp_path / "hooke_run")
    assert loaded.config.dataset == there["HookeConfig"](n_train=300)
    assert loaded.inputs == ["k", "s"]
