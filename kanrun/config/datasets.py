"""The settings of every kind of dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from kanrun.config.setting import setting

MAX_ROWS = 10_000_000


@dataclass
class DatasetConfig:
    name: str = setting("", "which dataset this is")
    seed: Optional[int] = setting(None, "draws the rows; null: the seed of the run", low=0, high=2**31)
    validation: float = setting(
        0.0, "part of the training rows that no stage trains on; they decide when to stop", low=0, high=0.9
    )
    loss: str = setting(
        "auto",
        "squared error, or cross entropy of classes; huber and student: for values, which outliers do not decide",
        choices=("auto", "huber", "student"),
    )


@dataclass
class SymbolicConfig(DatasetConfig):
    """Rows of a formula."""

    name: str = setting("symbolic", "which dataset this is")
    formula: Any = setting("exp(sin(pi*x_1)+x_2**2)", "text over x_1, x_2, ..., or a list of texts, one an output")
    domain: list[Any] = setting([-1.0, 1.0], "[low, high] for all inputs, or a list of one such pair an input")
    n_train: int = setting(1000, "training rows", low=2, high=MAX_ROWS)
    n_test: int = setting(1000, "test rows, drawn separately", low=2, high=MAX_ROWS)
    noise: float = setting(0.0, "noise on the training targets: its std / the std of y", low=0)


@dataclass
class MoonsConfig(DatasetConfig):
    """scikit-learn's two moons."""

    name: str = setting("moons", "which dataset this is")
    form: str = setting(
        "auto",
        "classes by cross entropy, 0 or 1 by squared error, or by the width",
        choices=("auto", "classes", "regression"),
    )
    n_train: int = setting(1000, "training rows", low=2, high=MAX_ROWS)
    n_test: int = setting(1000, "test rows, drawn separately", low=2, high=MAX_ROWS)
    noise: float = setting(0.1, "std of the noise on the coordinates", low=0)


@dataclass
class ContrastiveConfig(DatasetConfig):
    """Real rows, whose inputs are tied by relations, against rows with every column shuffled on its own."""

    name: str = setting("contrastive", "which dataset this is")
    relations: list[str] = setting(
        ["x_3 = exp(sin(pi*x_1)+x_2**2)", "x_4 = x_5**3"], "equations 'x_i = formula of other inputs'"
    )
    n_inputs: int = setting(6, "inputs; those that no relation names are free", low=2, high=1000)
    domain: list[Any] = setting([-1.0, 1.0], "[low, high] of the free inputs, or a list of one such pair an input")
    n_train: int = setting(500, "real training rows; as many shuffled ones are added", low=2, high=MAX_ROWS)
    n_test: int = setting(500, "real test rows; as many shuffled ones are added", low=2, high=MAX_ROWS)
    all_relations: bool = setting(
        False, "set aside each relation found and train again, until no related inputs are left"
    )


@dataclass
class RowsConfig(DatasetConfig):
    """Rows of one's own, given to kanrun.fit in Python."""

    name: str = setting("rows", "which dataset this is")
    test: Optional[float] = setting(
        None,
        "part of the rows that only the scores look at, where no test rows are given; null: none of fewer than 100 "
        "rows with values, else 0.2",
        low=0,
        high=0.9,
    )


@dataclass
class TableConfig(DatasetConfig):
    """A table of one's own in a file: CSV and its relatives, .xlsx, Parquet, JSON lines, .npy, .npz, also as .gz."""

    name: str = setting("table", "which dataset this is")
    path: str = setting("", "the file")
    target: Any = setting(
        "", "the column to be explained, by its header or its name without the unit; or a list of such"
    )
    inputs: Optional[list[str]] = setting(None, "columns that explain it; null: all others that can")
    ignore: list[str] = setting([], "columns that are no inputs")
    where: Optional[str] = setting(None, "which rows: an expression over columns, such as T > 300 and gas == 'N2'")
    units: dict[str, str] = setting({}, "units of columns, such as {T: K, V: m**3}, beside those of the header")
    units_matter: str = setting(
        "prefer", "formulas that do not add up in the units stand back, are refused, or may do so",
        choices=("prefer", "demand", "ignore"),
    )  # fmt: skip
    task: str = setting(
        "auto", "values or classes; auto: by the target", choices=("auto", "regression", "classification")
    )
    test: Optional[float] = setting(
        None,
        "part of the rows that only the scores look at; null: none of fewer than 100 rows, else 0.2",
        low=0,
        high=0.9,
    )
    test_path: Optional[str] = setting(None, "a file with the test rows, with the same columns")
    split: str = setting(
        "random", "which rows are test rows: some by the seed, or the last", choices=("random", "order")
    )
    sigma: Optional[str] = setting(None, "column of the target's errors of measurement: rows count by 1/sigma^2")
    absolute_sigma: bool = setting(
        False, "whether sigma tells how large errors are; else only their ratios, and the scatter tells the rest"
    )
    weights: Optional[str] = setting(None, "column that says how much a row counts; those with 0 are left out")
    balanced: bool = setting(False, "whether all classes count as much, however many rows they have")
    group: Optional[str] = setting(None, "column of groups, such as samples or people, that are not to be torn apart")
    separator: Optional[str] = setting(None, "what separates fields; null: what is found")
    decimal: Optional[str] = setting(None, "the decimal mark; null: what is found", choices=(".", ","))
    encoding: Optional[str] = setting(None, "the encoding of a text, such as cp1252; null: what is found")


@dataclass
class SklearnConfig(DatasetConfig):
    """A table that scikit-learn ships or makes."""

    name: str = setting("sklearn", "which dataset this is")
    table: str = setting(
        "diabetes", "which one",
        choices=("diabetes", "iris", "wine", "breast_cancer", "digits", "linnerud", "friedman1", "friedman2",
                 "friedman3", "circles", "blobs", "s_curve", "swiss_roll"),
    )  # fmt: skip
    rows: int = setting(500, "rows of a table that is made", low=10, high=MAX_ROWS)
    noise: float = setting(0.0, "noise of a table that is made", low=0)
    test: Optional[float] = setting(
        None,
        "part of the rows that only the scores look at; null: none of fewer than 100 rows, else 0.2",
        low=0,
        high=0.9,
    )
    balanced: bool = setting(False, "whether all classes count as much, however many rows they have")
