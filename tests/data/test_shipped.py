from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import datasets

from kanrun.config.datasets import SklearnConfig
from kanrun.data.dataset import CLASSIFICATION, REGRESSION
from kanrun.data.shipped import make_shipped
from kanrun.errors import ConfigError

CLASSES = {"iris", "wine", "breast_cancer", "digits", "circles", "blobs"}
TABLES = [
    "diabetes", "iris", "wine", "breast_cancer", "digits", "linnerud", "friedman1", "friedman2", "friedman3", "circles",
    "blobs", "s_curve", "swiss_roll",
]  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
def test_every_table_has_its_rows_names_and_task(table: str) -> None:
    data = make_shipped(SklearnConfig(table=table, rows=120, test=0.25), 0, torch.float64)
    assert data.task == (CLASSIFICATION if table in CLASSES else REGRESSION)
    assert data.test is not None
    rows = len(data.train.x) + len(data.test.x)
    assert data.about["rows"] == rows and abs(len(data.test.x) - rows / 4) <= 1
    assert data.train.x.shape[1] == len(data.inputs) == len(set(data.inputs)) == len(data.input_names)
    if data.task == CLASSIFICATION:
        assert data.train.y.dtype == torch.int64 and len(data.outputs) == int(data.train.y.max()) + 1
    else:
        assert data.train.y.shape == (len(data.train.x), len(data.outputs))


def test_the_rows_are_those_of_scikit_learn() -> None:
    wanted, data = datasets.load_iris(), make_shipped(SklearnConfig(table="iris", test=0.0), 0, torch.float64)
    assert np.array_equal(data.train.x, wanted.data) and np.array_equal(data.train.y, wanted.target)
    assert data.outputs == [f"logit_{name}" for name in wanted.target_names]
    assert data.input_names[0] == "sepal length" and set(data.units.values()) == {"cm"}
    x, y = datasets.make_friedman1(n_samples=50, noise=0.1, random_state=7)
    made = make_shipped(SklearnConfig(table="friedman1", rows=50, noise=0.1), 7, torch.float64)
    assert made.test is None and np.array_equal(made.train.x, x) and np.array_equal(made.train.y[:, 0], y)


def test_only_classes_can_be_balanced() -> None:
    with pytest.raises(ConfigError, match=r"dataset\.balanced=true: diabetes is not of classes"):
        make_shipped(SklearnConfig(table="diabetes", balanced=True), 0, torch.float64)
