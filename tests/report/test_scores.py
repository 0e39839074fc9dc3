from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from kanrun.report.scores import as_error, error_name, score_of, score_table, told


def test_scores_are_shown_to_four_digits_and_none_as_a_dash() -> None:
    assert score_of({"rmse": 0.000123456}, "rmse") == "0.0001235"
    assert score_of({}, "rmse") == "-"
    assert score_of({"r2": 0.99996}, "r2") == "0.99996"
    assert told({"mse": 4.0, "rmse": 2.0, "r2": 0.5}) == ("RMSE", "2")
    assert told({"cross_entropy": 0.25, "accuracy": 0.75}) == ("accuracy", "0.75")


def test_a_loss_is_shown_in_the_kind_of_error_of_the_scores() -> None:
    assert (as_error(4.0, {"rmse": 1.0}), error_name({"rmse": 1.0}, "MSE")) == (2.0, "RMSE")
    assert (as_error(4.0, {"accuracy": 1.0}), error_name({"accuracy": 1.0}, "MSE")) == (4.0, "MSE")
    assert as_error(None, {"rmse": 1.0}) is None


def stage(name: str, **scores: float) -> dict[str, Any]:
    return {"name": name, "seconds": 1.25, "parameters": 12345, "train": dict.fromkeys(scores, 0.125), "test": scores}


def titles(stages: list[dict[str, Any]], width: int) -> list[str]:
    return [str(c.header) for c in score_table(stages, Console(width=width)).columns]


def test_the_table_has_train_and_test_of_every_score_but_not_mse_beside_its_root() -> None:
    values = [stage("train", mse=0.25, rmse=0.5, r2=0.99996), stage("[odd]", mse=0.25, rmse=0.5, r2=0.5)]
    every = ["stage", "train RMSE", "test RMSE", "train R2", "test R2", "parameters", "seconds"]
    assert titles(values, 120) == every
    classes = [stage("train", cross_entropy=0.5, accuracy=0.9)]
    assert titles(classes, 120)[1:5] == ["train entropy", "test entropy", "train accuracy", "test accuracy"]
    assert titles([stage("train", mse=0.2, accuracy=0.9)], 120)[1:3] == ["train MSE", "test MSE"]


@pytest.mark.parametrize("width", [120, 60, 40, 30])
def test_a_narrow_console_has_fewer_columns_and_none_of_them_is_cut(width: int) -> None:
    values = [stage("train", mse=0.25, rmse=0.123456789, r2=0.99996), stage("[odd]", mse=0.25, rmse=0.5, r2=0.5)]
    text = io.StringIO()
    out = Console(file=text, width=width)
    out.print(score_table(values, out))
    header, first, second = text.getvalue().splitlines()
    assert "…" not in text.getvalue() and max(map(len, (header, first, second))) <= width
    assert "test RMSE" in header and "0.1235" in first.split() and second.split()[0] == "[odd]"
    assert ("train RMSE" in header) == (width == 120) and ("0.99996" in first) == (width >= 60)


def test_rows_without_a_test_show_those_of_the_training() -> None:
    stages = [{**stage("train", rmse=0.5, r2=0.5), "test": None}]
    assert titles(stages, 120) == ["stage", "train RMSE", "train R2", "parameters", "seconds"]
