"""What a delimited text file is: encoding, separator, decimal mark, comments, header and units row."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from kanrun.data.table.cells import NUMBERS, is_missing, is_number
from kanrun.errors import ConfigError

SAMPLE_BYTES, SAMPLE_RECORDS = 1 << 18, 200
SEPARATORS = {"\t": "tab", ";": "semicolon", ",": "comma", "|": "bar"}
BLANKS = " "  # any run of blanks
COMMENTS = ("#", "%", "//", "!")
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
# Of the encodings with one byte a letter those that spreadsheets and instruments write; where several give letters,
# charset-normalizer chooses.
OLD_ENCODINGS = ("cp1252", "cp1250", "cp1251", "cp1253", "shift_jis", "gb18030", "big5", "euc_kr", "mac_roman")


@dataclass(frozen=True)
class Layout:
    """How the records of a text become rows.

    `first` is the number of lines before the records, comments among them; `names` and `units` are the cells of header
    and units row, none where there is none. `skip` records follow the lines before the rows begin.
    """

    separator: str
    decimal: str
    comment: str | None
    first: int
    skip: int
    names: tuple[str, ...]
    units: tuple[str, ...]
    header: bool

    @property
    def words(self) -> str:
        """What was understood, for the user."""
        mark = {".": "decimal point", ",": "decimal comma"}[self.decimal]
        separator = "blanks" if self.separator == BLANKS else SEPARATORS.get(self.separator, repr(self.separator))
        parts = [f"separated by {separator}", mark, "header" if self.header else "no header"]
        return ", ".join([*parts, *(["units row"] if self.units else [])])


SIGNS = frozenset("°µ²³·×÷±½¼¾§«»€£¥–—’‘“”…‰ ")  # noqa: RUF001


def encoding_of(sample: bytes, chunks: Iterable[bytes]) -> str:
    """The encoding of a text that begins with `sample`, all of which `chunks` give."""
    for mark, name in BOMS:
        if sample.startswith(mark):
            return name
    if zeros := wide_encoding(sample):
        return zeros
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in chunks:
            odd = chunk
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return old_encoding(sample if any(b > 127 for b in sample) else odd)
    return "utf-8"


def wide_encoding(sample: bytes) -> str | None:
    """UTF-16 without a byte order mark, where every other byte of the beginning is zero."""
    even, odd = sample[0:400:2], sample[1:400:2]
    if len(odd) > 1 and odd.count(0) > 0.7 * len(odd) and even.count(0) < 0.1 * len(even):
        return "utf-16-le"
    if len(even) > 1 and even.count(0) > 0.7 * len(even) and odd.count(0) < 0.1 * len(odd):
        return "utf-16-be"
    return None


def old_encoding(sample: bytes) -> str:
    """The likeliest encoding of a text that is no UTF-8."""
    from charset_normalizer import from_bytes

    lines = [line for line in sample.splitlines() if any(b > 127 for b in line)]
    odd = b"\n".join(lines[:200])
    try:
        western = odd.decode("cp1252")
    except UnicodeDecodeError:
        western = ""
    # A letter or a sign of units among ASCII is what Windows-1252 is full of, and what guesses by statistics miss in
    # the few words of a table.
    strange = [c for c in western if ord(c) > 127]
    if strange and all(c.isalpha() or c in SIGNS for c in strange) and len(strange) < len(western) / 3:
        return "cp1252"
    best = from_bytes(odd, cp_isolation=list(OLD_ENCODINGS)).best()
    return best.encoding if best else "cp1252"


def layout_of(text: str, separator: str | None = None, decimal: str | None = None, complete: bool = True) -> Layout:
    """What the beginning of a text says. Raises ConfigError where there are no records.

    `separator` and `decimal` are taken as they are where they are given; without `complete` the last line is cut off.
    """
    lines = text.splitlines()
    lines = lines if complete or len(lines) < 2 else lines[:-1]
    comment, first = comments_before(lines)
    records = [line for line in lines[first:] if line.strip() and not (comment and line.startswith(comment))]
    if not records:
        raise ConfigError("it holds comments and no table" if first else "it holds no table")
    separator = separator or separator_of(records)
    rows = split(records[:SAMPLE_RECORDS], separator)
    decimal = decimal or decimal_of(rows[1:] or rows, separator)
    names = header_of(rows, decimal)
    above = header_in_comment(lines[:first], comment, separator, len(rows[0])) if names is None and comment else None
    header = names is not None or above is not None
    units = units_row(rows, decimal) if names is not None else ()
    # Blank lines and comments before the header are lines for the engine, too.
    start = first + next(i for i, line in enumerate(lines[first:]) if line.strip() and not is_comment(line, comment))
    width = max(Counter(len(r) for r in rows).most_common(1)[0][0], len(names or ()))
    plain = tuple(f"x_{i + 1}" for i in range(width))
    found = Layout(separator, decimal, comment, start, 0, tuple(names or above or plain), units, header)
    return replace(found, skip=(names is not None) + bool(units))


def is_comment(line: str, comment: str | None) -> bool:
    """Whether a line is one."""
    return comment is not None and line.startswith(comment)


def comments_before(lines: Sequence[str]) -> tuple[str | None, int]:
    """What comments begin with, None where there are none at the top; and the number of lines that they take."""
    filled = next((line for line in lines if line.strip()), "")
    comment = next((c for c in COMMENTS if filled.startswith(c)), None)
    if comment is None:
        # A header may begin with #, as in "#time,voltage", and nothing below it does.
        return ("#" if any(line.startswith("#") for line in lines) else None), 0
    count = 0
    for line in lines:
        if line.strip() and not line.startswith(comment):
            break
        count += 1
    return comment, count


def header_in_comment(lines: Sequence[str], comment: str, separator: str, width: int) -> list[str] | None:
    """The names in the last comment above the rows, where it has as many fields as they have: "# time voltage"."""
    filled = [line.lstrip(comment).strip() for line in lines if line.strip(comment + " \t")]
    cells = split(filled[-1:], separator)[0] if filled else []
    return cells if len(cells) == width and width > 1 and not any(is_number(c, ".") for c in cells) else None


def split(lines: Sequence[str], separator: str) -> list[list[str]]:
    """The cells of records."""
    if separator == BLANKS:
        return [line.split() for line in lines]
    return [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator) if row]


def separator_of(records: Sequence[str]) -> str:
    """The separator that gives most records the same number of fields, and the most numbers."""
    sample = list(records[:SAMPLE_RECORDS])
    best, most = ",", (0.0, 0.0)
    for separator in (*SEPARATORS, BLANKS):
        rows = split(sample, separator)
        width, count = Counter(map(len, rows)).most_common(1)[0]
        if width < 2:
            continue
        even = count / len(rows) * (1.0 if len(rows[0]) in (width, width - 1) else 0.5)
        cells = [cell for row in rows[1:] or rows for cell in row]
        numbers = sum(bool(NUMBERS["."].fullmatch(c) or NUMBERS[","].fullmatch(c)) for c in cells) / max(1, len(cells))
        worth = round(even, 2) + round(numbers, 2) * (0.3 if separator == BLANKS else 1.0), even
        if worth > most:
            best, most = separator, worth
    return best


def decimal_of(rows: Sequence[Sequence[str]], separator: str) -> str:
    """The decimal mark, by what commas and points do in the cells."""
    cells = [cell for row in rows for cell in row]
    grouped = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?")
    commas = [c for c in cells if "," in c and is_number(c, ",")]
    points = [c for c in cells if "." in c and is_number(c, ".") and not re.fullmatch(r"[-+]?\d{1,3}(\.\d{3})+", c)]
    surely = [c for c in commas if not grouped.fullmatch(c)]
    if points and not surely:
        return "."
    if surely:
        return "," if len(surely) >= len(points) else "."
    # All of them are such as 1,234: a thousand where fields are separated by commas, a decimal where by semicolons.
    return "," if commas and separator == ";" else "."


def header_of(rows: Sequence[Sequence[str]], decimal: str) -> list[str] | None:
    """The names in the first record, None where it holds values as the others do."""
    first = rows[0]
    if any(is_number(cell, decimal) for cell in first) and not text_over_numbers(rows, decimal):
        return None
    return list(first)


def text_over_numbers(rows: Sequence[Sequence[str]], decimal: str) -> bool:
    """Whether the first record has a text in most columns of numbers: a header in which some names are numbers."""
    columns = [i for i in range(len(rows[0])) if numeric_below(rows, i, 1, decimal)]
    texts = [i for i in columns if not is_number(rows[0][i], decimal) and not is_missing(rows[0][i])]
    return 2 * len(texts) > len(columns)


def numeric_below(rows: Sequence[Sequence[str]], column: int, start: int, decimal: str) -> bool:
    """Whether a column has numbers from record `start` on."""
    cells = [row[column] for row in rows[start:] if len(row) > column and not is_missing(row[column])]
    return bool(cells) and sum(is_number(c, decimal) for c in cells) > 0.6 * len(cells)


def units_row(rows: Sequence[Sequence[str]], decimal: str) -> tuple[str, ...]:
    """The cells of the second record where it is one of units: texts over columns of numbers."""
    if len(rows) < 3:
        return ()
    second = rows[1]
    columns = [i for i in range(min(len(second), len(rows[0]))) if numeric_below(rows, i, 2, decimal)]
    cells = [second[i] for i in columns]
    filled = [c for c in cells if not is_missing(c) or c == "-"]
    if not filled or any(is_number(c, decimal) or len(c) > 24 for c in cells) or 2 * len(filled) < len(columns):
        return ()
    return tuple(second)


def numbered(lines: Iterable[str], layout: Layout) -> Iterator[tuple[int, int, list[str]]]:
    """Every record of the rows: its number from 0, its line in the file from 1, and its cells.

    Records are counted as the engine counts them: blank lines are records, comments are none.
    """
    at = layout.first

    def without_comments() -> Iterator[str]:
        nonlocal at
        for line in islice(lines, layout.first, None):
            at += 1
            if not is_comment(line, layout.comment):
                yield line

    reader = csv.reader(without_comments(), delimiter="\t" if layout.separator == BLANKS else layout.separator)
    number, seen = -layout.skip, at
    for cells in reader:
        begun, seen = seen + 1, at
        if number >= 0:
            yield number, min(begun, at), cells
        number += 1
