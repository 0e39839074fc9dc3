from __future__ import annotations

import numpy as np
import pytest
import torch

from kanrun.errors import KanrunError
from kanrun.model.network import KAN
from kanrun.predictions.inputs import Input
from kanrun.predictions.predict import of_formulas, of_network

INPUTS = [Input("x_1", ("time",), 0.0, 1.0), Input("x_2", ("dose",))]
X = np.array([[0.5, 2.0], [2.0, 3.0], [np.nan, 1.0]])


def entry(expression: str, **more: object) -> dict[str, object]:
    return {"output": "y", "expression": expression, **more}


def test_formulas_are_evaluated_with_the_errors_that_follow_from_their_constants() -> None:
    found = of_formulas([entry("2.5*x_1 + x_2", covariance=[[0.04]]), entry("x_1 - x_2")], X, INPUTS)
    assert found.values[:2].tolist() == [[3.25, -1.5], [8.0, -1.0]]
    assert np.isnan(found.values[2]).all()
    assert found.errors[0] is not None
    assert found.errors[0][:2].tolist() == pytest.approx([0.1, 0.4])
    assert found.errors[1] is None
    assert found.beyond.tolist() == [[False, False], [True, False], [False, False]]


def test_classes_have_labels_and_probabilities() -> None:
    entries = [{"output": "logit_cat", "expression": "x_1"}, {"output": "logit_dog", "expression": "x_2 - 1.0"}]
    found = of_formulas(entries, X, INPUTS, classes=True)
    assert found.labels == ["dog", "cat", ""]  # where both are equal the first
    assert found.probabilities[:2] == pytest.approx([1 / (1 + np.exp(-0.5)), 0.5])
    assert found.errors == [None, None]


def test_a_network_has_values_without_errors() -> None:
    model = KAN([2, 1], seed=3)
    found = of_network(model, ["y"], X[:2], INPUTS)
    with torch.no_grad():
        assert found.values == pytest.approx(model(torch.as_tensor(X[:2])).numpy())
    assert found.errors == [None]


@pytest.mark.parametrize("covariance", [[[1.0, 0.0], [0.0, 1.0]], [["a"]], [[1.0], [2.0]]])
def test_a_covariance_that_does_not_fit_is_said(covariance: object) -> None:
    with pytest.raises(KanrunError, match="y: its covariance does not fit its constants"):
        of_formulas([entry("2.5*x_1", covariance=covariance)], X, INPUTS)
