from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from kanrun.config.datasets import RowsConfig
from kanrun.config.schema import Config
from kanrun.data.dataset import CLASSIFICATION, REGRESSION, Dataset, Rows
from kanrun.data.losses import CROSS_ENTROPY, MSE
from kanrun.data.rows import Counts, as_inputs, as_targets, column_names, dataset_of, set_aside
from kanrun.errors import ConfigError

X = np.arange(20.0).reshape(10, 2)  # the first column counts the rows twice over
Y = X[:, :1] ** 2
LABELS = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 2])


def dataset(
    inputs: Any = X, targets: Any = Y, test: tuple[Any, Any] | None = None, names: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None, config: Config | None = None, dtype: torch.dtype = torch.float64,
) -> Dataset:  # fmt: skip
    config = config or Config(dataset=RowsConfig())
    return dataset_of(config, inputs, targets, test, names, outputs, dtype, torch.device("cpu"))


def numbers(rows: Rows) -> list[int]:
    """Which of the rows these are."""
    return (rows.x[:, 0] / 2).long().tolist()


# ---- what becomes of rows ------------------------------------------------------------------------------------------


def test_rows_are_a_regression_with_numbered_names() -> None:
    data = dataset(config=Config(dataset=RowsConfig(test=0.2)))
    assert (data.name, data.task, data.loss) == ("rows", REGRESSION, MSE)
    assert (data.inputs, data.outputs) == (["x_1", "x_2"], ["y"])
    assert (len(data.train.x), len(data.test.x)) == (8, 2)
    for part in (data.train, data.test):
        assert torch.equal(part.y, part.x[:, :1] ** 2)
    assert data.validation is None


def test_class_numbers_are_a_classification_with_a_logit_each() -> None:
    data = dataset(targets=LABELS)
    assert (data.task, data.loss) == (CLASSIFICATION, CROSS_ENTROPY)
    assert data.outputs == ["logit_0", "logit_1", "logit_2"]
    for part in (data.train, data.test):
        assert part.y.dtype == torch.int64
        assert part.y.tolist() == LABELS[numbers(part)].tolist()


def test_rows_of_both_parts_say_how_many_classes_there_are() -> None:
    two, three = (X[:6], LABELS[[0, 1, 0, 1, 0, 1]]), (X[6:], LABELS[6:])
    for one, other in ((two, three), (three, two)):
        assert dataset(*one, test=other).outputs == ["logit_0", "logit_1", "logit_2"]


