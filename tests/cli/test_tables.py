"""A table of one's own on the command line: from the file to a run that is read and run again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kanrun import load_run
from tests.cli.command import Call

QUICK = ["search=none", "optimizer.steps=2", "prune=none", "symbolic=none", "plots=none", "model.hidden=[]"]
NAMES = ["a=b", "it's", "p (bar)", "${oc.env:HOME}", "V (m^3)"]


@pytest.fixture
def table(tmp_path: Path) -> str:
    """A table with odd names, in a folder with a blank; its path from the folder of the user."""
    (tmp_path / "my data").mkdir()
    lines = [",".join(f"{(i * k) % 11 + k}" for k in (1, 2, 3, 4)) + f",{i * i}.5" for i in range(1, 25)]
    (tmp_path / "my data" / "gas law.csv").write_text("\n".join([",".join(NAMES), *lines]) + "\n")
    return "my data/gas law.csv"


def scores(folder: Path) -> Any:
    """What a run has reached."""
    return [stage["train"] for stage in json.loads((folder / "metrics.json").read_text())["stages"]]


def test_a_run_of_a_table_is_run_again_from_its_folder_and_loaded_with_the_names(
    kanrun: Call, tmp_path: Path, table: str
) -> None:
    chosen = ["target=V", "inputs=[a=b, it's, p (bar), \\${oc.env:HOME}]", "where=`a=b` > 2", "units={a=b: s}"]
    first = kanrun(table, *chosen, *QUICK, "hydra.run.dir=first")
    assert (first.status, first.lines) == (0, [])
    assert "inputs a=b from" in first.out and "${oc.env:HOME} from" in first.out
    again = kanrun("--config-path", "first", "--config-name", "config", "hydra.run.dir=again")
    assert (again.status, again.lines) == (0, [])
    assert scores(tmp_path / "again") == scores(tmp_path / "first")
    run = load_run(tmp_path / "again")
    assert run.config.dataset.inputs == ["a=b", "it's", "p (bar)", "${oc.env:HOME}"]  # type: ignore[attr-defined]


def test_a_sweep_over_targets_has_a_run_for_each(kanrun: Call, table: str) -> None:
    found = kanrun(table, "-m", "target=V,p", "inputs=[a=b]", *QUICK, "hydra.sweep.dir=sweep", "hydra/launcher=basic")
    assert (found.status, found.lines) == (0, [])
    assert "target V (m^3)" in found.out and "target p (bar)" in found.out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nofile.csv", "target=V"], "dataset.path={}/nofile.csv: there is no such file"),
        (["my data/gas law.csv"], "which column is to be explained? There are a=b, it's, p (bar), "),
        (["my data/gas law.csv", "target=W"], "dataset.target=W: no such column"),
        (["my data/gas law.csv", "target=V", "where=T >"], "dataset.where=T >: it cannot be read"),
        (["my data/gas law.csv", "target=V", "separator=xx"], "dataset.separator=xx: one sign"),
        (["my data/gas law.csv", "target=V", "units=[K]"], "dataset.units=[K]: units of columns are needed"),
        (["my data/gas law.csv", "target=V", "units={T K}"], "kanrun: dataset.units={{T K}}: not of the form"),
        (["my data", "target=V"], "my data"),
        (["dataset=table", "dataset.path=my data/gaslaw.csv", "dataset.target=V"], "did you mean gas law.csv?"),
    ],
)
def test_a_mistake_is_one_line(kanrun: Call, tmp_path: Path, table: str, arguments: list[str], reason: str) -> None:
    assert (tmp_path / table).exists()
    found = kanrun(*arguments)
    assert found.status == 1 and len(found.lines) == 1
    assert reason.format(tmp_path) in found.lines[0]


def test_new_rows_are_read_with_the_decimal_mark_that_the_table_was_told_to_have(kanrun: Call, tmp_path: Path) -> None:
    lines = [f'"{i},{i * i:03d}","{2 * i},{7 * i:03d}"' for i in range(1, 25)]
    (tmp_path / "t.csv").write_text("\n".join(['"1","2"', *lines]) + "\n")
    assert kanrun("t.csv", "target=2", "decimal=,", *QUICK, "hydra.run.dir=run").status == 0
    found = kanrun("predict", "run", "t.csv", "--network", "-o", "out.csv")
    assert (found.status, found.out) == (0, "note: t.csv is read with decimal=',', as in training\n")
    first, *rows = (tmp_path / "out.csv").read_text().splitlines()
    assert first.split(",")[0] == "1"
    assert [float(row.split(",")[0]) for row in rows] == [i + i * i / 1000 for i in range(1, 25)]
