"""What a delimited text file is: separator, decimal mark, comments, header and units row."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice

from kanrun.data.table.cells import NUMBERS, is_missing, is_number
from kanrun.errors import ConfigError, counted, wrong

SAMPLE_RECORDS = 200
SEPARATORS = {"\t": "tab", ";": "semicolon", ",": "comma", "|": "bar"}
BLANKS = " "  # any run of blanks
COMMENTS = ("#", "%", "//", "!")


@dataclass(frozen=True)
class Layout:
    """How the records of a text become rows.

    `first` is the number of lines before the records, comments among them; `names` and `units` are the cells of header
    and units row, none where there is none. `skip` records follow the lines before the rows begin, `title` of which
    stand above the header. `quoted` says whether fields may stand in quotes.
    """

    separator: str
    decimal: str = "."
    comment: str | None = None
    first: int = 0
    skip: int = 0
    names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    header: bool = False
    quoted: bool = True
    title: int = 0

    @property
    def words(self) -> str:
        """What was understood, for the user."""
        mark = {".": "decimal point", ",": "decimal comma"}[self.decimal]
        separator = "blanks" if self.separator == BLANKS else SEPARATORS.get(self.separator, repr(self.separator))
        parts = [f"separated by {separator}", mark, *([f"comments after {self.comment}"] if self.comment else [])]
        parts += [f"{counted(self.title, 'line')} above the header"] if self.title else []
        return ", ".join([*parts, "header" if self.header else "no header", *(["units row"] if self.units else [])])


def layout_of(
    text: str, separator: str | None = None, decimal: str | None = None, complete: bool = True,
    called: Sequence[str] = (),
) -> Layout:  # fmt: skip
    """What the beginning of a text says. Raises ConfigError where there are no records.

    `separator` and `decimal` are taken as they are where they are given; without `complete` the last line is cut off.
    A first record with one of the names in it by which columns are `called` is a header, whatever else it looks like.
    """
    lines = lines_of(text)
    lines = lines if complete or len(lines) < 2 else lines[:-1]
    comment, first = comments_before(lines)
    filled = [line for line in lines[first:] if line.strip() and not is_comment(line, comment)]
    if not filled:
        raise ConfigError("it holds comments and no table" if first else "it holds no table")
    separator = separator or separator_of(filled)
    # Blank lines and comments before the header are lines for the engine, too.
    start = first + next(i for i, line in enumerate(lines[first:]) if line.strip() and not is_comment(line, comment))
    plain = Layout(separator, comment=comment, first=start, quoted=has_quotes(filled, separator))
    numbers, rows = sampled(lines, plain)
    width = Counter(len(r) for r in rows).most_common(1)[0][0]
    title = title_above(rows, width)
    numbers, rows = numbers[title:], rows[title:]
    decimal = decimal or decimal_of(rows[1:] or rows, separator)
    names = header_of(rows, decimal, called)
    if names is not None and len(names) == width - 1 and not has_empty_end(rows[1:], width):
        names = ["", *names]  # as R writes the names of rows, without one of their own
    above = header_in_comment(lines[:start], comment, separator, len(rows[0])) if names is None and comment else None
    units = units_row(rows, decimal) if names is not None else ()
    skip = numbers[bool(units)] + 1 if names is not None else 0
    given = names or above or [f"x_{i + 1}" for i in range(width)]
    given = [*given, *[""] * (width - len(given))]
    header = names is not None or above is not None
    return replace(
        plain, decimal=decimal, skip=skip, names=tuple(given), units=units, header=header, title=numbers[0]
    )  # fmt: skip


def separator_meant(given: str) -> str:
    """The separator that a user has given by a sign or its name. Raises ConfigError for what is none."""
    named = {word: sign for sign, word in SEPARATORS.items()} | {"\\t": "\t", "blank": BLANKS, "blanks": BLANKS}
    found = named.get(given.lower(), given)
    if len(found) != 1 or not found.isascii() or found.isalnum() or found in "\"'\r\n\0.+-":
        allowed = f"one sign, or one of {', '.join(named)}"
        raise ConfigError(wrong("dataset.separator", given, allowed.replace("\t", "\\t")))
    return found


def lines_of(text: str) -> list[str]:
    """The lines of a text, each with its end, whichever of the three it has."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [line + "\n" for line in (lines if lines[-1] else lines[:-1])]


def has_quotes(lines: Sequence[str], separator: str) -> bool:
    """Whether fields stand in quotes: no where there are quotes, but in the middle only, as those of inches are."""
    begin = r"\s" if separator == BLANKS else re.escape(separator)
    return not any('"' in line for line in lines) or any(re.search(rf'(^|{begin})\s*"', line) for line in lines)


def sampled(lines: Sequence[str], layout: Layout) -> tuple[list[int], list[list[str]]]:
    """The first records with anything in them: their numbers as the engine counts, and their cells."""
    spelled = [between_tabs(line) for line in lines] if layout.separator == BLANKS else lines
    found = ((number, [c.strip() for c in cells]) for number, _, cells in numbered(spelled, layout))
    some = list(islice(((number, cells) for number, cells in found if any(cells)), SAMPLE_RECORDS))
    return [number for number, _ in some], [cells for _, cells in some]


