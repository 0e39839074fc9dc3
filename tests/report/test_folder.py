from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from kanrun.config.schema import Config, ContrastiveConfig, FixConfig, ModelConfig, SymbolicConfig
from kanrun.config.validation import read_config
from kanrun.errors import ConfigError
from kanrun.relations.relation import Relation
from kanrun.report.folder import RESULTS, check_folder, clear_folder, write_config, write_formula_files
from kanrun.report.lock import held
from kanrun.symbolic.formula import Alternative, Formula

CONFIGS = {
    "default": Config(),
    "odd text": Config(dataset=SymbolicConfig(formula=["x_1 + '", 'é: "#x', "- a\nb"], domain=[[0, 1], [-2.5, 1e-7]])),
    "fixed edges": Config(model=ModelConfig(width=[2, [1, 1], 1], fix=[FixConfig(function="1/x^2", a=1e300, d=-0.1)])),
    "relations": Config(dataset=ContrastiveConfig(relations=["x_3 = x_1: yes", "null"]), seed=2**31),
}


def formula(output: str = "y") -> Formula:
    return Formula(output, "x_1**2", "x_1**2", "x_{1}^{2}", 3, {"mse": 0.0}, True, [Alternative(3, None, "x_1**2")])


@pytest.mark.parametrize("name", CONFIGS)
def test_a_written_config_is_complete_and_reads_back_the_same(tmp_path: Path, name: str) -> None:
    write_config(tmp_path, CONFIGS[name])
    written = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))
    assert written == asdict(CONFIGS[name])
    assert read_config(written) == CONFIGS[name]


def test_formulas_leave_four_files(tmp_path: Path) -> None:
    write_formula_files(tmp_path, [formula("y_1"), formula("y_2")], ["x_1", "x_2"], [])
    assert {p.name for p in tmp_path.iterdir()} == {f"formula.{e}" for e in ("json", "txt", "tex", "py")}
    entries = json.loads((tmp_path / "formula.json").read_text())
    assert [e["output"] for e in entries] == ["y_1", "y_2"]
    point = {"complexity": 3, "error": None, "expression": "x_1**2", "rounded": "", "chosen": False}
    assert entries[0]["front"] == [point]
    assert "relation" not in entries[0]
    assert (tmp_path / "formula.txt").read_text().splitlines()[::2] == ["y_1 = x_1**2", "y_2 = x_1**2"]


def test_relations_stand_beside_the_formula(tmp_path: Path) -> None:
    relation = Relation(["x_1", "x_2"], "x_1 - 2.0*x_2 = 0", "x_1 - 2*x_2 = 0", {"x_1": "2.0*x_2"}, 1e-9)
    write_formula_files(tmp_path, [formula("real")], ["x_1", "x_2"], [relation])
    [entry] = json.loads((tmp_path / "formula.json").read_text())
    assert entry["relation"] == [asdict(relation)]
    text = (tmp_path / "formula.txt").read_text().splitlines()
    assert [line for line in text if "exact:" not in line] == [
        "real = x_1**2",
        "relation: x_1 - 2*x_2 = 0",
        "  x_1 = 2*x_2",
    ]


@pytest.mark.parametrize(
    ("files", "overwrite", "told"),
    [
        ({}, False, None),
        ({"notes.txt": "mine"}, False, None),
        ({"status.json": '{"state": "completed"}'}, False, "completed run"),
        ({"status.json": '{"state": "completed"}', "model.pt": "x"}, True, None),
        ({"status.json": '{"state": "interrupted"}'}, False, "a run that was interrupted, which `kanrun resume`"),
        ({"status.json": '{"state": "interrupted"}'}, True, None),
        (
            {"status.json": '{"state": "running"}', "model.pt": "x"},
            False,
            "killed, which `kanrun resume` takes up again",
        ),
        ({"status.json": '{"state": "running"}'}, True, None),
        ({"status.json": '{"state": "failed"}', "model.pt": "x"}, False, None),
        ({"status.json": '{"state": "inter'}, False, None),
        ({"model.pt": "of another program"}, False, "model.pt of something else"),
    ],
)
def test_a_run_that_is_finished_or_can_be_resumed_or_what_is_no_run_is_in_the_way(
    tmp_path: Path, files: dict[str, str], overwrite: bool, told: str | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    if told is None:
        check_folder(tmp_path, "hydra.run.dir", overwrite)
        check_folder(tmp_path / "new" / "folder", "hydra.run.dir", overwrite)
        return
    with pytest.raises(ConfigError, match=told) as caught:
        check_folder(tmp_path, "hydra.run.dir", overwrite)
    assert str(caught.value).startswith(f"hydra.run.dir={tmp_path}: ")


def test_a_run_that_goes_on_is_never_replaced(tmp_path: Path) -> None:
    with held(tmp_path):
        for overwrite in (False, True):
            with pytest.raises(ConfigError, match="a run is going on there"):
                check_folder(tmp_path, "hydra.run.dir", overwrite)
    check_folder(tmp_path, "hydra.run.dir", overwrite=False)


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file; name a folder"):
        check_folder(tmp_path / "file" / "run", "hydra.run.dir", overwrite=True)


def test_a_cleared_folder_keeps_what_is_not_of_a_run(tmp_path: Path) -> None:
    for name in (*RESULTS, "notes.txt", "plots/history.svg", "plots/mine.txt", "checkpoint/state.npz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    clear_folder(tmp_path)
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")) == ["notes.txt", "plots", "plots/mine.txt"]
