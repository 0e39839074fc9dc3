from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from kanrun.report.compare import compare_runs, facts
from kanrun.report.load import record_of


def compared(*folders: Path, width: int = 60) -> list[str]:
    text = io.StringIO()
    compare_runs([record_of(folder) for folder in folders], Console(file=text, width=width, highlight=False))
    return text.getvalue().splitlines()


@pytest.fixture
def failed(tmp_path: Path) -> Path:
    (tmp_path / "status.json").write_text('{"state": "failed", "error": "x"}', encoding="utf-8")
    return tmp_path


def test_a_run_is_a_column_with_what_is_compared(noisy_run: Path, failed: Path) -> None:
    lines = compared(noisy_run, failed, width=100)
    assert lines[:2] == [f"  1 {noisy_run}", f"  2 {failed}"]
    rows = {line[:16].strip(): line[16:].split() for line in lines[3:]}
    metrics = json.loads((noisy_run / "metrics.json").read_text(encoding="utf-8"))
    assert rows["state"] == ["completed", "failed"]
    assert rows["dataset"] == ["symbolic", "-"]
    assert rows["seed"] == ["0", "-"]
    assert float(rows["test RMSE"][0]) == pytest.approx(metrics["final"]["rmse"], rel=1e-3)
    assert rows["test RMSE"][1] == "-"
    assert {"width", "optimizer", "formula", "complexity", "exact", "seconds", "test R2"} <= rows.keys()


def test_what_does_not_fit_comes_below(noisy_run: Path) -> None:
    lines = compared(*[noisy_run] * 5)
    assert max(len(line.rstrip()) for line in lines[5:]) <= 60
    assert [line.split() for line in lines if line.split() and set(line.split()) <= set("12345")] == [
        ["1", "2", "3"], ["4", "5"],
    ]  # fmt: skip


def test_several_outputs_have_their_formulas(noisy_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(noisy_run, folder)
    entries = [
        {"output": name, "expression": "x_1", "test": {"mse": 0.25}, "exact": exact, "complexity": 1}
        for name, exact in (("y_1", True), ("y_2", False))
    ]
    (folder / "formula.json").write_text(json.dumps(entries), encoding="utf-8")
    told = facts(record_of(folder))
    assert (told["exact y_1"], told["exact y_2"], told["formula y_2"]) == ("yes", "no", "x_1")
