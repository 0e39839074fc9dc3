from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kanrun.data.losses import CROSS_ENTROPY, MSE
from kanrun.report.look import LOSS_FLOOR
from kanrun.report.losses import history_figure, parts_of, plot_history
from kanrun.training.history import Record
from tests.figures import assert_apart, assert_nothing_overlaps, draw, history, texts, words_in_files


@pytest.mark.parametrize(("steps", "loss"), [(0, 1.0), (1, 1.0), (5, 0.0), (5, math.nan)])
def test_history_files(steps: int, loss: float, tmp_path: Path) -> None:
    plot_history(history("train", "refit", steps=steps, loss=loss), tmp_path / "history", loss=MSE)
    assert "mean squared error" in words_in_files(tmp_path / "history")


def test_history_runs_on_over_the_stages() -> None:
    records = [*history("train", steps=30), *history("symbolic", steps=5, loss=0.0)]
    (axes,) = draw(history_figure, records, loss=CROSS_ENTROPY).axes
    assert axes.get_ylabel() == "cross entropy"
    steps, losses = next(line.get_data() for line in axes.lines if line.get_label() == "train")
    at, values = np.asarray(steps), np.asarray(losses)
    assert at[~np.isnan(at)].tolist() == list(range(1, 36))
    assert values[~np.isnan(at)].tolist() == [0.5] * 30 + [LOSS_FLOOR] * 5
    assert np.isnan(values).tolist() == [k == 30 for k in range(36)]  # no line joins what does not follow


def test_the_parts_of_a_training_are_named_by_what_they_try() -> None:
    def part(stage: str, attempt: int, grid: int, held: float | None, steps: int) -> list[Record]:
        own = history(stage, steps=steps)
        return [replace(r, attempt=attempt, grid=grid, validation_loss=held) for r in own]

    records = [
        *part("train", 0, 3, 0.1, 4), *part("train", 1, 3, 0.1, 2), *part("train", 1, 10, 0.1, 5),
        *part("train", 1, 10, None, 3), *part("refit", 0, 10, None, 2),
    ]  # fmt: skip
    assert parts_of(records) == [("train", 4), ("restart 2", 2), ("grid 10", 5), ("all rows", 3), ("refit", 2)]
    (axes,) = draw(history_figure, records, loss=MSE).axes
    assert {"train", "test", "validation"} <= {str(line.get_label()) for line in axes.lines}


@pytest.mark.parametrize("lengths", [[100, 2, 2, 30, 3], [1] * 20, [500, 1, 1, 1, 1, 1, 1]])
def test_names_of_stages_do_not_overlap(lengths: list[int]) -> None:
    records = [r for k, n in enumerate(lengths) for r in history(f"stage number {k}", steps=n, regularization=1e-7)]
    figure = draw(history_figure, records, loss=MSE)
    assert [axes.get_ylabel() for axes in figure.axes] == ["mean squared error", "regularization"]
    stages = [t.get_window_extent() for t in texts(figure) if t.get_gid() == "stage"]
    assert len(stages) >= min(len(lengths), 6)
    assert_apart(stages, figure.bbox)
    assert_nothing_overlaps(figure)
