"""Whether the output that a page shows is that of the command.

What may differ: times (a number before `s`, the column `seconds`), dates of folders, lines of progress, blanks, and of
numbers that are not whole the last digits, by 1 % or by one of the last digit shown; those below 1e-9 are rounding.
`...` alone in a line stands for any lines.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Any

NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[-+]?\d+)?")
TIME = re.compile(r"\d+(\.\d+)?(?= s\b| seconds\b)")
HEADER = re.compile(r"(?<=  )seconds\b")
FOLDER = re.compile(r"\d{4}-\d\d-\d\d/\d\d-\d\d-\d\d(-\d+)?")
PROGRESS = re.compile(r"structures? tried, the best leaves")
LEFT_OUT, ROUNDING, CLOSE = "...", 1e-9, 0.01


def texts(cell: Any) -> list[str]:
    """The lines of text that a cell of a notebook has printed or given; what is printed may come in several parts."""
    found, before = [""], None
    for output in cell.get("outputs", []):
        kind = output.get("name")
        text = output.text if output.output_type == "stream" else output.get("data", {}).get("text/plain", "")
        goes_on = kind is not None and kind == before
        found = [*found[:-1], found[-1] + text] if goes_on else [*found, text]
        before = kind
    return [re.sub(r" at 0x[0-9a-f]+", "", ln).rstrip() for part in found for ln in part.rstrip().splitlines()]


def agree(shown: list[str], real: list[str]) -> bool:
    """Whether they are the same up to what may differ."""
    return places(plain(shown), plain(real)) is not None


def places(shown: list[str], real: list[str]) -> list[int] | None:
    """Where in the real lines each part between `...` begins; None where one is not found, in this order."""
    parts, found, at = split(shown), [], 0
    for number, part in enumerate(parts):
        first, last = number == 0, number == len(parts) - 1
        starts = [len(real) - len(part)] if last and not first else [0] if first else range(at, len(real))
        fits = (s for s in starts if s >= at and same_lines(part, real[s : s + len(part)]))
        start = next(fits, None)
        if start is None or (first and last and len(part) != len(real)):
            return None
        found.append(start)
        at = start + len(part)
    return found


def updated(shown: list[str], real: list[str]) -> list[str]:
    """The real lines, with what is left out where it was: of each part as many lines, those that are most alike."""
    parts = split(shown)
    if len(parts) == 1:
        return real
    found: list[str] = []
    at = 0
    for number, part in enumerate(parts):
        if number == 0:
            start = 0
        elif number == len(parts) - 1:
            start = max(at, len(real) - len(part))
        else:
            text = "\n".join(part)
            options = range(at, max(at, len(real) - len(part)) + 1)
            start = max(options, key=lambda s: SequenceMatcher(None, text, "\n".join(real[s : s + len(part)])).ratio())
        found += [LEFT_OUT] * (number > 0) + real[start : start + len(part)]
        at = start + len(part)
    return found


def split(lines: list[str]) -> list[list[str]]:
    """The parts between lines that stand for others."""
    parts: list[list[str]] = [[]]
    for line in lines:
        if line.strip() == LEFT_OUT:
            parts.append([])
        else:
            parts[-1].append(line)
    return parts


def plain(lines: list[str]) -> list[str]:
    """The lines without times, dates and progress, and with single blanks; none that are empty at the end."""
    found: list[str] = []
    column: tuple[int, int] | None = None  # of times, in the table that a line belongs to
    for line in lines:
        if PROGRESS.search(line):
            continue
        header = HEADER.search(line)
        if header:
            column = header.span()
        elif column:
            line, column = without_time(line, column)
        found.append(FOLDER.sub("DATE", TIME.sub("TIME", " ".join(line.split()))))
    while found and not found[-1]:
        found.pop()
    return found


def without_time(row: str, column: tuple[int, int]) -> tuple[str, tuple[int, int] | None]:
    """A table's row without its time and the column of times; as it is, and None, where the table has ended."""
    for word in re.finditer(r"\S+", row):
        if word.start() < column[1] and word.end() > column[0]:
            if not re.fullmatch(r"\d+(\.\d+)?|-", word[0]):
                break
            return row[: word.start()] + "TIME" + row[word.end() :], column
    return row, None


def same_lines(one: list[str], other: list[str]) -> bool:
    """Whether the plain lines are the same but for last digits."""
    return len(one) == len(other) and all(map(same_line, one, other))


def same_line(one: str, other: str) -> bool:
    """Whether texts agree, and numbers but for last digits."""
    if NUMBER.sub("#", one) != NUMBER.sub("#", other):
        return False
    return all(map(same_number, NUMBER.findall(one), NUMBER.findall(other)))


def same_number(one: str, other: str) -> bool:
    """Whether they are the same, or the same but for last digits where they are not whole."""
    if one == other:
        return True
    a, b = float(one), float(other)
    if max(a, b) < ROUNDING:
        return True
    if one.isdigit() and other.isdigit():
        return False
    allowed = max(CLOSE * max(a, b), 1.01 * max(last_digit(one), last_digit(other)))
    return abs(a - b) <= min(allowed, max(a, b) / 2)


def last_digit(text: str) -> float:
    """What one of its last digit is worth."""
    digits, _, exponent = text.partition("e")
    return float(10.0 ** (int(exponent or 0) - len(digits.partition(".")[2])))
