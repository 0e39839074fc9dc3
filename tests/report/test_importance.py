from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kanrun.model.attribution import attribution
from kanrun.model.network import KAN
from kanrun.report.importance import importance, importance_figure, plot_importance
from tests.figures import assert_nothing_overlaps, draw, words_in_files
from tests.planted import long_names, regression, rows


def test_bars_are_the_scores_the_largest_above(tmp_path: Path) -> None:
    data, model = replace(regression(n_in=5), units={"x_3": "K"}), KAN([5, 2, 1], seed=1)
    (axes,) = draw(importance_figure, data, model).axes
    scores = attribution(model, rows(5)).inputs.detach().numpy()
    np.testing.assert_allclose([p.get_width() for p in axes.patches], np.sort(scores)[::-1])  # type: ignore[attr-defined]
    heights = [p.get_y() for p in axes.patches]  # type: ignore[attr-defined]
    assert axes.yaxis_inverted() and heights == sorted(heights)
    first = axes.get_yticklabels()[0].get_text().split()[0]
    assert first == f"x_{scores.argmax() + 1}"
    plot_importance(data, model, tmp_path / "importance")
    assert "x_3 (K)" in words_in_files(tmp_path / "importance")


@pytest.mark.parametrize("inputs", [2, 12, 30, 40])
def test_nothing_overlaps_and_the_rest_is_counted(inputs: int) -> None:
    data = replace(regression(n_in=inputs), inputs=long_names(inputs), units={"x" * 30: "kg*m^2/s^3"})
    figure = draw(importance_figure, data, KAN([inputs, 1]))
    assert_nothing_overlaps(figure)
    assert len(figure.axes[0].patches) == min(inputs, 30)
    head = " ".join(t.get_text() for t in figure.texts)
    assert ("10 more inputs not shown" in head) == (inputs == 40)


def test_what_is_not_known_is_0() -> None:
    model = KAN([2, 1])
    model.fix(0, 0, 0, "log")
    assert all(np.isfinite(importance(model, rows(2))))
    for layer in model.layers:
        layer.alive[:] = False
    assert importance(model, rows(2)) == [0.0, 0.0]
    assert_nothing_overlaps(draw(importance_figure, regression(), model))
    assert importance(KAN([2, 1]), torch.zeros(1, 2, dtype=torch.float64)) == [0.0, 0.0]
