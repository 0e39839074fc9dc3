"""A file of a known kind as a lazy frame of raw columns. Paths are those of files on this machine, never addresses."""

from __future__ import annotations

import codecs
import gzip
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from kanrun.data.table.layout import BLANKS, SAMPLE_BYTES, Layout, encoding_of, layout_of, numbered
from kanrun.errors import ConfigError, shorten

if TYPE_CHECKING:
    import polars as pl

CHUNK = 1 << 20
ROW = "row number"  # the column that counts records, which no user's column can be called: those are c0, c1, ...
MORE = 3  # fields beyond those of the header that are looked at


@dataclass(frozen=True)
class Raw:
    """A file's rows as the engine reads them: columns c0, c1, ... and `row number`, below names and units.

    Text files have texts in all columns, of which the last `MORE` have no name: what is there is too much. `records`
    gives (number, line, cells) of a text's records.
    """

    frame: pl.LazyFrame
    names: tuple[str, ...]
    units: tuple[str, ...] = ()
    layout: Layout | None = None
    kind: str = ""
    records: Callable[[], Iterator[tuple[int, int, list[str]]]] | None = field(default=None, repr=False)

    @property
    def decimal(self) -> str:
        """The decimal mark of texts."""
        return self.layout.decimal if self.layout else "."


@contextmanager
def opened(path: Path, separator: str | None, decimal: str | None) -> Iterator[Raw]:
    """The file as columns, which can be read until the context ends. Raises ConfigError for what is no table."""
    check_path(path)
    packed = begins_with(path, b"\x1f\x8b")
    name = path.name.lower().removesuffix(".gz") if packed else path.name.lower()
    with tempfile.TemporaryDirectory(prefix="kanrun-") as folder:
        try:
            plain = unpacked(path, Path(folder)) if packed else path
            yield reader_of(plain, name)(plain, Path(folder), separator, decimal)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ConfigError(f"it cannot be unpacked ({shorten(str(error), 80)})") from None


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


def reader_of(path: Path, name: str) -> Callable[[Path, Path, str | None, str | None], Raw]:
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
            kinds = "text such as CSV, .xlsx, .parquet, .jsonl, .npy and .npz, also compressed as .gz"
            raise ConfigError(f"it is no table that can be read ({mark.strip(bytes([0x89, 0x80, 0x7f, 4]))!r:.12}); "
                              f"tables are {kinds}")  # fmt: skip
    if name.endswith((".jsonl", ".ndjson", ".json")):
        return read_json_lines
    return read_text


# ---- text ----------------------------------------------------------------------------------------------------------


def read_text(path: Path, folder: Path, separator: str | None, decimal: str | None) -> Raw:
    """CSV and its relatives: every cell as a text."""
    import polars as pl

    with path.open("rb") as stream:
        sample = stream.read(SAMPLE_BYTES)
    encoding = encoding_of(sample, chunks_of(path))
    complete = len(sample) == path.stat().st_size
    text = codecs.getincrementaldecoder(encoding)("replace").decode(sample, final=complete)
    if "\x00" in text[:10_000]:
        raise ConfigError("it is no text: it holds bytes that are zero")
    layout = layout_of(text.lstrip("\ufeff"), separator, decimal, complete)
    source = as_utf8(path, folder, encoding, layout.separator == BLANKS)
    fields = len(layout.names) + MORE
    frame = pl.scan_csv(
        str(source.resolve()), has_header=False, separator="\t" if layout.separator == BLANKS else layout.separator,
        comment_prefix=layout.comment, skip_lines=layout.first, schema={f"c{i}": pl.String for i in range(fields)},
        missing_columns="insert", extra_columns="ignore", glob=False, row_index_name=ROW, encoding="utf8-lossy",
    )  # fmt: skip
    frame = frame.slice(layout.skip).with_columns(pl.col(ROW) - layout.skip)

    def records() -> Iterator[tuple[int, int, list[str]]]:
        with source.open(encoding="utf-8", errors="replace", newline="") as stream:
            yield from numbered(stream, layout)

    names = "" if encoding.startswith("utf-8") else f", {encoding}"
    return Raw(frame, layout.names, layout.units, layout, f"text{names}, {layout.words}", records)


def chunks_of(path: Path) -> Iterator[bytes]:
    """All bytes of a file."""
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def as_utf8(path: Path, folder: Path, encoding: str, blanks: bool) -> Path:
    """The text in the encoding that the engine reads, with tabs for runs of blanks; itself where it has both."""
    if encoding == "utf-8" and not blanks and not ends_lines_with_cr(path):
        return path
    target = folder / "text"
    with (
        path.open(encoding=encoding, errors="replace", newline=None) as source,
        target.open("w", encoding="utf-8", newline="") as stream,
    ):
        for line in source:
            stream.write("\t".join(line.split()) + "\n" if blanks else line)
    return target


def ends_lines_with_cr(path: Path) -> bool:
    """Whether lines end as on the Macintosh of old, which the engine does not take for ends."""
    with path.open("rb") as stream:
        sample = stream.read(SAMPLE_BYTES)
    return b"\r" in sample and b"\n" not in sample


