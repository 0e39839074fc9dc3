from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kanrun.cli.commands import COMMANDS
from kanrun.exporters.table import EXPORTERS
from tests.cli.command import Call
from tests.sweep.folders import finished

# ---- what all of them do -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(COMMANDS))
def test_a_command_explains_itself(kanrun: Call, name: str) -> None:
    told = kanrun(name, "--help")
    assert told.status == 0
    assert told.out.startswith(f"usage: kanrun {name}")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["export", "nowhere", "--to", "c"], "nowhere: not the folder of a completed run, status.json is missing"),
        (["export", "nowhere"], "the following arguments are required: --to"),
        (["export", "nowhere", "--to", "pyton"], "--to pyton: unknown exporter, did you mean python?"),
        (["export", "RUN", "--to", "c", "--formula", "99"], "formula=99: y has formulas 1 to "),
        (["export", "RUN", "--to", "c", "--formula", "0"], "formula=0: y has formulas 1 to "),
        (["export", "RUN", "--to", "c", "--formula", "1,1"], "formula=[1,1]: one number for all outputs"),
        (["export", "RUN", "--to", "c", "--formula", "one"], "argument --formula: invalid numbers value: 'one'"),
        (["export", "RUN", "--to", "c", "-o", "nowhere/law.c"], "-o nowhere/law.c: No such file or directory"),
        (["export", "RUN", "--to", "onnx"], "--to onnx: "),
        (
            ["export", "RUN", "--to", "onnx", "--formula", "1"],
            "--formula: onnx is for the network, which has no number",
        ),
        (["export", "PLAIN", "--to", "c"], "PLAIN: the run has no formula"),
        (["export", "PLAIN", "--to", "c", "--formula", "1"], "the run has no formula"),
        (["predict", "RUN", "nowhere.csv"], "nowhere.csv: there is no such file"),
        (["predict", "RUN", "x.csv", "--formula", "9"], "formula=9: y has formulas 1 to "),
        (["predict", "RUN", "x.csv", "--formula", "1", "--network"], "formula: the network is asked for"),
        (["predict", "RUN", "x.csv", "-o", "."], "-o .: it is a folder, a file is needed"),
        (["export", "RUN", "--to", "c", "-o", "PLAIN"], "-o PLAIN: it is a folder, a file is needed"),
        (["predict", "RUN", "z.csv"], "z.csv: no column x_2; did you mean x_1? there are x_1"),
        (["plot", "nowhere", "edges"], "nowhere: not the folder of a completed run, status.json is missing"),
        (["plot", "RUN"], "the following arguments are required: NAME"),
        (["plot", "RUN", "edgess"], "edgess: no picture, did you mean edges? There are network_trained"),
        (["plot", "RUN", "roc"], "no picture roc: the targets are values, not classes; what can be made of "),
        (["plot", "RUN", "edges", "--format", "bmp"], "argument --format: invalid choice: 'bmp'"),
        (["plot", "RUN", "edges", "-o", "e.jpg"], "-o e.jpg: a picture is one of png, svg, pdf"),
        (["plot", "RUN", "edges", "-o", "nowhere/e.svg"], "-o nowhere/e.svg: No such file or directory"),
        (["show", "nowhere"], "nowhere: not a run folder"),
        (["compare", "RUN", "nowhere"], "nowhere: not a run folder"),
        (["resume"], "the following arguments are required: RUN"),
        (["resume", "nowhere"], "nowhere: not a run folder, there is no status.json in it"),
    ],
)
def test_a_mistake_is_one_line(kanrun: Call, noisy_run: Path, tmp_path: Path, given: list[str], said: str) -> None:
    (tmp_path / "x.csv").write_text("x_1,x_2\n1,2\n", encoding="utf-8")
    (tmp_path / "z.csv").write_text("x_1,zz\n1,2\n", encoding="utf-8")
    (tmp_path / "PLAIN").mkdir()
    for name in ("status.json", "config.yaml", "metrics.json", "model.pt"):
        shutil.copy(noisy_run / name, tmp_path / "PLAIN" / name)
    told = kanrun(*[str(noisy_run) if word == "RUN" else word for word in given])
    assert (told.status, told.out) == (1, "")
    [line] = told.lines
    assert line.startswith(f"kanrun: {said}")


