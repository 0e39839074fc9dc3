from __future__ import annotations

import pytest
import torch

from kanrun.data.dataset import REGRESSION, Dataset, Rows
from kanrun.data.losses import MSE
from kanrun.functions.evaluate import evaluate
from kanrun.functions.parser import parse_formula
from kanrun.symbolic.frame import frame_of
from kanrun.symbolic.values import training_arrays

X = torch.linspace(0.3, 3.0, 20, dtype=torch.float64)[:, None]


@pytest.mark.parametrize(("size", "unit"), [(1.0, 1.0), (1e-9, 1.0), (1.0, 1e7), (1e12, 1e-6)])
def test_rows_in_the_frame_are_about_one_and_formulas_mean_there_what_they_mean_outside(
    size: float, unit: float
) -> None:
    law = parse_formula(f"{unit}*(2.5*log(x_1/{size}) + 0.7)", ["x_1"])
    y = torch.as_tensor(evaluate(law, {"x_1": size * X[:, 0].numpy()}))[:, None]
    data = Dataset("d", Rows(size * X, y), None, ["x_1"], ["y"], REGRESSION, MSE)
    frame = frame_of(data)
    inside = frame.data(data)
    assert frame.is_plain == (size == unit == 1.0)
    for rows in (inside.train.x, inside.train.y):
        assert 0.1 < float(rows.std()) < 10.0
    columns, targets = training_arrays(inside)
    (entered,) = frame.entered([law])
    assert evaluate(entered, columns) == pytest.approx(targets[:, 0], rel=1e-9)
    (left,) = frame.left([entered])
    assert evaluate(left, {"x_1": data.train.x[:, 0].numpy()}) == pytest.approx(y[:, 0].numpy(), rel=1e-9)
