from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from rich.console import Console

from kanrun.errors import KanrunError
from kanrun.report.lock import held
from kanrun.sweep import page as sweep_page
from kanrun.sweep.record import remember
from kanrun.sweep.rows import Row, rows_in
from kanrun.sweep.summary import SHOWN, ranking_table, summarize
from kanrun.sweep.tasks import Task
from tests.contract import read_json
from tests.sweep.folders import finished, write_run


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Three runs that are completed, one that has failed, one that was killed, and what is no run."""
    for number, (grid, seed, rmse) in enumerate([(3, 0, 0.2), (3, 1, 0.4), (5, 0, 0.1)]):
        text = "x_1 + x_2" if grid == 3 else "x_2 + x_1"
        finished(tmp_path / str(number), {"model": {"grid": grid}, "seed": seed}, rmse, text)
    write_run(tmp_path / "3", {"model": {"grid": 5}, "seed": 1}, "failed", "dataset.path=[/]: no such file")
    write_run(tmp_path / "10", {"model": {"grid": 5}, "seed": 2}, "running")
    (tmp_path / "notes").mkdir()
    return tmp_path


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the page are looked at in test_page.py."""
    monkeypatch.setattr(sweep_page, "pictures", lambda *_: [])


def shown(folder: Path, width: int = 120) -> str:
    text = io.StringIO()
    summarize(folder, Console(width=width, file=text))
    return text.getvalue()


def test_there_is_a_line_a_job_with_the_settings_in_which_they_differ(sweep: Path) -> None:
    shown(sweep)
    with open(sweep / "summary.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["job"] for row in rows] == ["0", "1", "2", "3", "10"]
    assert [(row["model.grid"], row["seed"]) for row in rows] == [
        ("3", "0"), ("3", "1"), ("5", "0"), ("5", "1"), ("5", "2"),
    ]  # fmt: skip
    assert [row["state"] for row in rows] == ["completed"] * 3 + ["failed", "interrupted"]
    assert rows[0]["formula"] == "x_1 + x_2" and float(rows[0]["test_rmse"]) == 0.2
    assert float(rows[0]["symbolic_validation_rmse"]) == 0.2 and rows[0]["seconds"] == "1.5"
    assert rows[3]["error"] == "dataset.path=[/]: no such file" and rows[3]["formula"] == ""


def test_the_same_as_json_ranked_and_added_up(sweep: Path) -> None:
    shown(sweep)
    content = read_json(sweep / "summary.json")
    assert content["ranked_by"] == "validation_mse" and content["ranking"] == ["2", "0", "1"]
    assert content["states"] == {"completed": 3, "failed": 1, "interrupted": 1}
    assert [group["values"] for group in content["groups"]] == [{"model.grid": 3}, {"model.grid": 5}]
    assert content["groups"][0]["scores"]["test_rmse"]["mean"] == pytest.approx(0.3)
    assert [(one["count"], one["jobs"]) for one in content["formulas"]] == [(3, ["0", "1", "2"])]
    assert [one["job"] for one in content["failed"]] == ["3", "10"]


def test_the_console_says_the_best_first_and_every_failure(sweep: Path) -> None:
    out = shown(sweep)
    lines = out.splitlines()
    assert lines[0] == "5 jobs: 3 completed, 1 failed, 1 interrupted"
    assert lines[2].split()[:3] == ["2", "5", "0"]
    assert "failed job 3: dataset.path=[/]: no such file" in out
    assert "interrupted job 10: its process was killed" in out
    assert "formula in 3 of 3: x_1 + x_2" in out


@pytest.mark.parametrize("width", [120, 60, 40])
def test_the_tables_have_as_many_columns_as_there_is_room_for_and_one_kind_of_error(sweep: Path, width: int) -> None:
    lines = [line.rstrip() for line in shown(sweep, width).splitlines()]
    table = next(n for n, line in enumerate(lines) if line.startswith("job "))
    assert max(map(len, lines[table : table + 4])) <= width and "…" not in "".join(lines)
    assert "validation rmse" in lines[table] and "mse " not in lines[table].replace("rmse", "")
    assert lines[table + 1].split()[:4] == ["2", "5", "0", "0.1"]
    assert ("test rmse" in lines[table]) == (width == 120)


def test_a_run_that_is_going_on_is_not_taken_for_killed(sweep: Path) -> None:
    with FileLock(sweep / "10" / "run.lock"):
        assert rows_in(sweep)[-1].state == "running"


def test_what_the_sweep_varied_is_said_under_the_keys_that_were_typed(sweep: Path) -> None:
    names = ["0", "1", "2", "3", "10"]
    tasks = [Task(int(name), sweep / name, {"dataset": "moons", "seed": n}, {}) for n, name in enumerate(names)]
    remember(sweep, [], tasks)
    assert [row.values for row in rows_in(sweep)] == [{"dataset": "moons", "seed": n} for n in range(5)]


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"stages": 3}', '{"stages": [{"test": 1}]}'])
@pytest.mark.parametrize("name", ["metrics.json", "formula.json", "status.json", "config.yaml", "sweep.json"])
def test_a_damaged_file_costs_what_it_says_and_no_more(sweep: Path, name: str, damage: str) -> None:
    where = sweep if name == "sweep.json" else sweep / "0"
    (where / name).write_text(damage)
    shown(sweep)
    assert len(read_json(sweep / "summary.json")["jobs"]) == 5


