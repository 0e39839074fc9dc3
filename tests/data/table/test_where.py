from __future__ import annotations

import time
from pathlib import Path

import pytest

from kanrun.data.table.asked import Asked
from kanrun.data.table.read import read_table
from kanrun.errors import ConfigError
from tests.data.table.helpers import rows_of, table

GASES = ["N2", "He", ""]
HEADER = 'T,"E (eV)",gas,lambda,ok,day,class,x-1,n,"a=b",p\n'
ROWS = [
    {"T": i, "E": i / 2, "gas": GASES[i % 3], "lambda": i % 7, "ok": i % 2 == 0, "class": i % 4, "x-1": i % 5,
     "n": i % 6 if i % 5 else None}
    for i in range(1, 41)
]  # fmt: skip
CONTENT = HEADER + "".join(
    f"{r['T']},{r['E']},{r['gas']},{r['lambda']},{['yes', 'no'][not r['ok']]},2020-01-{r['T'] % 28 + 1:02d},"
    f"{r['class']},"
    f"{r['x-1']},{'' if r['n'] is None else r['n']},1,{r['T'] ** 2}\n"
    for r in ROWS
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return table(tmp_path_factory.mktemp("where"), CONTENT)


def chosen(path: str, where: str) -> list[int]:
    """The values of T in the rows that are left."""
    return read_table(Asked(path, ["p"], inputs=["T"], where=where)).x[:, 0].astype(int).tolist()


MEANT = {
    "T > 30": lambda r: r["T"] > 30,
    "10<T<=14": lambda r: 10 < r["T"] <= 14,
    "T >= 5 and gas = 'He'": lambda r: r["T"] >= 5 and r["gas"] == "He",
    'gas == "N2" or T < 3': lambda r: r["gas"] == "N2" or r["T"] < 3,
    "not gas == 'N2'": lambda r: r["gas"] == "He",  # of what is missing nothing is true
    "gas != 'N2'": lambda r: r["gas"] == "He",
    "gas in ['N2', 'He']": lambda r: r["gas"] != "",
    "gas not in ('N2',)": lambda r: r["gas"] == "He",
    "T in [1, 2.0, 7]": lambda r: r["T"] in (1, 2, 7),
    "ok": lambda r: r["ok"],
    "not ok and T < 9": lambda r: not r["ok"] and r["T"] < 9,
    "ok == false": lambda r: not r["ok"],
    "ok != (T > 20)": lambda r: r["ok"] != (r["T"] > 20),
    "`E (eV)` > 15": lambda r: r["E"] > 15,
    "E > 15": lambda r: r["E"] > 15,
    "lambda == 3": lambda r: r["lambda"] == 3,
    "class in [1] and lambda > 2": lambda r: r["class"] == 1 and r["lambda"] > 2,
    "`x-1` == 4": lambda r: r["x-1"] == 4,
    "n == n": lambda r: r["n"] is not None,
    "n != 3": lambda r: r["n"] not in (None, 3),
    "not n > 2": lambda r: r["n"] is not None and r["n"] <= 2,
    "n > 2 or T > 30": lambda r: r["T"] > 30 or (r["n"] or 0) > 2,
    "2*T - 3 > 70": lambda r: 2 * r["T"] - 3 > 70,
    "-T < -38": lambda r: r["T"] > 38,
    "+T > 3.8e1": lambda r: r["T"] > 38,
    "T/lambda > 5": lambda r: r["lambda"] != 0 and r["T"] / r["lambda"] > 5,  # by zero there is no value
    "T / 0 > 1 or T > 38": lambda r: r["T"] > 38,
    "GAS == 'He'": lambda r: r["gas"] == "He",
    "(T >\n 38)": lambda r: r["T"] > 38,
    "`a=b` = 1 and T > 38": lambda r: r["T"] > 38,
    "gas != 'a=b'": lambda r: r["gas"] != "",
    "gas != 'true' and gas != 'lambda' and gas != '`'": lambda r: r["gas"] != "",
    "gas > 'I'": lambda r: r["gas"] == "N2",
    "T > 1e299 or T > 38": lambda r: r["T"] > 38,
}


@pytest.mark.parametrize("where", MEANT)
def test_an_expression_chooses_the_rows_that_it_is_true_of(path: str, where: str) -> None:
    assert chosen(path, where) == [r["T"] for r in ROWS if MEANT[where](r)]


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("T > 'a'", "a text stands where a number is needed"),
        ("gas == 5", "a number stands where a text is needed"),
        ("gas in ['N2', 5]", "a number stands where a text is needed"),
        ("ok == 'yes'", "a text stands where a truth value is needed"),
        ("ok and T", "a number stands where a truth value is needed"),
        ("gas + 'a' == 'N2a'", "a text stands where a number is needed"),
        ("T == 1 == true", "a truth value stands where a number is needed"),
        ("T", "neither true nor false of a row"),
        ("T + 1", "neither true nor false of a row"),
        ("'N2' in gas", "a list of values"),
        ("gas in []", "a list of values"),
        ("day > '2020-01-05'", "day holds days, which cannot be compared"),
        ("day > 18000", "day holds days, which cannot be compared"),
        ("1 < 2", "names no column"),
        ("true", "names no column"),
        ("x-1 == 4", "no such column; did you mean 'x-1'"),
        ("None == 1", "no such column"),
        ("T > 1000", "true of none of the 40 rows"),
        ("T ** 2 > 100", "Pow is not allowed"),
        ("T % 2 == 0", "Mod is not allowed"),
        ("T > 1e400", "Constant is not allowed"),
        (f"T > 1{'0' * 400}", "Constant is not allowed"),
        ("T > 1j", "Constant is not allowed"),
        ("T > 1,000", "a comma or a list stands where none is read"),
        ("T > (1, 2)", "a comma or a list stands where none is read"),
        ("[T] == [1]", "a comma or a list stands where none is read"),
        ("not [ok]", "a comma or a list stands where none is read"),
        ("gas == b'N2'", "Constant is not allowed"),
        ("T > 30 & ok", "BitAnd is not allowed"),
        ("", "cannot be read"),
        ("T >", "cannot be read"),
        ("T > 30 AND ok", "cannot be read"),
        ("`T > 1", "cannot be read"),
        ("gas == 'N2", "cannot be read"),
        ("T > 1 and __column_7__ > 1", "no such column"),
        ("T > 1 " * 300, "at most 1000 are read"),
        ("(" * 10_000 + "T > 1" + ")" * 10_000, "at most 1000 are read"),
        ("(" * 400 + "T > 1" + ")" * 400, "cannot be read"),
        ("-" * 200 + "T > 1", "more than 30 brackets and signs"),
        ("T" + "+1" * 200 + " > 1", "more than 30 brackets and signs"),
        ("not " * 100 + "ok", "more than 30 brackets and signs"),
    ],
)
def test_what_means_nothing_is_refused_at_once(path: str, where: str, reason: str) -> None:
    begin = time.process_time()
    with pytest.raises(ConfigError) as caught:
        chosen(path, where)
    (line,) = caught.value.problems
    assert line.startswith("dataset.where=") and reason in line
    assert time.process_time() - begin < 1


def test_rows_left_out_are_counted(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, CONTENT, inputs=["T"], where="T <= 30 and (gas == 'He' or ok)")
    left = sum(r["gas"] == "He" or bool(r["ok"]) for r in ROWS[:30])
    assert (rows.read, len(rows.x), rows.dropped, rows.warnings) == (40, left, {"where": 40 - left}, [])


@pytest.mark.parametrize("where", ["T > 5", "T < 5000", "not (T > 5000)", "T != 7", "T not in [7]"])
@pytest.mark.parametrize("cell", ["warm", "inf", "NA"])
def test_no_comparison_of_what_is_no_number_is_true(tmp_path: Path, where: str, cell: str) -> None:
    lines = [f"{cell if i == 20 else i},{i * i % 7},{i * i}" for i in range(8, 40)]
    rows = rows_of(tmp_path, "\n".join(["T,q,p", *lines]), inputs=["q"], where=where)
    assert (len(rows.x), rows.dropped) == (31, {"where": 1})
    assert [w for w in rows.warnings if w.endswith("is true: line 14")] == rows.warnings[: cell != "NA"]
