"""Tables as people have them, read by kanrun and held against a description: `python benchmarks/messy.py MESSY.json`.

The description has for every file what must come of it (`expected`, `rows`, `columns`, sums in `check`) and what must
not; the files lie beside it. One line a file; the exit status is 1 if any is not as described.
"""

from __future__ import annotations

import csv
import json
import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kanrun.data.table.asked import Asked, Rows
from kanrun.data.table.columns import Column, columns_of
from kanrun.data.table.files import opened
from kanrun.data.table.raw import Told
from kanrun.data.table.read import read_table
from kanrun.errors import ConfigError

SECONDS = 120  # after which a command hangs
KINDS = {
    "float": "number", "float32": "number", "float64": "number", "integer": "number", "percent": "number",
    "text": "text", "category": "text", "date": "date", "boolean": "boolean",
}  # fmt: skip


@dataclass
class Seen:
    """What kanrun made of a file: its columns, the rows that are used, and all that it told."""

    path: Path
    about: dict[str, Any]
    columns: list[Column] = field(default_factory=list)
    rows: Rows | None = None
    told: str = ""
    status: int = 0  # of the command, where the file is refused

    @property
    def names(self) -> list[str]:
        """The headers of the file."""
        return [c.header for c in self.columns]

    @property
    def inputs(self) -> list[str]:
        """What the user calls the inputs."""
        return [f.label for f in self.rows.inputs] if self.rows else []

    def values(self, word: str) -> Any:
        """The numbers of the one used column in whose header a word is; None where there is none."""
        assert self.rows is not None
        used = {f.label: self.rows.x[:, i] for i, f in enumerate(self.rows.inputs)}
        used |= {t.header: self.rows.y if self.rows.labels else self.rows.y[:, j]
                 for j, t in enumerate(self.rows.targets)}  # fmt: skip
        found = [values for name, values in used.items() if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", name)]
        return found[0] if len(found) == 1 else None

    def number(self, value: float) -> bool:
        """Whether a number is among those that are used."""
        return self.rows is not None and bool((self.rows.x == value).any() or (self.rows.y == value).any())

    def texts(self) -> list[str]:
        """The columns that should be numbers and are not."""
        wanted = {name for name, kind in self.about["columns"].items() if KINDS.get(first_word(kind)) == "number"}
        return [c.header for c in self.columns if c.header in wanted and c.kind != "number"]


def first_word(kind: str) -> str:
    """The type in a description such as `float, unit s`."""
    return re.split(r"[ ,]", kind)[0]


def seen(path: Path, about: dict[str, Any]) -> Seen:
    """Reads a file; one that should be an error goes through the command as well, for its exit status."""
    found, target = Seen(path, about), about.get("suggested_target", "y")
    try:
        with opened(path, Told(called=(target,))) as raw:
            found.columns = columns_of(raw)[0]
        found.rows = read_table(Asked(str(path), [target]))
        found.told = "\n".join([*found.rows.notes, *found.rows.warnings])
    except ConfigError as error:
        found.told = "\n".join(error.problems)
    if about["expected"] == "error":
        command = [sys.executable, "-m", "kanrun", str(path), f"target={target}"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        found.status, found.told = ended.returncode, ended.stderr.strip()
    return found


# ---- what must be --------------------------------------------------------------------------------------------------


def failures(found: Seen) -> Iterator[str]:
    """What is not as described."""
    about = found.about
    if "bytes" in about and found.path.stat().st_size != about["bytes"]:
        yield f"{found.path.stat().st_size} bytes, described are {about['bytes']}"
    if about["expected"] == "error":
        if found.rows is not None or found.status == 0 or len(found.told.splitlines()) != 1:
            yield f"no refusal in one line: exit status {found.status}, {found.told!r}"
    elif found.rows is None:
        if not about.get("refusal_ok"):
            yield f"refused: {found.told}"
    else:
        if found.rows.read != about["rows"]:
            yield f"{found.rows.read} rows, not {about['rows']}"
        for name, kind in about["columns"].items():
            yield from (f"{name}: {problem}" for problem in of_column(found, name, kind))
        for what, value in about.get("check", {}).items():
            yield from of_check(found, what, value)
    for what in about.get("must_not", []):
        if what not in MUST_NOT:
            yield f"nothing here can tell whether it does this: {what}"
        elif MUST_NOT[what](found):
            yield f"it must not {what}"


def of_column(found: Seen, name: str, kind: str) -> Iterator[str]:
    """What is wrong with a column, whose description is such as `float, 7 missing`."""
    if name.startswith("("):  # one without a name
        if any(not label.strip() or label.startswith("column ") for label in found.inputs):
            yield "it is an input"
        return
    column = next((c for c in found.columns if c.header == name), None)
    if column is None:
        column = next((c for c in found.columns if c.name.name == name), None)
    if column is None:
        yield f"it is not there, but {', '.join(found.names)}"
        return
    if column.kind != KINDS[first_word(kind)]:
        yield f"{column.kind}, not {first_word(kind)}"
    if first_word(kind) == "integer" and not column.whole:
        yield "no whole numbers"
    if first_word(kind) == "percent" and column.unit != "%":
        yield f"unit {column.unit}, not %"
    if (unit := re.search(r"unit (\S+)", kind)) and column.unit != unit.group(1):
        yield f"unit {column.unit}, not {unit.group(1)}"
    if "constant" in kind and (name in found.inputs or name not in found.told):
        yield "the same in all rows, but it is an input, or left out without a word"
    if missing := re.search(r"(\d+) missing", kind):
        used = [*found.inputs, *(t.header for t in found.rows.targets)] if found.rows else []
        if (f"{missing.group(1)} of {name}" if name in used else name) not in found.told:
            yield f"{missing.group(1)} cells are missing without a word"


def of_check(found: Seen, what: str, value: float) -> Iterator[str]:
    """What is wrong with a sum or a count."""
    assert found.rows is not None
    if what == "complete rows":
        if len(found.rows.x) != value:
            yield f"{len(found.rows.x)} {what}, not {value}"
        return
    word = re.sub(r"^sum of | over complete rows$| (true|Yes)$", "", what)
    numbers = found.values(word)
    if numbers is None:
        yield f"{what}: no column of numbers that is used"
    elif not math.isclose(float(numbers.sum()), value, rel_tol=1e-6):
        yield f"{what} is {float(numbers.sum())}, not {value}"


# ---- what must not be: whether it is -------------------------------------------------------------------------------


def wrong_sums(found: Seen) -> bool:
    """Whether a sum is another one, as after a shift of columns."""
    checks = found.about.get("check", {})
    return found.rows is not None and any(list(of_check(found, what, value)) for what, value in checks.items())


def other_values(found: Seen) -> bool:
    """Whether the values that are used are others than those of the lines with as many fields as columns."""
    if found.rows is None:
        return False
    width, good = len(found.columns), []
    with found.path.open(encoding="utf-8", newline="") as file:
        for cells in list(csv.reader(file))[1:]:
            if len(cells) >= width and not any(c.strip() for c in cells[width:]):
                good.append([float(c) for c in cells[:width]])
    order = [found.values(name) for name in found.names]
    return any(v is None or v.tolist() != [row[i] for row in good] for i, v in enumerate(order))


def silent(found: Seen) -> bool:
    """Whether a column is neither used nor told."""
    used = [*found.inputs, *(t.header for t in found.rows.targets)] if found.rows else []
    return any(name not in used and name not in found.told for name in found.names)


def raised(found: Seen) -> bool:
    """Whether it stops with what Python says and not with a sentence."""
    return "Traceback" in found.told or bool(re.search(r"\b\w+Error\b", found.told))


def refused(found: Seen) -> bool:
    """Whether there are no rows."""
    return found.rows is None


MUST_NOT: dict[str, Callable[[Seen], bool]] = {
    "read 98,2 as 982": lambda s: s.number(982.0) or not s.number(98.2),
    "show Gef‰ﬂ or a question mark": lambda s: "Gefäß" not in s.told or bool(re.search("[‰ﬂ?\ufffd]", s.told)),
    "stop with UnicodeDecodeError": lambda s: refused(s) or raised(s),
    "treat the energy column as text and drop it silently": lambda s: bool(s.texts()),
    "split at the comma inside the quotes": lambda s: len(s.columns) != len(s.about["columns"]),
    "turn both columns into text because of one units row": lambda s: bool(s.texts()),
    "count 51 rows": lambda s: s.rows is not None and s.rows.read == 51,
    "use a comment line as header": lambda s: s.names != list(s.about["columns"]),
    "show names with NUL characters": lambda s: "\0" in s.told + "".join(s.names),
    "stop with a codec traceback": lambda s: refused(s) or raised(s),
    'use "Unnamed: 0" as an input': lambda s: len(s.inputs) != 1 or "unnamed" in s.inputs[0].lower(),
    "shift the columns by one": wrong_sums,
    "report 13 or more rows": lambda s: s.rows is not None and s.rows.read >= 13,
    "drop all rows because of the empty column": lambda s: s.rows is None or len(s.rows.x) < s.about["rows"],
    "stop with SyntaxError": lambda s: refused(s) or raised(s),
    "read x-1 as x minus 1": lambda s: "x-1" not in s.names,
    "print a formula whose names the user cannot find in the header": lambda s: not {*s.inputs} <= {*s.names},
    "learn from -999 kg without a word": lambda s: s.number(-999.0) or "-999" not in s.told,
    "turn the column into text and drop it": lambda s: bool(s.texts()),
    "fill with zero or the mean silently": lambda s: wrong_sums(s) or "missing" not in s.told,
    "shift values into other columns": other_values,
    "cut or pad silently": lambda s: not all(re.search(rf"\bline {n} has \d", s.told) for n in (6, 11, 24)),
    "make every column text because of line 24": lambda s: bool(s.texts()),
    "drop a column without saying so": silent,
    "treat 48 different dates as 48 categories": lambda s: any(label.startswith("date =") for label in s.inputs),
    "traceback": raised,
    "hang": lambda s: s.status in (124, 137),  # beside TimeoutExpired, which ends it here
    "ImportError traceback": lambda s: refused(s) or raised(s),
    "report accuracy 1.0 as a success": lambda s: s.rows is not None or s.status == 0,
    "divide by zero in R2": lambda s: raised(s) or "division" in s.told,
}  # fmt: skip


def main(path: str) -> int:
    """The exit status."""
    described, status = Path(path), 0
    for about in json.loads(described.read_text(encoding="utf-8"))["files"]:
        try:
            problems = list(failures(seen(described.parent / about["file"], about)))
        except subprocess.TimeoutExpired:
            problems = ["it hangs"]
        print(f"{'fails' if problems else 'fine '} {about['file']}" + "".join(f"; {p}" for p in problems), flush=True)
        status |= bool(problems)
    return status


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python benchmarks/messy.py MESSY.json")
    sys.exit(main(sys.argv[1]))
