from __future__ import annotations

import numpy as np
import sympy as sp
import torch

from kanrun.data.dataset import CLASSIFICATION, Dataset, Rows
from kanrun.data.losses import CROSS_ENTROPY
from kanrun.functions.evaluate import evaluate
from kanrun.functions.parser import parse_formula
from kanrun.symbolic.decision import decision_between


def test_a_shorter_spelling_that_rounding_would_spoil_is_not_taken() -> None:
    x = 1e9 + torch.as_tensor(np.random.default_rng(0).uniform(-2, 2, (60, 1)))
    rows = Rows(x, ((x[:, 0] - 1e9).abs() > 1).long())
    data = Dataset("d", rows, rows, ["x_1"], ["logit_in", "logit_out"], CLASSIFICATION, CROSS_ENTROPY)
    logit = parse_formula("0.5*(x_1 - 1000000000)**2 - 0.5", ["x_1"])
    found = decision_between([sp.Integer(0), logit], data)
    assert found is not None and found.test["accuracy"] == 1.0
    columns = {"x_1": x[:, 0].numpy()}
    written = evaluate(parse_formula(found.expression, ["x_1"]), columns)
    np.testing.assert_allclose(written, evaluate(logit, columns), rtol=1e-9, atol=1e-9)
