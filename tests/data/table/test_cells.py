from __future__ import annotations

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kanrun.data.table.cells import MISSING, as_numbers, is_missing, is_number, stripped

READ = {
    ".": {
        "1": 1.0, "-1.5": -1.5, "+.5": 0.5, "1.": 1.0, "1e3": 1e3, "1.5E-3": 1.5e-3, "2D+02": 200.0, "1,234.5": 1234.5,
        "1'234'567.8": 1234567.8, "1 234": 1234.0, "12%": 12.0, "12 %": 12.0, "\u22125": -5.0, "1,23,456.5": 123456.5,
        "1\u2019234.5": 1234.5, "1\u00a0234.5": 1234.5, "1\u202f234": 1234.0,
    },
    ",": {
        "1": 1.0, "-1,5": -1.5, ",5": 0.5, "1.234,5": 1234.5, "1.234.567": 1234567.0, "1 234,5": 1234.5, "1,5e3": 1.5e3,
        "12,5%": 12.5, "1'234,5": 1234.5,
    },
}  # fmt: skip
NONE = {
    ".": ["a", "1,5", "1,23", "12,34,56", "1.2.3", "--1", "1e", "e5", "1 2", "0x1E", "1_000", "1..2", "5 kg", "$5",
          "1,,000"],
    ",": ["1.5", "1.23", "1,2,3", "a", "1.2345,6"],
}  # fmt: skip


def numbers(cells: list[str], decimal: str) -> list[float | None]:
    """What the engine makes of cells."""
    frame = pl.DataFrame({"t": cells}).select(stripped(pl.col("t")).alias("t"))
    return frame.select(as_numbers(pl.col("t"), decimal).alias("t"))["t"].to_list()


@pytest.mark.parametrize("decimal", [".", ","])
def test_numbers_in_many_spellings_are_the_same_to_the_look_and_to_the_engine(decimal: str) -> None:
    cells = READ[decimal]
    assert numbers(list(cells), decimal) == list(cells.values())
    assert all(is_number(cell, decimal) for cell in cells)


@pytest.mark.parametrize("decimal", [".", ","])
def test_what_is_no_number_is_none_to_both(decimal: str) -> None:
    assert not [c for c in NONE[decimal] if is_number(c, decimal)]
    assert numbers(NONE[decimal], decimal) == [None] * len(NONE[decimal])


@settings(max_examples=60, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_as_python_writes_it_is_read_to_the_last_bit(value: float) -> None:
    assert numbers([repr(value)], ".") == [value]
    assert numbers([repr(value).replace(".", ",")], ",") == [value]


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=8))
@example("\x0c0")
def test_no_text_is_a_number_to_the_look_and_none_to_the_engine(cell: str) -> None:
    if is_number(cell, ".") and cell.isascii() and not is_missing(cell):
        assert numbers([cell], ".") != [None]


def test_missing_values_are_null_whatever_stands_around_them() -> None:
    cells = [f" {cell.upper()} \ufeff" for cell in sorted(MISSING)]
    assert pl.DataFrame({"t": cells}).select(stripped(pl.col("t")).alias("t"))["t"].null_count() == len(cells)
    assert all(is_missing(cell) for cell in MISSING)
    assert not any(is_missing(cell) for cell in ("0", "no", "-1", "x"))


@pytest.mark.parametrize("cell", ["inf", "-Infinity", "1e999"])
def test_what_is_not_finite_is_a_number_that_the_columns_sort_out(cell: str) -> None:
    (value,) = numbers([cell], ".")
    assert value is None or abs(value) == float("inf")
