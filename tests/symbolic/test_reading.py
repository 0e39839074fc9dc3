from __future__ import annotations

import pytest
import torch

from kanrun.data.dataset import CLASSIFICATION, REGRESSION, Dataset, Rows
from kanrun.data.losses import CROSS_ENTROPY, MSE
from kanrun.functions.library import library
from kanrun.model.network import KAN
from kanrun.symbolic import reading
from kanrun.symbolic.reading import find_formula
from kanrun.training.least_squares import levenberg_marquardt
from tests.helpers import uniform_rows


def test_the_formula_uses_the_functions_asked_for_and_no_others() -> None:
    x = uniform_rows(80, 3, seed=3)
    rows = Rows(x, torch.sin(torch.pi * x[:, :1]) + 0.2 * x[:, 1:2])
    data = Dataset("values", rows, rows, ["x_1", "x_2", "x_3"], ["y"], REGRESSION, MSE)
    model = KAN([3, 1], grid=4)
    model.fit_grids(x)
    levenberg_marquardt(model, x, rows.y, MSE, 5)
    found = find_formula(model, data, library(["x", "sin"]))
    names = {name for layer in found.model.layers for name in layer.functions.values()}
    assert found.model.is_symbolic()
    assert names <= {"x", "sin"}
    with torch.no_grad():
        assert float(((found.model(x) - rows.y) ** 2).mean()) < 1e-20


def test_logits_are_scaled_down_without_changing_a_class() -> None:
    x = uniform_rows(50, 2, seed=1)
    y = (x[:, 0] > 0).long()
    data = Dataset("planted", Rows(x, y), Rows(x, y), ["x_1", "x_2"], ["a", "b"], CLASSIFICATION, CROSS_ENTROPY)
    model = KAN([2, 2, 2], grid=3)
    for part in (model.layers[-1].coef, model.layers[-1].base_scale):
        part.data *= 1e4
    classes = model(x).argmax(1)
    reading.temper(model, data)
    logits = model(x).detach()
    assert float((logits - logits.mean(1, keepdim=True)).abs().mean()) == pytest.approx(reading.LOGITS)
    assert torch.equal(model(x).argmax(1), classes)
