"""Files of every kind, whole and damaged: the same table from each, or one line."""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from kanrun.data.table import files
from kanrun.data.table.asked import Asked
from kanrun.data.table.read import read_table
from kanrun.errors import ConfigError
from tests.data.table.helpers import NUMBERS, PLAIN, TOTAL, complaint, inputs_of, rows_of, table

COLUMNS = {"T": [float(i) for i in NUMBERS], "V": [i * i % 7 for i in NUMBERS], "p": [i**3 for i in NUMBERS]}
OBJECTS = [dict(zip(COLUMNS, values, strict=True)) for values in zip(*COLUMNS.values(), strict=True)]
ARRAY = np.array(list(COLUMNS.values())).T


def parquet(frame: pl.DataFrame | None = None) -> bytes:
    stream = io.BytesIO()
    (pl.DataFrame(COLUMNS) if frame is None else frame).write_parquet(stream)
    return stream.getvalue()


def npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


CELL = '<c t="inlineStr"><is><t>{}</t></is></c>'


def workbook(*sheets: list[list[Any]]) -> bytes:
    """The least that is a workbook."""
    stream, main = io.BytesIO(), "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    relations = "http://schemas.openxmlformats.org/package/2006/relationships"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    numbers = range(1, len(sheets) + 1)
    with zipfile.ZipFile(stream, "w") as book:
        top = f'<Relationship Id="b" Type="{office}/officeDocument" Target="xl/workbook.xml"/>'
        book.writestr("_rels/.rels", f'<Relationships xmlns="{relations}">{top}</Relationships>')
        names = "".join(f'<sheet name="S{k}" sheetId="{k}" r:id="r{k}"/>' for k in numbers)
        book.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{names}</sheets></workbook>'
        )
        links = "".join(
            f'<Relationship Id="r{k}" Type="{office}/worksheet" Target="worksheets/s{k}.xml"/>' for k in numbers
        )
        book.writestr("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{relations}">{links}</Relationships>')
        for k, rows in zip(numbers, sheets, strict=True):
            lines = "".join(
                "<row>"
                + "".join(f"<c><v>{c}</v></c>" if not isinstance(c, str) else CELL.format(c) for c in row)
                + "</row>"
                for row in rows
            )
            sheet = f'<worksheet xmlns="{main}"><sheetData>{lines}</sheetData></worksheet>'
            book.writestr(f"xl/worksheets/s{k}.xml", sheet)
    return stream.getvalue()


SHEET = [["T", "V", "p"], *ARRAY.tolist()]
FILES: dict[str, bytes] = {
    "t.csv": PLAIN.encode(),
    "t.txt": PLAIN.replace(",", "   ").encode(),
    "t.parquet": parquet(),
    "t.jsonl": "\n".join(map(json.dumps, OBJECTS)).encode(),
    "bom.jsonl": "\n".join(map(json.dumps, OBJECTS)).encode("utf-16"),
    "t.json": json.dumps(OBJECTS, indent=1).encode(),
    "columns.json": json.dumps(COLUMNS).encode(),
    "index.json": json.dumps({k: dict(enumerate(v)) for k, v in COLUMNS.items()}).encode(),
    "s.npy": npy(np.array(list(map(tuple, ARRAY)), dtype=[("T", ">f4"), ("V", "i2"), ("p", "f8")])),
    "t.npz": npz(**{k: np.array(v) for k, v in COLUMNS.items()}),
    "t.xlsx": workbook(SHEET),
    "title.xlsx": workbook([], [["# by hand"], [], *SHEET], [["other"]]),
}
DAMAGED = ["t.parquet", "t.json", "s.npy", "t.npz", "t.xlsx"]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("name", FILES)
def test_the_same_table_from_every_kind_of_file(tmp_path: Path, name: str, packed: bool) -> None:
    content = gzip.compress(FILES[name]) if packed else FILES[name]
    rows = rows_of(tmp_path, content, name=name + ".gz" * packed)
    assert inputs_of(rows) == ["T", "V"]
    assert np.array_equal(rows.x, ARRAY[:, :2])
    assert rows.y.sum() == TOTAL and rows.read == 12 and not rows.dropped and not rows.warnings


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_half_a_file_is_one_line(tmp_path: Path, name: str, part: float) -> None:
    content = FILES[name]
    assert complaint(tmp_path, content[: int(part * len(content))], name=name).startswith("dataset.path=")


@pytest.mark.parametrize("name", FILES)
def test_half_a_packed_file_is_one_line(tmp_path: Path, name: str) -> None:
    packed = gzip.compress(FILES[name])
    assert "cannot be unpacked" in complaint(tmp_path, packed[: len(packed) // 2], name=name + ".gz")
    assert "cannot be unpacked" in complaint(tmp_path, packed[:12] + b"\xff" * 20 + packed[32:], name=name + ".gz")


@pytest.mark.parametrize("name", ["t.parquet", "t.jsonl", "t.json", "s.npy", "t.npz", "t.xlsx", "t.csv"])
def test_wrong_bytes_within_a_file_end_in_rows_or_one_line(tmp_path: Path, name: str) -> None:
    random = np.random.default_rng(0)
    for _ in range(12):
        content = bytearray(FILES[name])
        at = random.integers(0, len(content), 8)
        for place in at:
            content[place] = random.integers(0, 256)
        path = table(tmp_path, bytes(content), name)
        with suppress(ConfigError):
            read_table(Asked(path, ["p"]))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("t.csv", b"", "empty (0 bytes)"),
        ("t.csv", b"T,V,p\n", "no row below"),
        ("t.csv", b"T,p\n1,2\n", "only one row"),
        ("t.csv", b"\n\n", "no table"),
        ("t.csv", gzip.compress(b"", mtime=0), "nothing in the compressed file"),
        ("t.csv", b"%PDF-1.4 ...", "no table that can be read"),
        ("t.csv", b"a,p\n1," + bytes(60) + b"\n", "bytes that are zero"),
        ("t.parquet", PLAIN.encode(), "something else is in it"),
        ("t.zip", npz(T=ARRAY), "unpacked first"),
        ("t.csv", b'T,p\n1,"2"a\n3,"4"b\n', "its quotes do not match"),
        ("t.csv", b'T,p,n\n1,2,"a\n3,4,b\n5,6,c\n', "the quote that opens a field in line 2"),
        ("t.npy", npy(np.array([{}, 1], dtype=object)), "pickled"),
        ("t.npz", npz(T=np.array([{}, 1], dtype=object), p=ARRAY[:, 2]), "pickled"),
        ("t.npy", npy(np.array(3.0)), "rows and columns"),
        ("t.npy", npy(np.zeros((2, 2, 2))), "rows and columns"),
        ("t.npy", npy(ARRAY + 1j), "rows and columns"),
        ("t.npy", npy(ARRAY[:0]), "no rows"),
        ("t.npy", npy(ARRAY[:, :0]), "no columns"),
        ("t.npz", npz(T=ARRAY[:3, 0], p=ARRAY[:, 2]), "not of one length"),
        ("t.jsonl", b'{"T": 1, "p": 2}\n{"T": 2,', "line 2 is no JSON"),
        ("t.jsonl", b"word\n", "no JSON from line 1"),
        ("t.jsonl", b'{"p": 1}\n[1]\n', "line 2 is no object"),
        ("t.json", b"[[1, 2], [3, 4]]", "row 1 is no object"),
        ("t.json", b"[]", "no columns"),
        ("t.json", b"3", "a list of objects such as"),
        ("t.json", b'{"p": [1, 2], "T": [1]}', "lists of the same length"),
        ("t.json", b"[" * 100_000 + b"]" * 100_000, "too deep"),
        ("t.xlsx", workbook([]), "no table in its sheets"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_in_one_line(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    assert reason in complaint(tmp_path, content, name=name)


def test_a_header_of_numpy_that_promises_too_much_ends_at_once(tmp_path: Path) -> None:
    head, body = npy(ARRAY)[:128], npy(ARRAY)[128:]
    words = b"{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000, 3), }"
    assert "the rest of it is missing" in complaint(tmp_path, head[:10] + words.ljust(117) + b"\n" + body, name="t.npy")


@pytest.mark.parametrize("make", [lambda p: p.mkdir(), os.mkfifo, lambda p: p.symlink_to("/dev/zero"), lambda _: None])
def test_what_is_no_file_is_refused_without_being_opened(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "odd.csv")
    with pytest.raises(ConfigError, match=r"^dataset\.path=\S+: (it is a folder|it is no plain file|there is no such)"):
        read_table(Asked(str(tmp_path / "odd.csv"), ["p"]))


def test_a_folder_names_its_tables_and_a_slip_the_file_that_was_meant(tmp_path: Path) -> None:
    table(tmp_path, PLAIN, "gas law.csv")
    with pytest.raises(ConfigError, match=r"in it are gas law\.csv"):
        read_table(Asked(str(tmp_path), ["p"]))
    with pytest.raises(ConfigError, match=r"did you mean gas law\.csv\?"):
        read_table(Asked(str(tmp_path / "gaslaw.csv"), ["p"]))


@pytest.mark.parametrize("path", ["a" * 5000, "a\0b", "/" * 5000, "~", "\ud800"])
def test_a_path_that_can_be_none_is_one_line(path: str) -> None:
    with pytest.raises(ConfigError, match=r"^dataset\.path="):
        read_table(Asked(path, ["p"]))


ODD_FILES = [
    "a*.csv",
    "{a,b}.csv",
    "a[0].csv",
    "p=1.parquet",
    "http:.csv",
    "?.jsonl",
    "a b\n.csv",
    "%61.csv",
    "ü.npy",
    "*.jsonl",
]


@pytest.mark.parametrize("name", ODD_FILES)
def test_a_file_name_is_a_name_and_no_pattern(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "x=9"  # which engines take for the value of a column
    folder.mkdir()
    for other in ("ab.csv", "a0.csv", "b.csv", "a.jsonl"):  # what a pattern would find
        table(folder, "nothing", other)
    ending = name.rpartition(".")[2]
    content = {"csv": FILES["t.csv"], "parquet": FILES["t.parquet"], "jsonl": FILES["t.jsonl"], "npy": FILES["s.npy"]}
    rows = rows_of(folder, content[ending], name=name)
    assert rows.y.sum() == TOTAL and inputs_of(rows) == ["T", "V"]


@pytest.mark.parametrize("path", ["http://localhost/t.csv", "s3://bucket/t.parquet", "file:///etc/passwd", "hf://datasets/a/b",
                                  "https://localhost/*.parquet", "gs://a/b.csv", "data:,a", "memory://t"])  # fmt: skip
def test_an_address_is_no_file(path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="there is no such file"):
        read_table(Asked(path, ["p"]))


def test_types_of_parquet_become_numbers_truth_values_and_classes_or_are_set_aside(tmp_path: Path) -> None:
    many = pl.DataFrame(
        {
            "p": COLUMNS["p"],
            "f": pl.Series([math.nan, *range(11)], dtype=pl.Float32),
            "n": [None, *(i * i for i in range(11))],
            "decimal": [Decimal(f"{i * i % 5}.25") for i in NUMBERS],
            "flag": [i % 3 == 0 for i in NUMBERS],
            "gas": pl.Series(["N2", "He", "Ar"] * 4, dtype=pl.Categorical),
            "day": [date(2020, 1, i) for i in NUMBERS],
            "list": [[1, 2]] * 12,
            "object": [{"a": i} for i in NUMBERS],
            "bytes": [b"x"] * 12,
            "nothing": [None] * 12,
        }
    )
    rows = rows_of(tmp_path, parquet(many), name="t.parquet")
    assert inputs_of(rows) == ["f", "n", "decimal", "flag", "gas = He", "gas = N2"]
    assert rows.dropped == {"missing": 1}
    assert np.array_equal(rows.x[:, 2], [float(i * i % 5) + 0.25 for i in NUMBERS][1:])
    aside = next(note for note in rows.notes if note.startswith("not used"))
    assert all(name in aside for name in ("day", "list", "object", "bytes", "nothing"))
    days = rows_of(tmp_path, parquet(many), name="t.parquet", inputs=["day"])
    assert days.x[:, 0].tolist() == [(date(2020, 1, i) - date(1970, 1, 1)).days for i in NUMBERS]


def test_json_with_holes_nan_and_both_kinds_of_values(tmp_path: Path) -> None:
    lines = [{"T": i, "p": i * i, **({"z": i % 4} if i != 3 else {})} for i in NUMBERS]
    rows = rows_of(tmp_path, "\n".join(map(json.dumps, lines)), name="t.jsonl")
    assert inputs_of(rows) == ["T", "z"] and rows.dropped == {"missing": 1}
    lines[4]["T"] = math.nan
    rows = rows_of(tmp_path, json.dumps(lines), name="t.json")
    assert rows.dropped == {"missing": 2}
    lines[4]["T"] = 10**400
    assert rows_of(tmp_path, json.dumps(lines), name="t.json").dropped == {"missing": 1, "no number": 1}


def test_json_of_columns_and_lines_may_hold_texts_truth_values_nan_and_blank_lines(tmp_path: Path) -> None:
    columns = {
        "gas": ["He", "N2"] * 6,
        "ok": [i % 3 == 0 for i in NUMBERS],
        "odd": ["a", 1.5, "b", None] * 3,
        **COLUMNS,
    }
    rows = rows_of(tmp_path, json.dumps(columns), name="columns.json")
    assert inputs_of(rows) == ["gas = N2", "ok", "odd = a", "odd = b", "T", "V"]
    assert rows.dropped == {"missing": 3}
    lines = "\n\n".join(json.dumps(one | {"V": math.nan if one["T"] == 3 else one["V"]}) for one in OBJECTS)
    assert rows_of(tmp_path, lines + "\n", name="t.jsonl").dropped == {"missing": 1}


def refused(*_: object, **__: object) -> None:
    raise PermissionError


def too_large(*_: object) -> None:
    raise MemoryError


def test_what_may_not_be_read_or_is_larger_than_the_memory_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "reader_of", lambda *_: too_large)
    assert complaint(tmp_path, PLAIN).endswith("there is not enough memory for it")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert complaint(tmp_path, PLAIN).endswith("it may not be read")


def test_where_links_may_not_be_made_a_file_is_read_by_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "symlink_to", refused)
    assert rows_of(tmp_path, PLAIN).y.sum() == TOTAL


def test_arrays_of_numpy_in_every_type_that_holds_numbers(tmp_path: Path) -> None:
    for kind in ("f2", "f4", ">f8", "longdouble", "U25", "S25"):
        rows = rows_of(tmp_path, npy(ARRAY.astype(kind)), "x_3", "t.npy")
        assert rows.y.sum() == TOTAL
    assert rows_of(tmp_path, npy(np.asfortranarray(ARRAY)), "x_3", "t.npy").y.sum() == TOTAL
    holes = np.where(ARRAY == 8, np.nan, ARRAY)
    assert rows_of(tmp_path, npy(holes), "x_3", "t.npy").dropped == {"missing": 2}
    assert rows_of(tmp_path, npz(X=ARRAY), "x_3", "t.npz").y.sum() == TOTAL
    rows = rows_of(tmp_path, npz(X=ARRAY[:, :2], p=ARRAY[:, 2], about=np.array(3)), name="t.npz")
    assert inputs_of(rows) == ["X_1", "X_2"] and any("about" in note for note in rows.notes)


def with_texts(name: str, texts: list[str]) -> bytes:
    """A file of values in which one column of numbers, T, stands in texts."""
    lines = [{"T": text, "V": i * i % 7 + 0.25, "p": i**3} for i, text in enumerate(texts)]
    if name == "t.xlsx":
        return workbook([["T", "V", "p"], *(list(line.values()) for line in lines)])
    return parquet(pl.DataFrame(lines)) if name == "t.parquet" else "\n".join(map(json.dumps, lines)).encode()


@pytest.mark.parametrize("name", ["t.jsonl", "t.parquet", "t.xlsx"])
@pytest.mark.parametrize(("mark", "factor"), [(",", 0.001), (".", 1.0)])
def test_numbers_in_texts_have_the_decimal_mark_that_is_asked_for(
    tmp_path: Path, name: str, mark: str, factor: float
) -> None:
    content = with_texts(name, [f"{i},{i:03d}" for i in range(1, 13)])
    rows = rows_of(tmp_path, content, name=name, decimal=mark)
    assert rows.x[:, 0] == pytest.approx([1001 * i * factor for i in range(1, 13)])
    assert rows.x[:, 1].tolist() == [i * i % 7 + 0.25 for i in range(12)]
    assert ("decimal comma" in rows.notes[0]) == (mark == ",")


@pytest.mark.parametrize("name", ["t.jsonl", "t.parquet", "t.xlsx"])
def test_a_decimal_comma_in_texts_is_found_where_one_can_be_nothing_else(tmp_path: Path, name: str) -> None:
    rows = rows_of(tmp_path, with_texts(name, ["1,500", *(f"{i},5" for i in range(2, 13))]), name=name)
    assert rows.x[:, :2].tolist() == [[i + 1.5, i * i % 7 + 0.25] for i in range(12)]
    assert "decimal comma" in rows.notes[0]