# ---- others --------------------------------------------------------------------------------------------------------


def read_parquet(path: Path, folder: Path, separator: str | None, decimal: str | None) -> Raw:  # noqa: ARG001
    """Columns with types."""
    import polars as pl

    return renamed(pl.scan_parquet(str(path.resolve()), glob=False), "Parquet")


def read_json_lines(path: Path, folder: Path, separator: str | None, decimal: str | None) -> Raw:  # noqa: ARG001
    """An object a line, or one list of objects."""
    import polars as pl

    with path.open("rb") as stream:
        whole = stream.read(64).lstrip().startswith(b"[")
    if whole:
        return renamed(pl.read_json(path.read_bytes()).lazy(), "JSON")
    return renamed(pl.scan_ndjson(str(path.resolve()), infer_schema_length=None), "JSON lines")


def read_npy(path: Path, folder: Path, separator: str | None, decimal: str | None) -> Raw:  # noqa: ARG001
    """One array [rows, columns] or [rows]; arrays of objects, which are pickled, are refused."""
    return of_array(array_from(path), "NumPy array")


def read_npz(path: Path, folder: Path, separator: str | None, decimal: str | None) -> Raw:  # noqa: ARG001
    """One array [rows, columns], or several of the same length, each a column or a few."""
    found: dict[str, Any] = array_from(path)
    arrays = {name: np.asarray(a) for name, a in found.items()}
    if len(arrays) == 1:
        return of_array(next(iter(arrays.values())), "NumPy arrays")
    columns: dict[str, Any] = {}
    for name, array in arrays.items():
        if array.ndim == 1:
            columns[name] = array
        elif array.ndim == 2:
            columns |= {f"{name}_{i + 1}" if array.shape[1] > 1 else name: array[:, i] for i in range(array.shape[1])}
    if not columns or len({len(c) for c in columns.values()}) != 1:
        shapes = ", ".join(f"{n} {list(a.shape)}" for n, a in list(arrays.items())[:4])
        raise ConfigError(f"its arrays are not of one length: {shapes}")
    return of_columns(list(columns), list(columns.values()), "NumPy arrays")


def array_from(path: Path) -> Any:
    """What NumPy reads without running code."""
    try:
        loaded = np.load(path, allow_pickle=False)
        return dict(loaded) if hasattr(loaded, "files") else loaded
    except (ValueError, OSError, EOFError, zlib.error, KeyError, SyntaxError) as error:
        reason = "it holds pickled objects, which are not read" if "pickle" in str(error) else shorten(str(error), 80)
        raise ConfigError(reason) from None


def of_array(array: Any, kind: str) -> Raw:
    """The columns of an array."""
    if array.dtype.names:
        return of_columns(list(array.dtype.names), [array[n] for n in array.dtype.names], kind)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or array.dtype.kind not in "fiubUS":
        raise ConfigError(f"an array of rows and columns is needed, not {array.dtype} of shape {list(array.shape)}")
    return of_columns([f"x_{i + 1}" for i in range(array.shape[1])], list(array.T), kind)


def of_columns(names: list[str], columns: list[Any], kind: str) -> Raw:
    """Columns in memory."""
    import polars as pl

    series = [pl.Series(f"c{i}", np.ascontiguousarray(c)) for i, c in enumerate(columns)]
    return Raw(pl.DataFrame(series).lazy().with_row_index(ROW), tuple(map(str, names)), kind=kind)


def renamed(frame: pl.LazyFrame, kind: str) -> Raw:
    """A frame of the engine's with plain names."""
    import polars as pl

    names = frame.collect_schema().names()
    if not names:
        raise ConfigError("it has no columns")
    columns = [pl.col(name).alias(f"c{i}") for i, name in enumerate(names)]
    return Raw(frame.select(columns).with_row_index(ROW), tuple(names), kind=kind)


def read_excel(path: Path, folder: Path, separator: str | None, decimal: str | None) -> Raw:  # noqa: ARG001
    """The first sheet with a table in it, by way of its cells as text."""
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError:
        raise ConfigError("a workbook needs the package python-calamine") from None
    try:
        book = CalamineWorkbook.from_path(str(path))
        sheets = [(name, book.get_sheet_by_name(name).to_python()) for name in book.sheet_names]
    except (CalamineError, OSError, ValueError) as error:
        raise ConfigError(f"it cannot be read as a workbook ({shorten(str(error), 80)})") from None
    name, rows = next(((n, r) for n, r in sheets if r), ("", []))
    if not rows:
        raise ConfigError("there is no table in its sheets")
    target = folder / "sheet"
    with target.open("w", encoding="utf-8", newline="") as stream:
        write_rows(stream, rows)
    raw = read_text(target, folder, ",", ".")
    return Raw(raw.frame, raw.names, raw.units, raw.layout, f"workbook, sheet {name!r}", raw.records)


def write_rows(stream: IO[str], rows: list[list[Any]]) -> None:
    """The cells of a sheet as CSV, numbers in full."""
    import csv

    writer = csv.writer(stream, lineterminator="\n")
    for row in rows:
        writer.writerow([repr(c) if isinstance(c, float) else str(c).replace("\n", " ") for c in row])
