from __future__ import annotations

import torch

from kanrun.data.dataset import REGRESSION, Dataset, Rows
from kanrun.data.losses import MSE
from kanrun.symbolic.scoring import together


def test_outputs_have_the_scores_of_all_of_them_and_none_where_one_has_none() -> None:
    y = torch.tensor([[0.0, 1.0], [2.0, 1.0], [4.0, 7.0]], dtype=torch.float64)
    data = Dataset("d", Rows(y, y), None, ["x_1", "x_2"], ["y_1", "y_2"], REGRESSION, MSE)
    mean, spread = (1.0 + 2.0) / 2, (8 / 3 + 8) / 2
    found = together([{"mse": 1.0}, {"mse": 2.0}], data)
    assert found == {"rmse": mean**0.5, "r2": 1 - mean / spread, "folds": "leave-one-out"}
    assert together([{"mse": 1.0}, {"mse": None}], data) == {"rmse": None, "r2": None, "folds": "leave-one-out"}
