from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from torch import Tensor

from kanrun.data.dataset import CLASSIFICATION, REGRESSION, Dataset, Rows
from kanrun.data.losses import CROSS_ENTROPY, MSE, Loss
from kanrun.data.scores import missing_classes, scores

NOTHING = Rows(torch.zeros(0, 1), torch.zeros(0, 1))
sizes = given(seed=st.integers(0, 10**6), rows=st.integers(2, 60), outputs=st.integers(1, 4))


def dataset(task: str = REGRESSION, loss: Loss = MSE) -> Dataset:
    """A dataset of which only the task and the loss count."""
    return Dataset("d", NOTHING, NOTHING, ["x_1"], ["y"], task, loss)


def normal(seed: int, *shape: int) -> Tensor:
    """Seeded numbers."""
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


@sizes
@settings(deadline=None, max_examples=40, derandomize=True)
def test_regression_scores_are_those_of_scikit_learn(seed: int, rows: int, outputs: int) -> None:
    targets = 3 * normal(seed, rows, outputs) + 7
    found = scores(dataset(), targets + 0.5 * normal(seed + 1, rows, outputs), targets)
    predicted = targets + 0.5 * normal(seed + 1, rows, outputs)
    assert set(found) == {"mse", "rmse", "r2"}
    assert found["mse"] == pytest.approx(metrics.mean_squared_error(targets, predicted))
    assert found["rmse"] == pytest.approx(math.sqrt(metrics.mean_squared_error(targets, predicted)))
    assert found["r2"] == pytest.approx(metrics.r2_score(targets, predicted, multioutput="variance_weighted"))


@sizes
@settings(deadline=None, max_examples=40, derandomize=True)
def test_class_scores_are_those_of_scikit_learn(seed: int, rows: int, outputs: int) -> None:
    classes = outputs + 1
    logits = 5 * normal(seed, rows, classes)
    labels = torch.from_numpy(np.random.default_rng(seed + 1).integers(0, classes, rows))
    found = scores(dataset(CLASSIFICATION, CROSS_ENTROPY), logits, labels)
    odds = np.exp(logits.numpy() - logits.numpy().max(1, keepdims=True))
    probabilities = odds / odds.sum(1, keepdims=True)
    assert set(found) == {"cross_entropy", "accuracy", "balanced_accuracy", "roc_auc"}
    assert found["balanced_accuracy"] == pytest.approx(balanced(labels, logits.argmax(1)))
    if 1 < len(labels.unique()) == classes:
        odds_of = probabilities[:, 1] if classes == 2 else probabilities
        area = metrics.roc_auc_score(labels, odds_of, multi_class="ovo")
        assert found["roc_auc"] == pytest.approx(area)
    else:
        assert found["roc_auc"] is None
    assert found["cross_entropy"] == pytest.approx(
        metrics.log_loss(labels, probabilities, labels=range(classes)), rel=1e-7
    )
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(labels, logits.argmax(1)))


@given(seed=st.integers(0, 10**6), rows=st.integers(1, 60))
@settings(deadline=None, max_examples=40, derandomize=True)
def test_classes_by_squared_error_are_cut_at_a_half(seed: int, rows: int) -> None:
    labels = torch.from_numpy(np.random.default_rng(seed).integers(0, 2, (rows, 1))).double()
    outputs = labels + 0.6 * normal(seed + 1, rows, 1)
    found = scores(dataset(CLASSIFICATION), outputs, labels)
    assert set(found) == {"mse", "accuracy", "balanced_accuracy", "roc_auc"}
    assert found["balanced_accuracy"] == pytest.approx(balanced(labels > 0.5, outputs > 0.5))
    varied = len(labels.unique()) == 2
    area = metrics.roc_auc_score(labels.flatten() > 0.5, outputs.flatten()) if varied else None
    assert found["roc_auc"] == (None if area is None else pytest.approx(area))
    assert found["mse"] == pytest.approx(metrics.mean_squared_error(labels, outputs))
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(labels > 0.5, outputs > 0.5))


def test_perfect_outputs_have_perfect_scores() -> None:
    y = normal(0, 20, 2)
    assert scores(dataset(), y, y) == {"mse": 0.0, "rmse": 0.0, "r2": 1.0}


def test_the_mean_of_the_targets_explains_nothing() -> None:
    y = normal(0, 50, 3)
    assert scores(dataset(), y.mean(0).expand(50, 3), y)["r2"] == pytest.approx(0.0, abs=1e-12)


def balanced(labels: Tensor, told: Tensor) -> float:
    """The mean over the classes of the part of their rows that is told."""
    return float(metrics.recall_score(labels.flatten(), told.flatten(), average=None, labels=labels.unique()).mean())


def finite_outputs(outputs: Tensor, bad: list[int]) -> Tensor:
    """Outputs with NaN, inf and -inf in these rows."""
    spoiled = outputs.clone()
    for n, row in enumerate(bad):
        spoiled[row, n % outputs.shape[1]] = (math.nan, math.inf, -math.inf)[n % 3]
    return spoiled


