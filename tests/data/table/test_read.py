"""Bad rows, bad cells and where they are; and that nothing in a table or a setting is run, read or reached."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kanrun.config.datasets import TableConfig
from kanrun.data.table import read
from kanrun.data.table.asked import Asked
from kanrun.data.table.dataset import make_table
from kanrun.data.table.read import read_table
from kanrun.errors import ConfigError
from tests.data.table.helpers import PLAIN, complaint, inputs_of, rows_of, table

GOOD = [f"{i},{i * i}" for i in range(1, 41)]


def with_bad(lines: list[str]) -> str:
    """A table with the cell `oops` in place of one number."""
    return "\n".join(lines).replace("900", "oops") + "\n"


ABOVE = {
    "plain": ["T,p", *GOOD],
    "comments": ["# by hand", "#", "T,p", *GOOD[:5], "# one", *GOOD[5:8], "# two", "# three", *GOOD[8:]],
    "blank lines": ["", "T,p", "", *GOOD[:5], "", "", *GOOD[5:8], "   ", *GOOD[8:]],
    "units": ["T,p", "K,bar", *GOOD],
    "units after a gap": ["T,p", "", "# units", "K,bar", "", *GOOD],
    "title": ["Made by hand", "", "T,p", *GOOD],
    "quoted lines": ['"T",p,note', *[f'{row},"a\n# b\n\nc"' for row in GOOD]],
    "header of two lines": ['"T\n",p', *GOOD],
    "no header": GOOD,
}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("above", ABOVE)
def test_a_bad_cell_is_named_with_its_line(tmp_path: Path, above: str, end: str) -> None:
    text = with_bad(ABOVE[above])
    line = next(k for k, one in enumerate(text.split("\n"), 1) if "oops" in one)
    rows = rows_of(tmp_path, text.replace("\n", end), "x_2" if above == "no header" else "p")
    told = f"no finite number in {rows.targets[0].header}, such as 'oops'"
    assert rows.warnings == [f"1 row left out: {told}: line {line}"]
    assert len(rows.x) == 39 and rows.dropped == {"no number": 1} and 900 not in rows.y


def test_lines_are_right_in_other_encodings_and_between_blanks(tmp_path: Path) -> None:
    text = with_bad(ABOVE["comments"])
    line = text.split("\n").index("30,oops") + 1
    for content in (text.encode("utf-16"), text.replace(",", "  ").encode()):
        assert rows_of(tmp_path, content).warnings[0].endswith(f"line {line}")


@pytest.mark.parametrize("cell", ["inf", "-Infinity", "1e400", "oops", "1.2.3"])
def test_cells_that_are_no_finite_number_are_left_out_up_to_a_tenth(tmp_path: Path, cell: str) -> None:
    few = "T,p\n" + "".join(f"{i},{cell if i > 36 else i * i}\n" for i in range(1, 41))
    rows = rows_of(tmp_path, few)
    assert len(rows.x) == 36 and "lines 38, 39, 40, 41" in rows.warnings[0]
    many = few.replace("36,1296", f"36,{cell}")
    assert "line" in complaint(tmp_path, many)


def test_ragged_rows_are_named_and_no_value_moves_to_another_column(tmp_path: Path) -> None:
    lines = [f"{i},{i * i % 7},{i**3}" for i in range(1, 41)]
    lines[4], lines[9], lines[19] = "5,4,125,9", "10,2", "20,1,8000,,"
    rows = rows_of(tmp_path, "T,V,p\n" + "\n".join(lines) + "\n")
    assert rows.dropped == {"fields": 2}
    assert rows.warnings == ["2 rows left out: the header has 3, but line 6 has 4 fields, line 11 has 2 fields"]
    assert np.array_equal(rows.y[:, 0], rows.x[:, 0] ** 3)


def test_a_column_without_name_and_cells_is_told_by_its_place(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "T,,p\n" + "".join(f"{i},,{i * i}\n" for i in range(12)))
    assert inputs_of(rows) == ["T"] and "not used: column 2 (empty)" in rows.notes


def test_more_than_a_tenth_of_ragged_rows_is_refused(tmp_path: Path) -> None:
    lines = [f"{i},{i * i}" + ",9" * (i > 34) for i in range(1, 41)]
    assert "6 of 40 rows cannot be used" in complaint(tmp_path, "T,p\n" + "\n".join(lines))


def test_a_row_of_units_with_a_field_too_many_gives_the_units_of_the_columns(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, "T,p\nK,bar,m\n" + "\n".join(GOOD))
    assert [c.unit for c in (rows.inputs[0].column, rows.targets[0])] == ["K", "bar"] and len(rows.x) == 40


MISSES = ["", "NA", "-", "?", "nan", "n/a", "  ", "NULL", "#N/A", "missing", "None", "--"]


def test_missing_values_are_left_out_and_counted_by_column(tmp_path: Path) -> None:
    lines = [f"{m if i % 2 else i},{i if i % 2 else m}" for i, m in enumerate(MISSES)]
    rows = rows_of(tmp_path, "T,p\n" + "\n".join(lines + GOOD))
    assert len(rows.x) == 40 and rows.dropped == {"missing": 12}
    assert rows.warnings == ["12 rows left out for missing values: 6 of p, 6 of T"]


def test_codes_for_missing_values_count_where_nothing_else_is_negative(tmp_path: Path) -> None:
    plain, code = "T,p\n" + "\n".join(GOOD), "\n-999,5\n"
    rows = rows_of(tmp_path, plain + code)
    assert -999 not in rows.x and "-999 in T is taken for a missing value" in rows.warnings[0]
    assert -999 in rows_of(tmp_path, plain + code + "-3,5\n").x


@pytest.mark.parametrize(
    ("content", "target", "more", "reason"),
    [
        (PLAIN, "", {}, "which column is to be explained? There are T, V, p"),
        (PLAIN, "q", {}, "no such column; there are T, V, p"),
        (PLAIN, "p", {"inputs": ["T", "p"]}, "it is the target"),
        (PLAIN, "p", {"inputs": []}, "no column is left as an input"),
        (PLAIN, "p", {"ignore": ["T", "V"]}, "no column is left as an input"),
        (PLAIN, "p", {"ignore": ["q"]}, "no such column"),
        (PLAIN, "p", {"separator": ";;"}, "one sign"),
        (PLAIN, "p", {"encoding": "zip"}, "such as utf-8"),
        ("p\n1\n2\n", "p", {}, "no other column"),
        ("T,p\n1,4\n2,4\n", "p", {}, "it is 4 in all 2 rows"),
        ("T,p\n1,yes\n2,yes\n", "p", {}, "'yes' in all 2 rows, so there is nothing to learn; pick another target"),
        ("T,p\n" + "".join(f"{i},k{i % 500}\n" for i in range(2000)), "p", {}, "500 different values"),
        ("T,p\n" + "".join(f"{i},${i}.50\n" for i in range(9)), "p", {}, "such as '$0.50': neither numbers nor"),
        ("T,p\n" + "".join(f"{i},\n" for i in range(9)), "p", {}, "it is empty"),
        ("T,V,p\n" + "".join(f"{'' if i % 2 else i},{i if i % 2 else ''},{i}\n" for i in range(10)),
         "p", {}, "all 10 rows"),
        ("T,V,W,p\n1,2,4,3\n2,3,8,4\n", "p", {}, "3 inputs for 2 rows; name those that count in dataset.inputs"),
        ("T,p\n" + "".join(f"{i},{i if i % 3 else 'a'}\n" for i in range(9)), "p", {}, "'a' in line 2"),
        ("T,p\n" + "".join(f"{i},2020-01-{i + 1:02d}\n" for i in range(9)), "p", {}, "it holds days"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_line_with_the_way_out(
    tmp_path: Path, content: str, target: str, more: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_table(Asked(table(tmp_path, content), [target] if target else [], **more))
    (line,) = caught.value.problems
    assert line.startswith("dataset.") and reason in line


# ---- nothing is run, written or reached ----------------------------------------------------------------------------


@pytest.fixture
def sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which a table stands; whatever is run, reached or written elsewhere fails the test."""

    def caught(*args: object, **_: object) -> None:
        raise AssertionError(f"reached: {args}")

    for name in ("system", "popen", "execv", "execve", "posix_spawn", "remove"):
        monkeypatch.setattr(os, name, caught)
    monkeypatch.setattr(socket, "create_connection", caught)
    monkeypatch.setattr(socket.socket, "connect", caught)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SECRET", "T")
    table(tmp_path, PLAIN)
    table(tmp_path, "secret,p\n1,2\n3,4\n", "secret.csv")
    yield tmp_path
    assert sorted(p.name for p in tmp_path.iterdir()) == ["secret.csv", "table.csv"]