def title_above(rows: Sequence[Sequence[str]], width: int) -> int:
    """The number of records above the header that are none: with fewer fields, before one of texts only."""
    used = [i for i in range(width) if 2 * sum(len(r) > i and bool(r[i]) for r in rows) > len(rows)]
    for k, row in enumerate(rows):
        if len(row) >= width and 2 * sum(bool(row[i]) for i in used) > len(used):
            return 0 if any(is_number(c, m) for c in row for m in NUMBERS) else k
    return 0


def has_empty_end(rows: Sequence[Sequence[str]], width: int) -> bool:
    """Whether the last field of most rows is empty: a separator too many at the end."""
    return sum(len(r) < width or not r[width - 1] for r in rows) > 0.5 * len(rows)


def between_tabs(line: str) -> str:
    """A line of words between blanks with tabs instead; quotes hold words together."""
    words = re.findall(r'"[^"]*"\S*|\S+', line) if '"' in line else line.split()
    return "\t".join(words) + "\n"


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
    filled = [line.lstrip(comment).strip() for line in lines if line.strip(comment + " \t\n")]
    cells = split(filled[-1:], separator)[0] if filled else []
    return cells if len(cells) == width and width > 1 and not any(is_number(c, ".") for c in cells) else None


def split(lines: Sequence[str], separator: str) -> list[list[str]]:
    """The cells of records."""
    if separator == BLANKS:
        lines, separator = [between_tabs(line) for line in lines], "\t"
    rows = []
    with suppress(csv.Error):  # of a field that does not end, which is told where records are counted
        for row in csv.reader(lines, delimiter=separator):
            rows.append([cell.strip() for cell in row])
    return [row for row in rows if row]


def separator_of(records: Sequence[str]) -> str:
    """The separator that gives most records the same number of fields, and the most numbers."""
    sample = list(records[:SAMPLE_RECORDS])
    best, most = ",", (0.0, 0.0)
    for separator in (*SEPARATORS, BLANKS):
        rows = split(sample, separator)
        width, count = Counter(map(len, reversed(rows))).most_common(1)[0]  # the last where there are as many: rows
        one = separator == "," and is_one_column(rows)
        best = ";" if one else best
        if width < 2 or one:
            continue
        even = count / len(rows) * (1.0 if len(rows[0]) in (width, width - 1) else 0.5)
        cells = [cell for row in rows[1:] or rows for cell in row]
        numbers = sum(bool(NUMBERS["."].fullmatch(c) or NUMBERS[","].fullmatch(c)) for c in cells) / max(1, len(cells))
        # Words in a field make blanks the separator only where all that they part is numbers.
        weight = 0.3 if separator == BLANKS and numbers < 1 else 1.0
        worth = round(even, 2) + round(numbers, 2) * weight, even
        if worth > most:
            best, most = separator, worth
    return best


def is_one_column(rows: Sequence[Sequence[str]]) -> bool:
    """Whether commas part nothing but the digits of one column: below a single name stand two whole numbers."""
    parted = [row for row in rows[1:] if len(row) == 2]
    return len(rows[0]) == 1 and bool(parted) and all(c.lstrip("+-").isdigit() for row in parted for c in row)


def decimal_of(rows: Sequence[Sequence[str]], separator: str) -> str:
    """The decimal mark, by what commas and points do in the cells."""
    cells = [cell for row in rows for cell in row]
    with_comma, with_point = ([c for c in cells if is_number(c, mark)] for mark in (",", "."))
    surely_comma = sum(not is_number(c, ".") for c in with_comma)
    surely_point = sum(not is_number(c, ",") for c in with_point)
    if surely_comma or surely_point:
        return "," if surely_comma >= surely_point else "."
    # All of them are such as 1,234: a thousand where fields are separated by commas, a decimal where by semicolons.
    return "," if separator == ";" and any("," in c for c in with_comma) else "."


def header_of(rows: Sequence[Sequence[str]], decimal: str, called: Sequence[str] = ()) -> list[str] | None:
    """The names in the first record, None where it holds values as the others do."""
    first = rows[0]
    if set(first) & set(called):
        return list(first)
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
    at, begun, inside = layout.first, layout.first, False

    def without_comments() -> Iterator[str]:
        nonlocal at, begun, inside
        for line in islice(lines, layout.first, None):
            at += 1
            if inside or not is_comment(line, layout.comment):  # in quotes nothing is a comment
                begun, inside = (begun if inside else at), True
                yield line

    reader = csv.reader(
        without_comments(), delimiter="\t" if layout.separator == BLANKS else layout.separator,
        quoting=csv.QUOTE_MINIMAL if layout.quoted else csv.QUOTE_NONE,
    )  # fmt: skip
    number = -layout.skip
    try:
        for cells in reader:
            if number >= 0:
                yield number, begun, cells
            number, inside = number + 1, False
    except csv.Error:  # a field of more than 131,072 letters
        raise ConfigError(f"the field that begins in line {begun} does not end; is a quote missing?") from None
