from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from kanrun.config.schema import Config, LbfgsConfig, SymbolicConfig
from kanrun.errors import KanrunError
from kanrun.report.load import record_of
from kanrun.report.show import asked, show_run


def shown(folder: Path, width: int = 60) -> str:
    text = io.StringIO()
    show_run(record_of(folder), Console(file=text, width=width, highlight=False))
    return text.getvalue()


def test_it_has_what_was_asked_scores_formula_constants_and_numbered_alternatives(noisy_run: Path) -> None:
    text = shown(noisy_run, 100)
    [entry] = json.loads((noisy_run / "formula.json").read_text(encoding="utf-8"))
    lines = [line.strip() for line in text.splitlines()]
    assert "dataset.formula=2.5*x_1 + sin(x_2)" in lines
    assert "dataset.noise=0.05" in lines
    assert f"y = {entry['rounded']}" in lines
    assert any(line.startswith("constants of y: ") and "±" in line for line in lines)
    table = lines[next(n for n, line in enumerate(lines) if line.startswith("N  complexity")) + 1 :]
    for number, point in enumerate(entry["front"], start=1):
        row = next(line.removeprefix("*").split() for line in table if line.removeprefix("*").split()[0] == str(number))
        assert row[1] == str(point["complexity"])
        assert " ".join(row[3:]) == point["rounded"]
    assert [line.startswith("*") for line in table[: len(entry["front"])]] == [p["chosen"] for p in entry["front"]]


def test_it_fits_sixty_columns_and_is_plain_where_nobody_looks(noisy_run: Path) -> None:
    text = shown(noisy_run)
    paths = ("run ", "  dataset.", "y = ")  # what is copied is not broken
    assert [line for line in text.splitlines() if len(line.rstrip()) > 60 and not line.startswith(paths)] == []
    assert "\x1b" not in text


def test_a_run_that_failed_says_why(tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text('{"state": "failed", "error": "disk [full]"}', encoding="utf-8")
    assert shown(tmp_path, 200).splitlines() == [f"run {tmp_path}: failed", "error: disk [full]"]


def test_an_entry_of_an_older_version_and_warnings_are_shown(noisy_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(noisy_run, folder)
    entries = [{"output": "y", "expression": "x_1 + x_2", "test": {"mse": 0.25}}]
    (folder / "formula.json").write_text(json.dumps(entries), encoding="utf-8")
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8")) | {"warnings": ["[mind] the gap"]}
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    lines = [line.rstrip() for line in shown(folder).splitlines()]
    assert "y = x_1 + x_2" in lines
    assert "  test MSE 0.25" in lines
    assert lines[-1] == "note: [mind] the gap"


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KanrunError, match="not a run folder"):
        record_of(tmp_path)


def test_only_what_was_asked_for_is_named() -> None:
    assert list(asked(Config())) == []
    config = Config(dataset=SymbolicConfig(formula=["x_1", "x_2"]), optimizer=LbfgsConfig(steps=3), seed=4)
    assert list(asked(config)) == ["dataset.formula=[x_1,x_2]", "optimizer=lbfgs", "optimizer.steps=3", "seed=4"]