@pytest.mark.parametrize("names", [["a", "b"], ("time", "dose_2")])
def test_names_of_columns_are_those_that_are_given(names: Sequence[str]) -> None:
    data = dataset(targets=np.hstack([Y, Y]), names=names, outputs=["u", "v"])
    assert (data.inputs, data.outputs) == (list(names), ["u", "v"])
    assert dataset(outputs=["force"]).outputs == ["force"]
    assert dataset(targets=LABELS, outputs=["a", "b", "c"]).outputs == ["a", "b", "c"]
    assert dataset(targets=np.hstack([Y, Y, Y])).outputs == ["y_1", "y_2", "y_3"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_numbers_of_any_kind_become_those_of_the_run(dtype: torch.dtype) -> None:
    with_gradients = torch.tensor(X, dtype=torch.float32, requires_grad=True)
    for inputs in (X, X.tolist(), X.astype(int), X.astype(np.float32), torch.tensor(X), with_gradients):
        data = dataset(inputs, Y, (inputs, Y), dtype=dtype)
        for part in (data.train, data.test):
            assert part.x.dtype == part.y.dtype == dtype
            assert not part.x.requires_grad
            assert part.x.tolist() == X.tolist()
    assert as_inputs([[True, False]], "inputs", dtype).tolist() == [[1.0, 0.0]]


def test_one_column_may_come_without_the_second_dimension() -> None:
    data = dataset(X[:, 0], Y[:, 0], test=(X[:3, 0], Y[:3, 0]))
    assert (data.train.x.shape, data.train.y.shape) == ((10, 1), (10, 1))
    assert torch.equal(data.test.y, data.test.x**2)
    assert len(dataset(X[:2, 0], Y[:2, 0]).train.x) == 2  # are enough


def test_of_few_rows_with_values_none_are_set_aside_and_of_many_and_of_classes_a_fifth() -> None:
    many = np.arange(200.0).reshape(100, 2)
    assert dataset().test is None
    assert (len(dataset(many, many).train.x), len(dataset(many, many).test.x)) == (80, 20)
    assert len(dataset(targets=LABELS).test.x) == 2


@pytest.mark.parametrize("labels", [LABELS, LABELS[:, None], LABELS.astype(np.uint8), torch.tensor(LABELS), LABELS > 1])
def test_whole_numbers_of_one_column_are_classes(labels: Any) -> None:
    targets = as_targets(labels, "targets", torch.float64)
    assert (targets.shape, targets.dtype) == ((10,), torch.int64)
    assert targets.tolist() == np.asarray(labels).reshape(-1).astype(int).tolist()


@pytest.mark.parametrize("targets", [LABELS.astype(float), np.stack([LABELS, LABELS], 1)])
def test_floats_and_several_columns_are_numbers_to_be_fitted(targets: Any) -> None:
    ours = as_targets(targets, "targets", torch.float64)
    assert ours.dtype == torch.float64
    assert torch.equal(ours, torch.tensor(targets).double().reshape(10, -1))


# ---- test rows -----------------------------------------------------------------------------------------------------


def test_test_rows_that_are_given_stay_apart_from_all_others() -> None:
    data = dataset(test=(X[:3] + 100, Y[:3]))
    assert torch.equal(data.train.x, torch.tensor(X))
    assert torch.equal(data.test.x, torch.tensor(X[:3] + 100))
    assert torch.equal(data.test.y, torch.tensor(Y[:3]))


@pytest.mark.parametrize(
    ("rows", "fraction", "count"), [(10, 0.2, 2), (10, 0.25, 2), (10, 0.01, 1), (10, 0.9, 9), (2, 0.9, 1), (3, 0.1, 1)]
)
def test_rows_set_aside_and_those_kept_are_all_rows_each_once_in_their_order(
    rows: int, fraction: float, count: int
) -> None:
    config = Config(dataset=RowsConfig(test=fraction))
    data = dataset(X[:rows], Y[:rows], config=config)
    train, test = numbers(data.train), numbers(data.test)
    assert len(test) == count
    assert sorted(train + test) == list(range(rows))
    assert (train, test) == (sorted(train), sorted(test))


def test_without_a_part_for_the_test_no_row_is_set_aside() -> None:
    data = dataset(X[:10], Y[:10], config=Config(dataset=RowsConfig(test=0.0)))
    assert data.test is None and numbers(data.train) == list(range(10))


def test_the_seed_of_the_rows_or_else_that_of_the_run_draws_them() -> None:
    rows = Rows(torch.arange(200.0)[:, None], torch.arange(200.0)[:, None])

    def drawn(run: int, own: int | None) -> list[float]:
        train, test = set_aside(rows, Config(seed=run, dataset=RowsConfig(seed=own)))
        assert len(train.x) == 160
        return test.x.flatten().tolist()

    assert drawn(1, None) == drawn(1, None) == drawn(2, 1)
    assert drawn(1, None) != drawn(2, None)
    assert drawn(1, 5) == drawn(2, 5) != drawn(1, 0)
    before = torch.get_rng_state()
    assert 60 < sum(drawn(3, None)) / 40 < 140  # from all over
    assert torch.equal(torch.get_rng_state(), before)


# ---- what cannot be used --------------------------------------------------------------------------------------------


def with_bad(value: float, *places: tuple[int, int]) -> Any:
    changed = X.copy()
    for place in places:
        changed[place] = value
    return changed


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"inputs": np.zeros((10, 2, 1))}, r"inputs: rows of numbers .* array of shape \(10, 2, 1\)"),
        ({"inputs": np.zeros((10, 0))}, r"inputs: rows of numbers .* array of shape \(10, 0\)"),
        ({"inputs": 3.0}, r"inputs: rows of numbers .* array of shape \(\)"),
        ({"inputs": [["a", "b"]] * 10}, "inputs: numbers are needed, not <U1"),
        ({"inputs": X + 1j}, "inputs: numbers are needed, not complex128"),
        ({"inputs": with_bad(math.nan, (3, 1), (7, 0), (7, 1))}, "inputs: 2 of 10 rows .* the first is row 3"),
        ({"inputs": with_bad(-math.inf, (0, 0))}, "inputs: 1 of 10 rows are not finite, the first is row 0"),
        ({"inputs": X[:9]}, "targets: 10 rows, but inputs have 9"),
        ({"inputs": X[:1], "targets": Y[:1]}, "inputs: two rows or more are needed"),
        ({"targets": np.zeros((10, 2, 1))}, r"targets: numbers .* array of shape \(10, 2, 1\)"),
        ({"targets": np.zeros((10, 0))}, r"targets: numbers .* array of shape \(10, 0\)"),
        ({"targets": np.full(10, math.inf)}, "targets: 10 of 10 rows are not finite, the first is row 0"),
        ({"targets": np.zeros((10, 1, 1), int)}, r"targets: numbers .* array of shape \(10, 1, 1\)"),
        ({"targets": np.zeros(10, int)}, "targets: whole numbers are classes, two or more from 0 to 999"),
        ({"targets": LABELS - 1}, "targets: whole numbers are classes"),
        ({"targets": LABELS * 500}, "targets: whole numbers are classes"),
        ({"targets": np.zeros(0, int)}, "targets: whole numbers are classes"),
        ({"test": (X[:, :1], Y)}, "test: it must have as many columns"),
        ({"test": (X, np.hstack([Y, Y]))}, "test: it must have as many columns"),
        ({"test": (X, LABELS)}, "test: it must have as many columns of the same kinds"),
        ({"targets": LABELS, "test": (X, Y)}, "test: it must have as many columns of the same kinds"),
        ({"targets": LABELS, "test": (X, LABELS.astype(float)[:, None])}, "test: it must have as many columns"),
        ({"test": (X[:4], Y[:3])}, "test targets: 3 rows, but test inputs have 4"),
        ({"test": (X[:1], Y[:1])}, "test inputs: two rows or more are needed"),
        ({"test": (with_bad(math.nan, (2, 0)), Y)}, "test inputs: 1 of 10 rows .* the first is row 2"),
        ({"test": (X, Y * math.nan)}, "test targets: 10 of 10 rows"),
        ({"names": ["a"]}, "names: 2 different names are needed, not 1"),
        ({"names": ["a", "b", "c"]}, "names: 2 different names are needed, not 3"),
        ({"names": ["a", "a"]}, "names: 2 different names are needed, not 1"),
        ({"names": ["a", "a", "b"]}, "names: 2 different names are needed, not 2"),
        ({"names": ["a", "2b"]}, "names=2b: a name has letters"),
        ({"names": ["a b", "c"]}, "names=a b: a name has letters"),
        ({"names": ["a", 3]}, "names=3: a name has letters"),
        ({"outputs": ["u", "v"]}, "outputs: 1 different names are needed, not 2"),
        ({"outputs": ["u-v"]}, "outputs=u-v: a name has letters"),
        ({"targets": LABELS, "outputs": ["u"]}, "outputs: 3 different names are needed, not 1"),
    ],
)
def test_rows_that_cannot_be_used_are_told_in_one_line(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        dataset(**given)
    assert len(str(caught.value).splitlines()) == 1


def test_a_number_that_is_too_large_for_the_precision_is_not_finite_in_it() -> None:
    assert as_inputs([1e300], "inputs", torch.float64).tolist() == [[1e300]]
    with pytest.raises(ConfigError, match="1 of 2 rows are not finite, the first is row 1"):
        as_inputs([1.0, 1e300], "inputs", torch.float32)


def test_a_thousand_classes_are_allowed_and_two_are_needed() -> None:
    assert as_targets([0, 999], "targets", torch.float64).tolist() == [0, 999]
    with pytest.raises(ConfigError, match="from 0 to 999"):
        as_targets([0, 1000], "targets", torch.float64)


def test_columns_are_numbered_from_one() -> None:
    assert column_names(None, 3, "names", "x") == ["x_1", "x_2", "x_3"]
    assert column_names(("a",), 1, "names", "x") == ["a"]


def test_rows_count_by_errors_or_by_weights_and_not_by_both() -> None:
    y, given = torch.tensor(Y), np.arange(1.0, 11.0)
    assert Counts().weights_for(y) == (None, None)
    weights, unknown = Counts(weights=given).weights_for(y)
    assert weights is not None and unknown is None
    np.testing.assert_allclose(weights, given / given.mean())
    by_errors, noise = Counts(sigma=given).weights_for(y)
    assert by_errors is not None and noise is not None
    np.testing.assert_allclose(by_errors.numpy() * given**2, np.full(10, noise))
    with pytest.raises(ConfigError, match="by sigma or by weights, not by both"):
        Counts(sigma=given, weights=given).weights_for(y)
    with pytest.raises(ConfigError, match="it says what sigma means, which is not given"):
        Counts(weights=given, absolute=True).weights_for(y)
    with pytest.raises(ConfigError, match="errors of one target"):
        Counts(sigma=given).weights_for(torch.cat([y, y], dim=1))
