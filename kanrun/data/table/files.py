"""A file of a known kind as a lazy frame of raw columns. Paths are those of files on this machine, never addresses."""

from __future__ import annotations

import gzip
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from kanrun.data.table.arrays import read_npy, read_npz
from kanrun.data.table.layout import SAMPLE_RECORDS, decimal_of
from kanrun.data.table.objects import read_json
from kanrun.data.table.raw import Raw, Reader, Told, renamed
from kanrun.data.table.text import CHUNK, open_quote, read_text
from kanrun.errors import ConfigError, shorten

COMMA = ", decimal comma"
KINDS = "text such as CSV, .xlsx, .parquet, .jsonl, .npy and .npz, also compressed as .gz"


@contextmanager
def opened(path: Path, told: Told) -> Iterator[Raw]:
    """The file as columns, which can be read until the context ends. Raises ConfigError for what is no table."""
    import polars as pl

    raw: Raw | None = None
    try:
        check_path(path)
        packed = begins_with(path, b"\x1f\x8b")
        name = path.name.lower().removesuffix(".gz") if packed else path.name.lower()
        with tempfile.TemporaryDirectory(prefix="kanrun-") as folder:
            plain = unpacked(path, Path(folder)) if packed else linked(path, Path(folder))
            try:
                raw = marked(reader_of(plain, name)(plain, Path(folder), told), told)
                yield raw
            except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
                raise ConfigError(damage_of(raw)) from None
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise ConfigError("it cannot be unpacked: it is damaged, or the rest of it is missing") from None
    except OSError as error:
        raise ConfigError(f"it cannot be read ({error.strerror or shorten(str(error), 80)})") from None
    except MemoryError:
        raise ConfigError("there is not enough memory for it") from None


def damage_of(raw: Raw | None) -> str:
    """What is wrong with a file that the engine has not read."""
    if raw is None or raw.records is None:
        return "it is damaged, or the rest of it is missing"
    return open_quote(raw.records()) or "its quotes do not match"


def check_path(path: Path) -> None:
    """Raises ConfigError for what is not there, not a file, or empty."""
    if path.is_dir():
        tables = sorted(p.name for p in path.iterdir() if p.suffix.lower() in (".csv", ".tsv", ".txt", ".xlsx"))
        raise ConfigError("it is a folder, a file is needed" + (f"; in it are {', '.join(tables[:4])}" * bool(tables)))
    if not path.exists():
        raise ConfigError(f"there is no such file{near(path)}")
    if not path.is_file():
        raise ConfigError("it is no plain file")
    if not os.access(path, os.R_OK):
        raise ConfigError("it may not be read")
    if path.stat().st_size == 0:
        raise ConfigError("the file is empty (0 bytes); a table needs a header line and rows of numbers")


