from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from kanrun.sweep.adding_up import add_up, varied
from kanrun.sweep.page import page_of
from kanrun.sweep.pictures import Axis, axis_of, by_value, figures_of, parallel
from kanrun.sweep.rows import Row

EVIL = "</script><script>alert(1)</script>"


def row(number: int, grid: object = 3, seed: int = 0, loss: float | None = 0.5, **more: object) -> Row:
    scores = {} if loss is None else {"validation_mse": loss, "test_rmse": loss, "test_r2": 1 - loss}
    return Row(str(number), {"seed": seed, "model.grid": grid}, "completed", scores=scores, **more)  # type: ignore[arg-type]


def page(rows: list[Row], folder: str = "sweep") -> str:
    return page_of(add_up(Path(folder), rows))


def cells(text: str) -> list[list[object]]:
    [content] = re.findall(r'<script type="application/json" id="cells">(.*?)</script>', text, re.DOTALL)
    found: list[list[object]] = json.loads(content)
    return found


def test_jobs_come_the_best_first_with_numbers_as_numbers() -> None:
    text = page([row(0, 3, loss=0.5), row(1, 5, loss=0.125), row(2, 5, loss=None)])
    assert [one[:4] for one in cells(text)] == [["1", 0, 5, 0.125], ["0", 0, 3, 0.5], ["2", 0, 5, None]]
    assert 'href="1/report.html"' in text


def test_ten_thousand_jobs_are_below_three_megabytes() -> None:
    entry = {"output": "y", "expression": "x_1", "rounded": "x_1 + " * 40, "complexity": 80, "exact": False}
    rows = [row(k, k % 7, k, 1 / (k + 1), formulas=[entry], seconds=1.2345678) for k in range(10_000)]
    text = page(rows)
    assert len(text.encode()) < 3_000_000
    assert len(cells(text)) == 10_000


def test_texts_of_jobs_are_data() -> None:
    entry = {"output": EVIL, "expression": EVIL, "rounded": EVIL, "complexity": 1, "exact": None}
    failed = Row("1", {"model.grid": EVIL}, "failed", error=EVIL)
    text = page([row(0, EVIL, formulas=[entry], relations=[EVIL]), failed])
    assert EVIL not in text
    assert cells(text)[0][-1] == EVIL


def test_failed_jobs_are_named_first_with_a_link() -> None:
    text = page([row(0), Row("a b", {}, "failed", error="no <room>")])
    assert text.index("1 of 2 jobs did not come to their end") < text.index("The best")
    assert '<a href="a%20b/report.html">job a b</a> failed: no &lt;room&gt;' in text


def test_a_job_that_goes_on_has_no_page_to_go_to() -> None:
    text = page([row(0), Row("1", {}, "running")])
    assert 'href="0/report.html"' in text and 'href="1/report.html"' not in text
    assert cells(text)[1][0] == "1"


def test_a_sweep_without_a_completed_job_has_a_page() -> None:
    text = page([Row("0", {}, "failed", error="why")])
    assert "The best" not in text
    assert "why" in text


def test_scores_are_drawn_against_all_that_was_varied_but_seeds() -> None:
    rows = [row(k, grid, k, 0.1 * (k + 1) / grid) for k, grid in enumerate([3, 3, 5, 5, 9])]
    assert varied(rows) == ["model.grid"]
    found = figures_of(rows, "validation_mse")
    assert [about.split(":")[0] for about in found] == ["validation mse by model.grid"]
    more = [Row(one.job, {**one.values, "optimizer": name}, "completed", scores=one.scores)
            for one, name in zip(rows, "ababc", strict=True)]  # fmt: skip
    assert len(figures_of(more, "validation_mse")) == 3  # one for each, and all beside each other
    assert figures_of(rows[:1], "validation_mse") == {}
    assert figures_of(rows, None) == {}


@pytest.mark.parametrize(
    ("values", "marks", "log"),
    [
        ([1, 2, 4], [], False), ([1e-4, 1e-1], [], True), ([0.0, 1e3], [], False),
        (["lm", "adam", "lm"], ["lm", "adam"], False),
        ([True, False], ["True", "False"], False), ([[2, 1], [3, 1]], ["[2, 1]", "[3, 1]"], False),
    ],
)  # fmt: skip
def test_numbers_are_in_their_places_and_texts_in_a_row(values: list[object], marks: list[str], log: bool) -> None:
    axis = axis_of("a", values)
    assert (list(axis.marks), axis.log) == (marks, log)
    assert axis.scaled.min() == 0
    assert axis.scaled.max() == 1


def test_a_value_that_never_changes_has_a_place_too() -> None:
    axis: Axis = axis_of("a", [2, 2])
    assert axis.scaled.tolist() == [0, 0]


def test_where_no_formula_has_room_the_numbers_are_all_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kanrun.sweep.page.MOST_CHARACTERS", 10)
    entry = {"output": "y", "expression": "x_1", "rounded": "x_1 + x_2", "complexity": 3, "exact": False}
    found = cells(page([row(0, loss=0.5, formulas=[entry]), row(1, 5, loss=0.125, formulas=[entry])]))
    assert [(one[0], one[3], one[-1]) for one in found] == [("1", 0.125, "…"), ("0", 0.5, "…")]


def test_of_many_jobs_some_are_lines_from_the_best_to_the_worst(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kanrun.sweep.pictures.MOST_LINES", 3)
    rows = [Row(str(k), {"a": k % 2, "b": k}, "completed", scores={"test_mse": 1.0 + k}) for k in range(5)]
    *_, about = figures_of(rows, "test_mse")
    assert about.endswith("the thick one. 3 of 5 jobs, evenly from the best to the worst.")
    [panel] = parallel([axis_of("b", [0, 1, 2, 3, 4]), axis_of("test mse", [1.0, 2.0, 3.0, 4.0, 5.0])]).axes
    worst, middle, best = panel.lines[:3]  # the better are drawn over the worse
    assert [list(line.get_ydata()) for line in (worst, middle, best)] == [[1, 1], [0.5, 0.5], [0, 0]]


@pytest.mark.parametrize(("count", "spread"), [(12, True), (13, False)])
def test_means_are_drawn_where_values_come_again_and_decades_have_a_place_each(count: int, spread: bool) -> None:
    values = [10.0 ** (k - count) for k in range(count)]
    figure = by_value(axis_of("lamb", values), axis_of("mse", list(range(1, count + 1))))
    [axes] = figure.axes
    assert axes.get_xscale() == "log" and axes.get_yscale() == "linear"
    assert bool(axes.containers) == spread
