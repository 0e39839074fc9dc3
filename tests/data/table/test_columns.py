from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from kanrun.data.table.columns import BOOLEAN, DATE, EMPTY, MIXED, NUMBER, TEXT, Column, columns_of, features_of
from kanrun.data.table.files import opened
from kanrun.data.table.raw import Told
from tests.data.table.helpers import Path, complaint, inputs_of, rows_of, table


def column_of(folder: Path, cells: list[str], header: str = "c") -> Column:
    """A column with these cells, beside one that counts."""
    lines = "".join(f'{i},"{cell}"\n' for i, cell in enumerate(cells))
    with opened(Path(table(folder, f'n,"{header}"\n{lines}')), Told(",")) as raw:
        return columns_of(raw)[0][1]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2.5", "NA", "-3e5"], NUMBER),
        (["1"] * 19 + ["oops"], NUMBER),  # one of twenty is a slip, which is named with its line
        (["1"] * 6 + ["oops"] * 4, MIXED),
        (["a"] * 9 + ["1"], TEXT),
        (["Yes", "no", "", "YES"], BOOLEAN),
        (["TRUE", "false"], BOOLEAN),
        (["ja", "nein"], BOOLEAN),
        (["true", "maybe"], TEXT),
        (["yes", "false"], TEXT),
        (["2020-01-31", "2020-02-01T12:30:00Z"], DATE),
        (["31.01.2020", "01.02.2020"], TEXT),
        (["", "NA", "-"], EMPTY),
        (["inf", "1", "2"], NUMBER),
    ],
)
def test_what_a_column_holds(tmp_path: Path, cells: list[str], kind: str) -> None:
    assert column_of(tmp_path, cells).kind == kind


def test_percent_signs_are_a_unit(tmp_path: Path) -> None:
    found = column_of(tmp_path, ["25%", "12.5 %", "3"])
    assert (found.kind, found.unit) == (NUMBER, "%")
    assert column_of(tmp_path, ["25%", "3"], "share (kg)").unit == "kg"


@pytest.mark.parametrize(
    ("header", "first", "counts"), [("", 0, True), ("id", 1, True), ("id", 2, False), ("T", 0, False)]
)
def test_a_column_without_a_name_of_its_own_that_counts_is_an_index(
    tmp_path: Path, header: str, first: int, counts: bool
) -> None:
    assert column_of(tmp_path, [str(first + i) for i in range(9)], header).counts == counts


def test_texts_become_zeros_and_ones_against_the_first_and_are_named_so(tmp_path: Path) -> None:
    gases = ["N2", "He", "Ar"] * 6
    rows = rows_of(tmp_path, "gas,p\n" + "".join(f"{g},{i}.5\n" for i, g in enumerate(gases)))
    assert inputs_of(rows) == ["gas = He", "gas = N2"]
    assert np.array_equal(rows.x, [[g == "He", g == "N2"] for g in gases])


def test_truth_values_and_days_become_numbers(tmp_path: Path) -> None:
    lines = [(["Yes", "no"][i % 2], f"2020-01-{i + 1:02d}T12:00:00", i * i) for i in range(12)]
    content = "ok,day,p\n" + "".join(f"{a},{b},{c}\n" for a, b, c in lines)
    rows = rows_of(tmp_path, content, inputs=["ok", "day"])
    assert rows.x[:, 0].tolist() == [1.0, 0.0] * 6
    assert np.array_equal(np.diff(rows.x[:, 1]), np.ones(11)) and rows.x[0, 1] % 1 == 0.5
    assert features_of(rows.inputs[1].column)[0].unit == "d"
    assert "days" in next(n for n in rows_of(tmp_path, content).notes if n.startswith("not used"))


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ([f"t{i}" for i in range(40)], "text with more than 10 values, such as 't0'"),
        (["7"] * 40, "the same in all rows"),
        ([""] * 40, "empty"),
        (["1", "a"] * 20, "numbers and texts"),
        ([str(i) if i > 30 else "" for i in range(40)], "missing in 31 of 40 rows"),
    ],
)
def test_what_is_no_input_is_set_aside_and_told(tmp_path: Path, cells: list[str], why: str) -> None:
    rows = rows_of(tmp_path, "T,c,p\n" + "".join(f"{i},{c},{i * i}\n" for i, c in enumerate(cells)))
    assert inputs_of(rows) == ["T"]
    assert f"not used: c ({why})" in rows.notes


@pytest.mark.parametrize(("name", "first"), [("run", 1), ("", 0), ("Nr.", 1), ("sample", 0)])
def test_a_counter_with_a_hole_is_set_aside_and_leaves_out_no_row(tmp_path: Path, name: str, first: int) -> None:
    lines = [f"{i * 7 % 11},{'' if i in (3, 5) else i + first},{i * i}\n" for i in range(12)]
    rows = rows_of(tmp_path, f"T,{name},p\n" + "".join(lines))
    assert inputs_of(rows) == ["T"] and len(rows.x) == 12
    assert "it counts the rows" in rows.notes[-1]
    shuffled = rows_of(tmp_path, f"T,{name},p\n" + "".join(sorted(lines)))
    assert len(inputs_of(shuffled)) == 2


@pytest.mark.parametrize("first", [0, 1])
def test_a_counter_may_go_on_where_it_was_before_a_hole(tmp_path: Path, first: int) -> None:
    cells = [str(first), "", *(str(first + i) for i in range(1, 9))]
    assert column_of(tmp_path, cells, "run").counts
    assert not column_of(tmp_path, [*cells, str(first + 20)], "run").counts


def test_one_number_counts_nothing(tmp_path: Path) -> None:
    assert not column_of(tmp_path, ["1", "", ""], "run").counts


@pytest.mark.parametrize("cells", [[f"t{i}" for i in range(40)], [""] * 40, ["1", "a"] * 20])
def test_the_same_is_refused_where_it_is_named(tmp_path: Path, cells: list[str]) -> None:
    content = "T,c,p\n" + "".join(f"{i},{c},{i * i}\n" for i, c in enumerate(cells))
    assert complaint(tmp_path, content, inputs=["T", "c"]).startswith("dataset.inputs=c: it ")


def test_moments_that_are_values_are_days_whatever_their_zone_is(tmp_path: Path) -> None:
    begin = datetime(2020, 1, 1, 18, tzinfo=UTC)
    moments = [begin + timedelta(hours=9 * i) for i in range(12)]
    stream = io.BytesIO()
    frame = {"t": pl.Series(moments).dt.convert_time_zone("Asia/Tokyo"), "p": [i * i for i in range(12)]}
    pl.DataFrame(frame).write_parquet(stream)
    rows = rows_of(tmp_path, stream.getvalue(), name="table.parquet", inputs=["t"])
    assert (rows.inputs[0].column.kind, rows.inputs[0].unit) == (DATE, "d")
    np.testing.assert_allclose(rows.x[:, 0], [m.timestamp() / 86400 for m in moments], rtol=1e-12)