def test_a_damaged_file_is_one_line(kanrun: Call, noisy_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(noisy_run, folder)
    entries = json.loads((folder / "formula.json").read_text(encoding="utf-8"))
    for expression, said in (("__import__('os')", "unknown function __import__"), ("x_3", "unknown name x_3")):
        entries[0]["expression"] = expression
        (folder / "formula.json").write_text(json.dumps(entries), encoding="utf-8")
        told = kanrun("export", "copy", "--to", "c")
        assert told.status == 1
        [line] = told.lines
        assert said in line


def test_a_summary_that_cannot_be_written_is_shown_all_the_same(kanrun: Call, tmp_path: Path) -> None:
    finished(tmp_path / "s" / "0", {}, 0.25)
    (tmp_path / "s" / "summary.csv").mkdir()
    told = kanrun("summary", "s")
    assert (told.status, told.lines) == (1, ["kanrun: s: Is a directory"])
    assert told.out.startswith("1 jobs: 1 completed\n")


# ---- export --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, one in EXPORTERS.items() if not one.of_network])
def test_a_run_is_exported_from_anywhere_to_the_console_or_a_file(
    kanrun: Call, noisy_run: Path, tmp_path: Path, name: str
) -> None:
    shown = kanrun("export", str(noisy_run), "--to", name)
    written = kanrun("export", str(noisy_run), "--to", name, "-o", "law")
    assert (shown.status, written.status, written.out) == (0, 0, "")
    assert shown.out == (tmp_path / "law").read_text(encoding="utf-8")


def test_latex_and_python_are_those_of_the_folder(kanrun: Call, noisy_run: Path) -> None:
    for name, file in (("latex", "formula.tex"), ("python", "formula.py")):
        assert kanrun("export", str(noisy_run), "--to", name).out == (noisy_run / file).read_text(encoding="utf-8")


def test_another_formula_of_the_front_is_exported(kanrun: Call, noisy_run: Path) -> None:
    [entry] = json.loads((noisy_run / "formula.json").read_text(encoding="utf-8"))
    assert len(entry["front"]) > 1
    texts = [kanrun("export", str(noisy_run), "--to", "python", "--formula", str(n + 1)).out
             for n in range(len(entry["front"]))]  # fmt: skip
    assert len(set(texts)) == len(texts)
    chosen = [point["chosen"] for point in entry["front"]].index(True)
    assert texts[chosen] == (noisy_run / "formula.py").read_text(encoding="utf-8")


# ---- predict, show, compare ----------------------------------------------------------------------------------------


def test_new_rows_are_predicted_on_the_console_and_into_a_file(kanrun: Call, noisy_run: Path, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("note,x_2,x_1\na,1,1\nb,1,99\n", encoding="utf-8")
    shown = kanrun("predict", str(noisy_run), "new.csv")
    assert (shown.status, shown.lines) == (0, [])
    assert shown.out.splitlines()[0].split() == ["row", "y", "y", "error", "beyond"]
    assert "1 of 2 rows beyond the training rows, in x_1" in " ".join(shown.out.split())
    written = kanrun("predict", str(noisy_run), "new.csv", "-o", "out.csv")
    assert written.status == 0
    header, first, second = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()
    assert header == "x_1,x_2,y,y error,beyond"
    assert float(first.split(",")[2]) == pytest.approx(3.34, abs=0.2)
    assert second.endswith(",x_1")
    network = kanrun("predict", str(noisy_run), "new.csv", "--network", "-o", "out.csv")
    assert network.status == 0
    assert (tmp_path / "out.csv").read_text(encoding="utf-8").startswith("x_1,x_2,y,beyond\n")


def test_runs_are_shown_and_compared(kanrun: Call, noisy_run: Path) -> None:
    shown = kanrun("show", str(noisy_run))
    assert (shown.status, shown.lines) == (0, [])
    assert "formulas of y for --formula N" in shown.out
    compared = kanrun("compare", str(noisy_run), str(noisy_run))
    assert (compared.status, compared.lines) == (0, [])
    assert "complexity" in compared.out


# ---- plot ----------------------------------------------------------------------------------------------------------


def test_a_picture_is_made_again_in_any_format(kanrun: Call, noisy_run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(noisy_run, copy)
    told = kanrun("plot", str(copy), "network", "--format", "pdf")
    assert (told.status, told.out.strip()) == (0, str(copy / "plots" / "network.pdf"))
    assert (copy / "plots" / "network.pdf").read_bytes().startswith(b"%PDF")
    assert kanrun("plot", str(copy), "residuals", "-o", str(tmp_path / "r.svg")).status == 0
    assert (tmp_path / "r.svg").read_bytes().startswith(b"<?xml")
    assert kanrun("plot", str(copy), "history").status == 0
    assert (copy / "plots" / "history.png").read_bytes().startswith(b"\x89PNG")
