from __future__ import annotations

from typing import Any

import pytest
import torch

from kanrun.config.validation import read_config
from kanrun.data.about import about_rows
from kanrun.data.build import build_dataset
from kanrun.data.dataset import Dataset

MADE: dict[str, dict[str, Any]] = {
    "formula": {"formula": ["x_1*x_2", "exp(x_1)"], "n_train": 30, "n_test": 20, "validation": 0.2},
    "moons": {"name": "moons", "n_train": 30, "n_test": 20},
    "contrastive": {"name": "contrastive", "n_inputs": 3, "relations": ["x_3 = x_1*x_2"], "n_train": 30, "n_test": 20},
    "wine": {"name": "sklearn", "table": "wine"},
    "diabetes": {"name": "sklearn", "table": "diabetes"},
}


def made(name: str) -> Dataset:
    return build_dataset(read_config({"dataset": MADE[name]}), torch.float64, torch.device("cpu"))


@pytest.mark.parametrize("name", MADE)
def test_every_part_and_every_column_is_told(name: str) -> None:
    data = made(name)
    about = about_rows(data)
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    assert about["parts"] == {key: len(rows.y) for key, rows in parts.items() if rows is not None}
    inputs, targets = ([c for c in about["columns"] if c["role"] == role] for role in ("input", "target"))
    assert [c["symbol"] for c in inputs] == data.inputs
    assert len(targets) == (1 if data.loss.logits else len(data.outputs))
    assert all(c["low"] < c["high"] for c in [*inputs, *targets] if "classes" not in c)


@pytest.mark.parametrize(
    ("name", "source"),
    [("formula", ["y_1 = x_1*x_2", "y_2 = exp(x_1)"]), ("contrastive", ["x_3 = x_1*x_2"]), ("moons", None)],
)
def test_what_made_the_rows_is_told_where_it_is_known(name: str, source: list[str] | None) -> None:
    assert about_rows(made(name)).get("source") == source


def test_classes_have_their_names() -> None:
    assert about_rows(made("wine"))["columns"][-1]["classes"] == ["class_0", "class_1", "class_2"]
    assert about_rows(made("moons"))["columns"][-1]["classes"] == ["0", "1"]