@pytest.mark.parametrize("bad", [[0], [3, 7, 9], list(range(19))])
def test_rows_that_are_not_finite_are_left_out_and_counted(bad: list[int]) -> None:
    y, outputs = normal(1, 20, 2), normal(2, 20, 2)
    kept = [row for row in range(20) if row not in bad]
    found = scores(dataset(), finite_outputs(outputs, bad), y)
    assert found.pop("nonfinite_rows") == len(bad)
    assert found["mse"] == pytest.approx(metrics.mean_squared_error(y[kept], outputs[kept]))
    if len(kept) > 1:
        r2 = metrics.r2_score(y[kept], outputs[kept], multioutput="variance_weighted")
        assert found["r2"] == pytest.approx(r2)
    else:
        assert found["r2"] is None


def test_classes_of_rows_that_are_not_finite_count_as_wrong() -> None:
    logits, labels = normal(3, 40, 3), torch.arange(40) % 3
    bad = [0, 5, 11, 30]
    kept = [row for row in range(40) if row not in bad]
    found = scores(dataset(CLASSIFICATION, CROSS_ENTROPY), finite_outputs(logits, bad), labels)
    right = int((logits[kept].argmax(1) == labels[kept]).sum())
    assert found["accuracy"] == pytest.approx(right / 40)
    assert found["nonfinite_rows"] == 4
    assert found["cross_entropy"] == pytest.approx(float(torch.nn.functional.cross_entropy(logits[kept], labels[kept])))


@pytest.mark.parametrize(("task", "loss"), [(REGRESSION, MSE), (CLASSIFICATION, MSE), (CLASSIFICATION, CROSS_ENTROPY)])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_without_any_finite_row_there_are_no_errors_but_no_nan_either(task: str, loss: Loss, value: float) -> None:
    targets = torch.zeros(6, dtype=torch.long) if loss == CROSS_ENTROPY else torch.zeros(6, 2, dtype=torch.float64)
    found = scores(dataset(task, loss), torch.full((6, 2), value, dtype=torch.float64), targets)
    assert found["nonfinite_rows"] == 6
    assert {found[key] for key in found if key in ("mse", "rmse", "r2", "cross_entropy")} == {None}
    if task == CLASSIFICATION:
        assert found["accuracy"] == 0.0
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("size", [1e160, 1e200, 1e308])
def test_errors_that_overflow_are_none_instead_of_infinity(size: float) -> None:
    y = normal(1, 10, 1)
    found = scores(dataset(), y + size, y)
    assert found["mse"] is None
    assert found["rmse"] is None
    assert found["r2"] is None


@pytest.mark.parametrize("level", [0.0, 2.0, 0.1, 0.3, 1 / 3, -0.7, 1e10 / 3])
@pytest.mark.parametrize("error", [0.0, 0.1])
def test_constant_targets_have_no_r2(level: float, error: float) -> None:
    y = torch.full((1000, 1), level, dtype=torch.float64)
    found = scores(dataset(), y + error, y)
    assert found["r2"] is None
    assert found["mse"] == pytest.approx(error**2, rel=1e-4)


def test_scores_are_plain_numbers_that_json_knows() -> None:
    for task, loss in ((REGRESSION, MSE), (CLASSIFICATION, CROSS_ENTROPY)):
        targets = torch.arange(8) % 2 if loss == CROSS_ENTROPY else normal(1, 8, 2)
        found = scores(dataset(task, loss), normal(2, 8, 2), targets)
        assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_one_wrong_output_of_several_makes_a_row_wrong() -> None:
    targets = torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    outputs = torch.tensor([[0.2, 0.9], [0.9, 0.1], [0.4, 0.4]])
    assert scores(dataset(CLASSIFICATION), outputs, targets)["accuracy"] == pytest.approx(2 / 3)


def test_each_output_has_scores_of_its_own_where_there_are_several() -> None:
    y = torch.tensor([[1e3, 1e-3], [-1e3, 3e-3], [5e2, 2e-3]], dtype=torch.float64)
    outputs = torch.stack([y[:, 0], torch.full((3,), 2e-3, dtype=torch.float64)], dim=1)
    data = Dataset("rows", Rows(y, y), Rows(y, y), ["a", "b"], ["large", "small"], REGRESSION, MSE)
    found = scores(data, outputs, y)
    assert found["r2"] > 0.999999
    assert found["outputs"]["large"] == {"mse": 0.0, "rmse": 0.0, "r2": 1.0}
    assert found["outputs"]["small"]["r2"] == pytest.approx(0.0)
    assert found["outputs"]["small"]["mse"] == pytest.approx(2e-6 / 3)
    assert "outputs" not in scores(data, outputs[:, :1], y[:, :1])


def test_squares_of_single_precision_are_numbers() -> None:
    y = (1e30 * torch.arange(4.0))[:, None]
    data = Dataset("rows", Rows(y, y), Rows(y, y), ["a"], ["y"], REGRESSION, MSE)
    assert scores(data, 0.5 * y, y)["r2"] == pytest.approx(0.3, abs=1e-6)


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ([0, 1, 2, 0], []),
        (
            [0, 1, 1, 0],
            ["only 2 of 3 classes among the training rows: the area under the ROC curve has no value there"],
        ),
    ],
)
def test_a_class_that_is_missing_is_named_with_what_it_costs(targets: list[int], said: list[str]) -> None:
    y, x = torch.tensor(targets), torch.zeros(4, 1)
    data = Dataset("few", Rows(x, y), None, ["x_1"], ["a", "b", "c"], CLASSIFICATION, CROSS_ENTROPY)
    assert missing_classes(data) == said
    assert (scores(data, torch.eye(3)[y], y)["roc_auc"] is None) == bool(said)
