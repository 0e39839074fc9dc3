"""A delimited text as columns of texts: its small look first, then the engine."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from kanrun.data.table.encoding import BOMS, SAMPLE_BYTES, encoding_meant, encoding_of
from kanrun.data.table.layout import BLANKS, Layout, between_tabs, layout_of, numbered, separator_meant
from kanrun.data.table.raw import MORE, ROW, Raw, Told
from kanrun.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

CHUNK = 1 << 20


def read_text(path: Path, folder: Path, told: Told) -> Raw:
    """CSV and its relatives: every cell as a text."""
    separator = None if told.separator is None else separator_meant(told.separator)
    with path.open("rb") as stream:
        sample = stream.read(SAMPLE_BYTES)
    encoding = encoding_told(path, told, sample)
    complete = len(sample) == path.stat().st_size
    text = codecs.getincrementaldecoder(encoding)("replace").decode(sample, final=complete)
    if "\x00" in text[:10_000]:
        raise ConfigError("it is no text: it holds bytes that are zero")
    layout = layout_of(text.lstrip("\ufeff"), separator, told.decimal, complete, told.called)
    source = as_utf8(path, folder, encoding, layout.separator == BLANKS)

    def records() -> Iterator[tuple[int, int, list[str]]]:
        with source.open(encoding="utf-8", errors="replace", newline="") as stream:
            yield from numbered(stream, layout)

    if layout.quoted and sum(chunk.count(b'"') for chunk in chunks_of(source)) % 2 and (fault := open_quote(records())):
        raise ConfigError(fault)  # the engine leaves out the rest of such a file
    told_of_it = in_words(encoding, told)
    kind, frame = f"text{told_of_it}, {layout.words}", scanned(source, layout)
    doubt = "" if layout.header else " (the first line holds numbers, so it is taken for a row)"
    doubt += f" (the file is{told_of_it[1:]})" if "taken" in told_of_it else ""
    return Raw(frame, layout.names, layout.units, layout, kind, records, doubt=doubt)


def open_quote(records: Iterable[tuple[int, int, list[str]]]) -> str | None:
    """Which quote holds all the rest of a text together, None where there is none."""
    line, cells = 0, list[str]()
    for _, line, cells in records:  # noqa: B007
        pass
    return f"the quote that opens a field in line {line} does not close" if cells and "\n" in cells[-1] else None


def scanned(source: Path, layout: Layout) -> pl.LazyFrame:
    """The rows of a text in UTF-8 as the engine has them."""
    import polars as pl

    fields = len(layout.names) + MORE
    frame = pl.scan_csv(
        str(source), has_header=False, separator="\t" if layout.separator == BLANKS else layout.separator,
        comment_prefix=layout.comment, skip_lines=layout.first, schema={f"c{i}": pl.String for i in range(fields)},
        missing_columns="insert", extra_columns="ignore", glob=False, row_index_name=ROW, encoding="utf8-lossy",
        quote_char='"' if layout.quoted else None,
    )  # fmt: skip
    return frame.slice(layout.skip).with_columns(pl.col(ROW) - layout.skip)


def encoding_told(path: Path, told: Told, sample: bytes) -> str:
    """The encoding: as the user has it, or as it is found."""
    if told.encoding is None:
        return encoding_of(sample, chunks_of(path))
    given = encoding_meant(told.encoding)
    marked = next((name for mark, name in BOMS if sample.startswith(mark)), given)
    return marked if marked.startswith(given) else given  # a mark at the beginning is no letter


def in_words(encoding: str, told: Told) -> str:
    """The encoding for the user, where it is not the usual one; a guess is told as one."""
    if encoding.startswith("utf-8"):
        return ""
    guessed = told.encoding is None and not encoding.startswith("utf")
    return f", taken for {encoding} (if it is not, dataset.encoding says what it is)" if guessed else f", {encoding}"


def chunks_of(path: Path) -> Iterator[bytes]:
    """All bytes of a file."""
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def as_utf8(path: Path, folder: Path, encoding: str, blanks: bool = False) -> Path:
    """The text in the encoding that the engine reads, with tabs for runs of blanks; itself where it has both."""
    if encoding == "utf-8" and not blanks and not ends_lines_with_cr(path):
        return path
    target = folder / "text"
    with (
        path.open(encoding=encoding, errors="replace", newline=None) as source,
        target.open("w", encoding="utf-8", newline="") as stream,
    ):
        for line in source:
            stream.write(between_tabs(line) if blanks else line)
    return target


def ends_lines_with_cr(path: Path) -> bool:
    """Whether lines end as on the Macintosh of old, which the engine does not take for ends."""
    with path.open("rb") as stream:
        sample = stream.read(SAMPLE_BYTES)
    return bool(re.search(rb"\r[^\n]", sample))
