from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor

from kanrun.data.losses import CROSS_ENTROPY, MSE, Loss
from kanrun.report.plots import MAX_PANELS, plot_predictions, predictions_figure
from tests.figures import assert_nothing_overlaps, draw, texts, words_in_files
from tests.planted import STRANGE, classification, logits, long_names, regression, rows, truth, with_test


def words(figure: Figure) -> str:
    return "\n".join(t.get_text() for t in texts(figure))


def test_regression_has_the_error_in_the_title_and_leaves_out_what_has_no_value() -> None:
    missing = rows(2)[:, 0] < -0.5

    def formula(x: Tensor) -> Tensor:
        return torch.where(x[:, :1] < -0.5, torch.nan, truth(x) + 0.5)

    found = words(draw(predictions_figure, regression(), lambda x: truth(x) + 0.25, formula))
    assert "network: RMSE 0.25" in found
    assert f"formula: RMSE 0.5\n({int(missing.sum())} rows without a value)" in found


def test_dots_of_network_and_formula_can_both_be_seen() -> None:
    (axes,) = draw(predictions_figure, regression(), truth, truth).axes
    network, formula = (next(line for line in axes.lines if line.get_gid() == g) for g in ("network", "formula"))
    np.testing.assert_allclose(network.get_xydata(), formula.get_xydata())
    assert network.get_markersize() >= 2 * formula.get_markersize()
    assert network.get_color() != formula.get_color()


def test_axes_have_names_and_units() -> None:
    data = replace(regression(2), units={"x_1": "K", "y_0": "m^3"})
    first, second = draw(predictions_figure, data, lambda x: truth(x) * torch.arange(1, 3), None).axes
    assert (first.get_xlabel(), first.get_ylabel()) == ("true y_0 (m^3)", "predicted y_0 (m^3)")
    assert (second.get_xlabel(), second.get_ylabel()) == ("true y_1", "predicted y_1")
    classes = replace(classification(2, 3), units={"x_0": "K"}, names={"x_1": "$p$"})
    [axes, *_] = draw(predictions_figure, classes, logits(3), None).axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x_0 (K)", "$p$")


def test_each_output_has_a_panel_and_a_pole_does_not_squeeze_it() -> None:
    def network(x: Tensor) -> Tensor:
        return torch.where(x[:, :1] > 0.9, 1e9, truth(x)) * torch.arange(1, 3)

    figure = draw(predictions_figure, regression(2), network, None)
    assert [axes.get_title(loc="left").split("\n")[0] for axes in figure.axes] == ["y_0", "y_1"]
    assert f"({int((rows(2)[:, 0] > 0.9).sum())} outside the picture)" in words(figure)
    assert figure.axes[0].get_ylim()[1] < 20


@pytest.mark.parametrize(("n_in", "loss"), [(2, MSE), (2, CROSS_ENTROPY), (3, MSE), (3, CROSS_ENTROPY)])
def test_classification_files(n_in: int, loss: Loss, tmp_path: Path) -> None:
    def network(x: Tensor) -> Tensor:
        return logits(3)(x) if loss == CROSS_ENTROPY else x[:, :1] + 0.5

    data = classification(n_in, 3 if loss == CROSS_ENTROPY else 2, loss)
    missing = int((data.judged.x[:, 1] > 0.9).sum())
    plot_predictions(data, network, lambda x: torch.where(x[:, 1:2] > 0.9, torch.nan, network(x)), tmp_path / "p")
    found = words_in_files(tmp_path / "p")
    assert "network: accuracy 100 %" in found
    assert f"({missing} rows without a value)" in found
    (axes,) = draw(predictions_figure, data, lambda x: network(x) * torch.nan, None).axes
    assert "network: no values" in axes.get_title(loc="left")


def test_regions_lie_where_the_class_is_predicted() -> None:
    figure = draw(predictions_figure, classification(2, 3), logits(3), None)
    regions = [c.get_paths()[0].get_extents() for c in figure.axes[0].collections if c.get_alpha() == 0.25]
    assert [round(r.x1, 1) for r in regions[:2]] == [-0.3, 0.3]
    assert [round(r.x0, 1) for r in regions[1:]] == [-0.3, 0.3]


def test_a_class_that_is_predicted_everywhere_has_no_border() -> None:
    always = torch.tensor([0.0, 2.0, 1.0], dtype=torch.float64)
    axes = draw(predictions_figure, classification(2, 3), lambda x: always.expand(len(x), 3), None).axes[0]
    [region] = [c.get_paths()[0].get_extents() for c in axes.collections if c.get_alpha() == 0.25]
    assert (region.x0, region.x1) == pytest.approx(axes.get_xlim())
    assert not [c for c in axes.collections if c.get_alpha() is None and "ContourSet" in type(c).__name__]


def test_rows_that_are_told_wrong_lie_below_0() -> None:
    (axes,) = draw(predictions_figure, classification(3, 2, MSE), lambda x: x[:, :1] + 0.4, None).axes
    wrong = int(((rows(3)[:, 0] > 0) & (rows(3)[:, 0] + 0.4 < 0.5)).sum())
    bars = [(p.get_x() + p.get_width() / 2, p.get_height()) for p in axes.patches]  # type: ignore[attr-defined]
    assert sum(height for _, height in bars) == 100
    width = bars[1][0] - bars[0][0]
    below = sum(height for x, height in bars if x < -width)
    assert 0 < below <= wrong <= sum(height for x, height in bars if x < width)


@pytest.mark.parametrize("name", STRANGE)
@pytest.mark.parametrize("factor", [1.0, torch.nan, torch.inf])
def test_strange_rows_give_a_picture_that_can_be_read(name: str, factor: float) -> None:
    data = with_test(regression(), *STRANGE[name])
    assert_nothing_overlaps(draw(predictions_figure, data, lambda x: truth(x) * factor, truth))


@pytest.mark.parametrize("outputs", [1, 2, 12])
def test_no_words_overlap(outputs: int) -> None:
    data = replace(regression(outputs), outputs=long_names(outputs), units=dict.fromkeys(long_names(outputs), "kg/m^3"))
    figure = draw(predictions_figure, data, lambda x: truth(x) * torch.arange(1, outputs + 1), None)
    assert len(figure.axes) == min(outputs, MAX_PANELS)
    assert_nothing_overlaps(figure)


@pytest.mark.parametrize(("n_in", "classes"), [(2, 2), (2, 12), (3, 5)])
def test_no_words_of_classes_overlap(n_in: int, classes: int) -> None:
    data = classification(n_in, classes)
    data = replace(data, outputs=[f"logit_{name}" for name in long_names(classes)])
    assert_nothing_overlaps(draw(predictions_figure, data, logits(classes), logits(classes)))