def test_jobs_that_never_began_are_counted_with_the_way_to_begin_them(sweep: Path) -> None:
    tasks = [Task(number, sweep / str(number), {"seed": number}, {}) for number in (0, 1, 2, 3, 4, 5, 10)]
    remember(sweep, [], tasks)
    assert shown(sweep).startswith("5 of 7 jobs: ")
    assert f"; 2 never began, kanrun -m sweep.resume={sweep} does" in shown(sweep)
    assert read_json(sweep / "summary.json")["never_begun"] == ["4", "5"]
    assert "2 of 7 jobs never began." in (sweep / "report.html").read_text(encoding="utf-8")


def test_a_sweep_that_goes_on_has_jobs_that_have_not_begun_yet(sweep: Path) -> None:
    remember(sweep, [], [Task(number, sweep / str(number), {"seed": number}, {}) for number in (0, 1, 2, 3, 4, 10)])
    (sweep / "3" / "status.json").write_text('{"state": "running"}')
    with held(sweep, "sweep"), held(sweep / "3"):
        said = shown(sweep)
    assert said.startswith("5 of 6 jobs: ")
    assert "1 running, 1 interrupted; 1 have not begun yet; the sweep goes on" in said
    assert f"sweep.resume={sweep}" not in said and "job 3" not in said
    assert read_json(sweep / "summary.json")["goes_on"] is True
    page = (sweep / "report.html").read_text(encoding="utf-8")
    assert "1 not begun yet" in page and "The sweep goes on" in page and "never began" not in page
    assert "job 3: its process was killed" in shown(sweep)


def test_formulas_of_other_kinds_are_told_and_counted_as_none(sweep: Path) -> None:
    (sweep / "0" / "formula.json").write_text('[{"rounded": ["x_1"], "exact": true}]')
    assert "note: job 0: formula.json: [0].rounded is ['x_1'], not a text" in shown(sweep).splitlines()
    summary = read_json(sweep / "summary.json")
    assert {job["job"]: job for job in summary["jobs"]}["0"]["formulas"] == []
    assert all("0" not in one["jobs"] for one in summary["formulas"])


def test_texts_where_numbers_should_be_cost_their_job_and_are_told_with_their_file(sweep: Path) -> None:
    metrics = read_json(sweep / "0" / "metrics.json")
    metrics["stages"][-1]["test"]["rmse"] = "small"
    (sweep / "0" / "metrics.json").write_text(json.dumps(metrics))
    lines = shown(sweep).splitlines()
    assert "note: job 0: metrics.json: stages[0].test.rmse is 'small', not a number" in lines
    jobs = {job["job"]: job for job in read_json(sweep / "summary.json")["jobs"]}
    assert jobs["0"]["scores"] == {} and jobs["1"]["scores"]["test_rmse"] > 0
    assert lines[-1].endswith("report.html") and (sweep / "report.html").exists()


def test_without_a_completed_job_there_is_no_ranking(sweep: Path) -> None:
    for job in "012":
        shutil.rmtree(sweep / job)
    said = shown(sweep)
    assert said.startswith("2 jobs: 1 failed, 1 interrupted\nfailed job 3: ")
    assert read_json(sweep / "summary.json")["ranking"] == []


def test_of_many_formulas_the_first_are_shown_and_the_others_counted(tmp_path: Path) -> None:
    for number in range(SHOWN + 3):
        finished(tmp_path / str(number), {"seed": number}, 0.5, f"x_1 + {number + 2}")
    lines = shown(tmp_path).splitlines()
    assert sum(line.startswith("formula in 1 of 13: ") for line in lines) == SHOWN
    assert "  and 3 more" in lines


def test_of_runs_that_differ_in_much_the_settings_are_shown_that_tell_most_of_them_apart() -> None:
    rows = []
    for number in range(4):
        alike = dict.fromkeys([f"setting_{k}" for k in range(30)], number % 2)
        values = {**alike, "setting_7": number, "path": f"{number}.csv"}
        rows.append(Row(str(number), values, "completed", scores={"test_rmse": 0.5}))
    text = io.StringIO()
    out = Console(width=80, file=text)
    out.print(ranking_table(rows, "test_rmse", out))
    header, *_, last = [line.rstrip() for line in text.getvalue().splitlines()]
    assert {"setting_7", "path"} <= set(header.split()) and len(header) <= 80
    assert last == f"and {30 - header.count('setting')} more settings in summary.csv"


def test_a_state_that_is_markup_is_shown_as_it_is(sweep: Path) -> None:
    (sweep / "3" / "status.json").write_text(json.dumps({"state": "[/red]"}))
    assert "1 [/red]" in shown(sweep).splitlines()[0]


@pytest.mark.fails_within
def test_a_page_that_could_not_be_made_is_not_named(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kanrun.sweep.page.page_of", lambda *_: 1 / 0)
    assert "report.html" not in shown(sweep)


def test_where_no_run_is_there_is_no_summary(tmp_path: Path) -> None:
    with pytest.raises(KanrunError, match="there is no run in it"):
        summarize(tmp_path)
