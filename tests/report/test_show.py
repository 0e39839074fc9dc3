from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from kanrun.config.datasets import SymbolicConfig
from kanrun.config.schema import Config, LbfgsConfig
from kanrun.config.validation import read_config
from kanrun.errors import KanrunError
from kanrun.report.load import record_of
from kanrun.report.show import asked, show_run
from tests.composing import composed


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
    metrics["advice"] = [
        {"kind": "noise", "finding": "noise about [12] %", "suggestion": "more rows"},
        "of another version",
    ]
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    lines = [line.rstrip() for line in shown(folder).splitlines()]
    assert "y = x_1 + x_2" in lines
    assert "  test MSE 0.25" in lines
    assert lines[-3:] == ["note: noise about [12] %", "      try more rows", "note: [mind] the gap"]


def test_the_relations_of_a_run_and_the_decision_between_its_classes_are_shown(noisy_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(noisy_run, folder)
    decision = {"output": "b", "expression": "x_1 - 1", "rounded": "x_1 - 1"}
    entries = [
        {
            "output": name,
            "expression": text,
            "test": {"cross_entropy": 0.5, "accuracy": 0.75},
            "decision": decision,
            "relation": [{"rounded": "x_1 [m] = x_2"}],
        }
        for name, text in (("a", "x_1"), ("b", "1"))
    ]
    (folder / "formula.json").write_text(json.dumps(entries), encoding="utf-8")
    text = shown(folder)
    assert "relation: x_1 [m] = x_2" in text
    assert any("b" in line and "x_1 - 1" in line for line in text.splitlines())


OTHER = {"expression": "x_1", "rounded": "x_1", "complexity": 1, "odds": 0.5, "where": {"x_1": 1.0}, "values": [1, 2]}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"decision": {"rounded": "x_1"}}, "no decision can be made of {"),
        ({"decision": [3]}, "no decision can be made of {"),
        ({"constants": 7}, "no constant can be made of 7"),
        ({"front": [None]}, "no alternative can be made of None"),
        ({"front": [{"complexity": 3}]}, "no alternative can be made of {'complexity': 3}"),
        ({"alternatives": [{**OTHER, "odds": "x"}]}, "odds is 'x'"),
        ({"alternatives": [{**OTHER, "where": ["a"]}]}, "where is ['a']"),
        ({"alternatives": {"odds": 1}}, "no other can be made of {'odds': 1}"),
        ({"constants": [{"value": "1", "standard_error": None}]}, "value is '1'"),
        ({"test": {"rmse": "small"}}, "test.rmse is 'small', not a number"),
    ],
)
def test_a_damaged_entry_is_one_line(noisy_run: Path, tmp_path: Path, damage: dict[str, Any], said: str) -> None:
    folder = tmp_path / "run"
    shutil.copytree(noisy_run, folder)
    entries = [{"output": "y", "expression": "x_1", **damage}]
    (folder / "formula.json").write_text(json.dumps(entries), encoding="utf-8")
    with pytest.raises(KanrunError) as caught:
        shown(folder)
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_texts_where_metrics_have_numbers_are_one_line(noisy_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(noisy_run, folder)
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    metrics["stages"][0]["train"]["rmse"] = "small"
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    with pytest.raises(
        KanrunError, match=r"metrics\.json: cannot be read \(stages\[0\]\.train\.rmse is 'small', not a"
    ):
        shown(folder)


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KanrunError, match="not a run folder"):
        record_of(tmp_path)


def test_only_what_was_asked_for_is_named() -> None:
    assert list(asked(Config())) == []
    config = Config(dataset=SymbolicConfig(formula=["x_1", "x_2"]), optimizer=LbfgsConfig(steps=3), seed=4)
    assert list(asked(config)) == ["dataset.formula=[x_1,x_2]", "optimizer=lbfgs", "optimizer.steps=3", "seed=4"]


@pytest.mark.parametrize(
    "typed",
    [["plots=none"], ["regularization=sparse"], ["search=discover", "search.seconds=20.0"], ["plots.enabled=false"],
     ["regularization=sparse", "regularization.lamb=0.002"], ["prune=none", "symbolic=none"]],
)  # fmt: skip
def test_what_an_option_sets_is_not_asked_for_twice(typed: list[str]) -> None:
    assert list(asked(read_config(composed(*typed)))) == typed