def near(path: Path) -> str:
    """The file in the same folder that was probably meant."""
    import difflib

    folder = path.parent
    if not folder.is_dir():
        return f", nor a folder {folder}"
    names = [p.name for p in folder.iterdir() if p.is_file()]
    close = difflib.get_close_matches(path.name, names, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def begins_with(path: Path, mark: bytes) -> bool:
    """Whether the first bytes of a file are these."""
    with path.open("rb") as stream:
        return stream.read(len(mark)) == mark


def unpacked(path: Path, folder: Path) -> Path:
    """The content of a gz-compressed file, in a file of its own."""
    target = folder / "unpacked"
    with gzip.open(path, "rb") as source, target.open("wb") as stream:
        while chunk := source.read(CHUNK):
            stream.write(chunk)
    if not target.stat().st_size:
        raise ConfigError("there is nothing in the compressed file")
    return target


def linked(path: Path, folder: Path) -> Path:
    """The file by a plain name, in which no engine finds a pattern, an address or the value of a column."""
    target = folder / "table"
    try:
        target.symlink_to(path.resolve())
    except OSError:  # as on Windows without the right to
        return path.resolve()
    return target


def reader_of(path: Path, name: str) -> Reader:
    """What reads it, by its first bytes where they tell and else by its ending."""
    marks = {b"PAR1": read_parquet, b"\x93NUMPY": read_npy}
    for mark, reader in marks.items():
        if begins_with(path, mark):
            return reader
    if begins_with(path, b"PK\x03\x04") or begins_with(path, b"\xd0\xcf\x11\xe0"):
        return read_npz if name.endswith(".npz") else read_excel
    if name.endswith((".parquet", ".npy", ".npz", ".xlsx", ".xls", ".ods")):
        raise ConfigError(f"it ends in .{name.rpartition('.')[2]}, but something else is in it")
    for mark in (b"%PDF", b"\x89PNG", b"SQLite", b"\x7fELF", b"\x80\x04", b"ARROW1", b"\x89HDF"):
        if begins_with(path, mark):
            raise ConfigError(f"it is no table that can be read ({mark.strip(bytes([0x89, 0x80, 0x7f, 4]))!r:.12}); "
                              f"tables are {KINDS}")  # fmt: skip
    if name.endswith((".jsonl", ".ndjson", ".json")):
        return read_json
    return read_text


def marked(raw: Raw, told: Told) -> Raw:
    """A file of values with the decimal mark of the numbers that stand in texts there."""
    import polars as pl

    if raw.layout is not None:
        return raw
    mark = told.decimal
    if mark is None:
        texts = raw.frame.select([name for name, kind in raw.frame.collect_schema().items() if kind == pl.String])
        sample = texts.head(SAMPLE_RECORDS).collect(engine="streaming")
        mark = decimal_of([[cell or "" for cell in row] for row in sample.iter_rows()], ",")
    return replace(raw, mark=mark, kind=raw.kind + COMMA * (mark == ","))


def read_parquet(path: Path, folder: Path, told: Told) -> Raw:  # noqa: ARG001
    """Columns with types."""
    import polars as pl

    return renamed(pl.scan_parquet(str(path), glob=False, hive_partitioning=False), "Parquet")


def read_excel(path: Path, folder: Path, told: Told) -> Raw:
    """The first sheet with a table in it, by way of its cells as text."""
    from python_calamine import CalamineWorkbook

    try:
        with path.open("rb") as stream:  # and not by its path, whose ending would say what is in it
            book = CalamineWorkbook.from_filelike(stream)
            sheets = [(name, book.get_sheet_by_name(name).to_python()) for name in book.sheet_names]
    except Exception as error:  # whatever its parts raise
        reason = f"it cannot be read as a workbook ({shorten(str(error), 80)})"
        raise ConfigError(f"{reason}; a table in a .zip has to be unpacked first" if zipped(path) else reason) from None
    name, rows = next(((n, r) for n, r in sheets if r), ("", []))
    if not rows:
        raise ConfigError("there is no table in its sheets")
    target = folder / "sheet"
    texts = [[cell for cell in row if isinstance(cell, str)] for row in rows[:SAMPLE_RECORDS]]
    mark = told.decimal or decimal_of(texts, ",")
    with target.open("w", encoding="utf-8", newline="") as stream:
        write_rows(stream, rows, mark)
    raw = read_text(target, folder, Told(",", mark, "utf-8", told.called))
    others = f", the first of {len(sheets)}" if len(sheets) > 1 else ""
    return replace(raw, kind=f"workbook, sheet {name!r}{others}" + COMMA * (mark == ","))


def zipped(path: Path) -> bool:
    """Whether it is a .zip, as workbooks are, too."""
    return begins_with(path, b"PK")


def write_rows(stream: IO[str], rows: list[list[Any]], mark: str) -> None:
    """The cells of a sheet as CSV, numbers in full with the decimal mark of its texts."""
    import csv

    writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)  # so that # begins no comment
    for row in rows:
        cells = [repr(c).replace(".", mark) if isinstance(c, float) else str(c).replace("\n", " ") for c in row]
        writer.writerow(cells)
