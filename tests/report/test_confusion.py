from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, roc_auc_score, roc_curve

from kanrun.data.dataset import Rows
from kanrun.data.losses import CROSS_ENTROPY, MSE
from kanrun.report.confusion import confusion_figure, curves_of, plot_confusion, plot_roc, rates, roc_figure
from tests.figures import assert_nothing_overlaps, draw, words_in_files
from tests.planted import classification, logits, long_names, rows


def unsure(classes: int):  # type: ignore[no-untyped-def]
    """Logits that are right more often than not."""
    noise = torch.randn(100, classes, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return lambda x: logits(classes)(x) + 0.4 * noise[: len(x)]


def test_every_row_is_counted_in_its_field() -> None:
    data = classification(3, 4)
    (axes,) = draw(confusion_figure, data, "network", unsure(4)).axes
    shown = np.array([int(t.get_text()) for t in axes.texts]).reshape(4, 4)
    predicted = unsure(4)(data.judged.x).argmax(1)
    np.testing.assert_array_equal(shown, confusion_matrix(data.judged.y, predicted))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40))
def test_rates_are_those_of_scikit_learn(pairs: list[tuple[bool, int]]) -> None:
    own, scores = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs], dtype=float)
    if own.all() or not own.any():
        return
    false, true = rates(own, scores)
    expected = roc_curve(own, scores, drop_intermediate=False)
    np.testing.assert_allclose(false, expected[0])
    np.testing.assert_allclose(true, expected[1])


@pytest.mark.parametrize("classes", [2, 5])
def test_areas_are_those_of_scikit_learn(classes: int) -> None:
    data = classification(3, classes)
    curves, lost, missing = curves_of(data, unsure(classes))
    p = torch.softmax(unsure(classes)(data.judged.x), 1).numpy()
    y = data.judged.y.numpy()
    own = [1] if classes == 2 else range(classes)
    margin = unsure(2)(data.judged.x) if classes == 2 else None
    expected = {
        f"class {c}": roc_auc_score(y == c, p[:, c] if margin is None else (margin[:, 1] - margin[:, 0]).numpy())
        for c in own
    }
    assert {name: area for name, area, _, _ in curves} == pytest.approx(expected)
    assert (lost, missing) == (0, 0)


def test_a_target_of_0_and_1_has_one_curve() -> None:
    [(name, area, _, _)], _, _ = curves_of(classification(3, 2, MSE), lambda x: x[:, :1] + 0.5)
    assert (name, area) == ("real = 1", 1.0)


def test_the_files_say_what_they_show(tmp_path: Path) -> None:
    data = classification(3, 3)

    def formula(x: torch.Tensor) -> torch.Tensor:
        return torch.where(x[:, 1:2] > 0.9, torch.nan, logits(3)(x))

    missing = int((data.judged.x[:, 1] > 0.9).sum())
    plot_confusion(data, "formula", formula, tmp_path / "confusion")
    plot_roc(data, "formula", formula, tmp_path / "roc")
    assert "formula: accuracy 100 %, test rows" in words_in_files(tmp_path / "confusion")
    assert "class 2: AUC" in words_in_files(tmp_path / "roc")
    for name in ("confusion", "roc"):
        assert f"({missing} rows without a value)" in words_in_files(tmp_path / name)


@pytest.mark.parametrize("classes", [2, 3, 12, 40, 100])
@pytest.mark.parametrize("build", [confusion_figure, roc_figure])
def test_nothing_overlaps_for_any_number_of_classes_with_long_names(build, classes: int) -> None:  # type: ignore[no-untyped-def]
    data = classification(3, classes)
    data = replace(data, outputs=[f"logit_{name}" for name in long_names(classes)])
    assert_nothing_overlaps(draw(build, data, "network", unsure(classes)))


@pytest.mark.parametrize("loss", [MSE, CROSS_ENTROPY])
@pytest.mark.parametrize("build", [confusion_figure, roc_figure])
@pytest.mark.parametrize("count", [1, 100])
def test_one_row_and_no_values_give_a_picture(build, count: int, loss) -> None:  # type: ignore[no-untyped-def]
    data = classification(3, 2, loss)
    data = replace(data, test=Rows(data.train.x[:count], data.train.y[:count]))
    function = (lambda x: x[:, :1]) if loss == MSE else logits(2)
    for factor in (1.0, torch.nan, torch.inf):
        assert_nothing_overlaps(draw(build, data, "network", lambda x, f=factor: function(x) * f))


def test_classes_without_rows_are_counted() -> None:
    data = classification(3, 5)
    data = replace(data, test=Rows(rows(3), data.train.y.clamp(max=2)))
    curves, lost, _ = curves_of(data, unsure(5))
    assert (len(curves), lost) == (3, 2)
    assert "2 without rows or without others have no curve" in words_of(roc_figure, data)


def words_of(build, data) -> str:  # type: ignore[no-untyped-def]
    return " ".join(t.get_text() for t in draw(build, data, "network", unsure(5)).texts)