CODE = [
    "__import__('os').system('touch x')", "T > 1; import os", "T > 1 -- ", "1=1; COPY (SELECT 1) TO 'x'",
    "T > (SELECT p FROM 'secret.csv')", "T > 1) OR (1=1", "exec('1')", "T.__class__", "().__class__.__bases__[0]",
    "[c for c in ().__class__.__base__.__subclasses__()]", "(lambda: 1)()", "f'{T}' == 'a'",
    "open('secret.csv') > 1",
    "T > 1 or breakpoint()", "read_csv('secret.csv')", "pl.read_csv('secret.csv')", "`T`.map_elements(eval)",
    "T := 5", "*T", "T @ T > 1", "T[0] > 1", "T if T else T", "await T", "yield T", "T > 9**9**9", "eval",
    "`eval(1)` > 1",
    "T > ${oc.env:SECRET}", "T > {{1}}", "$(touch x)", "T > 1 | cat secret.csv", "'; DROP TABLE x; --' == T",
]  # fmt: skip


@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize("where", CODE)
def test_where_runs_nothing(where: str) -> None:
    with pytest.raises(ConfigError, match=r"^dataset\.where="):
        read_table(Asked("table.csv", ["p"], where=where))


NAMES = [
    "__import__('os').system('touch x')", "${oc.env:SECRET}", "../secret.csv", "{p.__class__}", "%(p)s", "`touch x`",
    "$(touch x)", "'; DROP TABLE x; --", "=cmd|' /C calc'!A0", "*",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_of_columns_are_only_names(sealed: Path, name: str) -> None:
    for more in ({"inputs": [name]}, {"ignore": [name]}, {"group": name}):
        with pytest.raises(ConfigError, match="no such column"):
            read_table(Asked("table.csv", ["p"], **more))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no such column"):
        read_table(Asked("table.csv", [name]))
    (sealed / "table.csv").write_text(f'"{name}",p\n' + "".join(f"{i},{i * i}\n" for i in range(1, 13)))
    data = make_table(TableConfig(path="table.csv", target="p"), 0, torch.float64)
    assert data.input_names == [name] and data.inputs[0].isidentifier()


@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize("separator", ["__import__('os')", "\n", "", "ab", "\0", '"', "$(x)"])
def test_a_separator_is_one_sign(separator: str) -> None:
    with pytest.raises(ConfigError, match=r"^dataset\.separator="):
        read_table(Asked("table.csv", ["p"], separator=separator))


@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize(
    "path",
    ["http://localhost:9/table.csv", "s3://x/table.csv", "table.csv; touch x", "table.csv|secret.csv",
     "*.csv", "{table}.csv", "t*e.csv", "file:table.csv", "read_csv('table.csv')", "${oc.env:SECRET}", "~/table.csv",
     "table.csv\0.csv"],
)  # fmt: skip
def test_a_path_is_that_of_one_file(path: str) -> None:
    with pytest.raises(ConfigError, match=r"^dataset\.path="):
        read_table(Asked(path, ["p"]))


UNITS = ["9**9**9", "m**999999", "1e999 m", "__import__('os').system('touch x')", "m^m^m", "(((((m)))))" * 9,
         "lambda: 1", "m;s", "{m}", "m" * 100, "[m.__class__]", "10^10^10", "m**-999"]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_units_are_only_units_and_end_at_once(sealed: Path, unit: str) -> None:
    begin = time.process_time()
    with pytest.raises(ConfigError, match=r"^dataset\.units\.T="):
        make_table(TableConfig(path="table.csv", target="p", units={"T": unit}), 0, torch.float64)
    (sealed / "table.csv").write_text(PLAIN.replace("T,", f'"T ({unit})",', 1))
    rows = read_table(Asked("table.csv", ["p"]))
    assert len(rows.x) == 12 and len(inputs_of(rows)) == 2
    assert time.process_time() - begin < 3


def test_a_table_is_read_once_as_long_as_its_file_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, times = tmp_path / "t.csv", list[Path]()
    path.write_text("a,y\n" + "".join(f"{k},{2 * k}\n" for k in range(9)), encoding="utf-8")
    plain = read.opened

    def noted(file: Path, told: Any) -> Any:
        times.append(file)
        return plain(file, told)

    monkeypatch.setattr(read, "opened", noted)
    asked = Asked(str(path), ["y"], ["a"])
    first = read.read_table(asked)
    first.warnings.append("of one who uses it")
    again = read.read_table(asked)
    assert (len(times), again.warnings) == (1, [])
    assert again.y.tolist() == first.y.tolist()
    path.write_text("a,y\n" + "".join(f"{k},{3 * k}\n" for k in range(12)), encoding="utf-8")
    assert read.read_table(asked).y[-1].tolist() == [33.0]
    assert len(times) == 2
    told = []
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"^dataset\.target=z: no such column") as caught:
            read.read_table(Asked(str(path), ["z"]))
        told.append(caught.value)
    assert len(times) == 3 and told[0] is not told[1]
