"""Rows that say nothing are left out and counted, columns that say nothing new are left out, and all that is told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kanrun.data.table.asked import Array, Rows
from kanrun.data.table.cells import SENTINELS
from kanrun.data.table.columns import NUMBER, Column, Feature
from kanrun.data.table.copies import copies
from kanrun.data.table.raw import ROW
from kanrun.data.table.reading import Found, Reading
from kanrun.data.table.understood import understood
from kanrun.data.table.where import KEY
from kanrun.errors import ConfigError, counted, shorten, wrong

if TYPE_CHECKING:
    import polars as pl

MOST_BAD = 0.1  # share of rows with something that is no value, beyond which the table is refused
MOST_CLASSES = 50
MOST_TOLD = 8  # columns that a message names
LEAST_ROWS = 4  # that rows of different weights are to be worth
BESIDE = ("sigma", "weights", "group")  # columns beside inputs and targets


class Cleaning:
    """The rows of a table while those that say nothing are left out."""

    def __init__(self, reading: Reading, found: Found) -> None:
        self.reading, self.found = reading, found
        self.targets, self.beside, self.classes = found.targets, found.beside, found.classes
        self.warnings, self.dropped = [*reading.warnings, *reading.likeness.notes], dict[str, int]()

    def rows(self) -> Rows:
        """The rows that are left."""
        found, asked = self.found, self.reading.asked
        if not len(found.data):
            raise ConfigError(wrong(KEY, asked.where, f"it is true of none of the {found.read} rows"))
        if len(found.data) < found.read:
            self.dropped["where"] = found.read - len(found.data)
        self.warn_of_percent()
        keep = self.without_ragged()
        keep &= self.without_bad(keep)
        keep &= self.without_missing(keep)
        keep &= self.without_weightless(keep)
        data = found.data.filter(keep)
        if len(data) < 2:
            raise ConfigError(f"of {found.read} rows {'one is' if len(data) else 'none is'} left: {self.told()}")
        features = self.without_copies(data)
        self.check_number(len(features), len(data))
        x = np.stack([data[f"x{i}"].to_numpy() for i, _ in features], axis=1).astype(float)
        y, labels = self.target_values(data)
        columns: dict[str, Any] = {n: data[n].to_numpy() if n in self.beside else None for n in BESIDE}
        self.check_beside(columns)
        columns["numbers"] = data[ROW].to_numpy().astype(np.int64) + 1
        rows = Rows(Path(asked.path).name, [f for _, f in features], self.targets, x, y, labels, **columns,
                    beside=dict(self.beside), names=list(self.reading.names), seen=self.seen(data), read=found.read,
                    dropped=self.dropped, warnings=self.warnings)  # fmt: skip
        rows.notes = understood(rows, self.reading)
        return rows

    def seen(self, data: pl.DataFrame) -> dict[str, tuple[str, ...]]:
        """The texts that are in these rows, of the columns that are told apart by 0 and 1, by their keys."""
        found = dict[str, list[str]]()
        for column in {f.column.key: f.column for f in self.found.features if f.value is not None}.values():
            names = self.columns_of(column.key)
            values = [f.value for f in self.found.features if f.column.key == column.key]
            first = [column.values[0]] if bool((data.select(names).sum_horizontal() == 0).any()) else []
            others = [value for name, value in zip(names, values, strict=True) if bool((data[name] == 1).any())]
            found[column.key] = first + [value for value in others if value is not None]
        return {key: tuple(values) for key, values in found.items()}

    def scaled(self, name: str) -> tuple[float, float]:
        """The factor and the shift of a column of the frame to the unit that it has there."""
        return self.column_of(name).scale or (1.0, 0.0)

    def column_of(self, name: str) -> Column:
        """The column of the file that one of the frame comes from."""
        kinds = {"x": [f.column for f in self.found.features], "y": self.targets}
        return self.beside.get(name) or kinds[name[0]][int(name[1:])]

    def without_weightless(self, keep: Any) -> Any:
        """Which rows have a weight that is not 0."""
        if "weights" not in self.beside:
            return keep
        there = self.found.data["weights"].fill_null(0) != 0
        if count := int((keep & ~there).sum()):
            self.dropped["weight 0"] = count
        return there

    def numbers(self) -> list[tuple[str, str]]:
        """The columns of numbers, with what the user calls them."""
        named = [(f"x{i}", f.label) for i, f in enumerate(self.found.features)]
        if not self.classes or self.targets[0].kind == NUMBER:
            named += [(f"y{i}", t.header) for i, t in enumerate(self.targets)]
        return named + [(n, c.header) for n, c in self.beside.items() if n != "group"]

    def texts(self) -> list[tuple[str, str]]:
        """The columns of texts: classes and groups."""
        named = [("group", c.header) for n, c in self.beside.items() if n == "group"]
        return named if dict(self.numbers()).get("y0") else [("y0", self.targets[0].header), *named]

    def without_ragged(self) -> Any:
        """Which rows have as many fields as the header. Raises ConfigError where too many have not."""
        import polars as pl

        data, reading = self.found.data, self.reading
        every = pl.Series([True] * len(data))
        last = reading.columns[-1].key
        suspicious = bool(data["ragged"].any()) or any(data[n].null_count() for n in self.columns_of(last))
        if reading.raw.records is None or not suspicious:
            return every
        width = max(i for i, n in enumerate(reading.raw.names) if n.strip() or i == 0) + 1
        odd: dict[int, tuple[int, int]] = {}
        for number, line, cells in reading.raw.records():
            if any(c.strip() for c in cells):
                filled = max(i for i, c in enumerate(cells) if c.strip()) + 1
                if len(cells) < width or filled > len(reading.raw.names):
                    odd[number] = line, max(filled, min(len(cells), width))
        keep = ~data[ROW].is_in(list(odd))
        count = int((~keep).sum())
        if count:
            told = ", ".join(f"line {line} has {counted(fields, 'field')}" for line, fields in list(odd.values())[:5])
            more = f" and {len(odd) - 5} more" if len(odd) > 5 else ""
            reason = f"the header has {width}, but {told}{more}"
            self.refuse_many(count, len(data), reason)
            self.dropped["fields"] = count
            self.warnings.append(f"{counted(count, 'row')} left out: {reason}")
        return keep

    def columns_of(self, key: str) -> list[str]:
        """The columns of the frame that come from one of the file."""
        named = [f"x{i}" for i, f in enumerate(self.found.features) if f.column.key == key]
        return named + [f"y{i}" for i, t in enumerate(self.targets) if t.key == key]

    def without_bad(self, keep: Any) -> Any:
        """Which rows hold no cell that is no number or not finite. Raises ConfigError where too many do."""
        import polars as pl

        data = self.found.data
        whole = pl.Series([True] * len(data))
        told: list[str] = []
        for name, label in self.numbers():
            bad = data[name].is_nan().fill_null(value=False) & keep
            if count := int(bad.sum()):
                new = bool((bad & whole).any())  # the columns of 0 and 1 of one text say the same of its rows
                whole &= ~bad
                if new and len(told) < MOST_TOLD:
                    where = data[ROW].filter(bad).to_list()
                    cell = self.reading.cell(self.column_of(name), where[0])
                    why = f"no finite number in {shorten(label, 60)}, such as {shorten(cell, 30)!r}"
                    if name[0] == "x" and (feature := self.found.features[int(name[1:])]).value is not None:
                        why = self.reading.strange_texts(feature.column, where)
                    told.append(f"{counted(count, 'row')} left out: {why}: {self.reading.lines(where)}")
                self.refuse_many(int((~whole).sum()), len(data), told[-1].partition(": ")[2])
        self.warnings += told
        if count := int((~whole).sum()):
            self.dropped["no number"] = count
        return whole

    def refuse_many(self, count: int, rows: int, reason: str) -> None:
        """Raises ConfigError where more than a tenth of the rows cannot be used."""
        if count > MOST_BAD * rows:
            raise ConfigError(f"{count} of {rows} rows cannot be used: {reason}")

    def without_missing(self, keep: Any) -> Any:
        """Which rows miss nothing; codes such as -999 among numbers that are not negative are missing values."""
        import polars as pl

        data, told = self.found.data, []
        whole = pl.Series([True] * len(data))
        for name, label in [*self.numbers(), *self.texts()]:
            gone = data[name].is_null()
            if data[name].dtype == pl.Float64:
                values = data[name].filter(keep).drop_nulls().drop_nans()
                factor, zero = self.scaled(name)  # codes and signs are those of the file
                codes = [s for s in SENTINELS if (values == s * factor + zero).any()]
                here = [s * factor + zero for s in codes]
                if codes and len(rest := values.filter(~values.is_in(here))) and rest.min() >= zero:  # type: ignore[operator]
                    gone |= data[name].is_in(here)
                    listed = ", ".join(f"{c:g}" for c in codes)
                    self.warnings.append(
                        f"{listed} in {label} is taken for a missing value: no other value is negative"
                    )
            if count := int((gone & keep).sum()):
                told.append((count, label))
                whole &= ~gone
        if told:
            count = int((~whole & keep).sum())
            listed = ", ".join(f"{n} of {label}" for n, label in sorted(told, reverse=True)[:6])
            if count == int(keep.sum()):
                raise ConfigError(
                    f"all {len(data)} rows miss something ({listed}); leave that column out by dataset.ignore"
                )
            self.dropped["missing"] = count
            self.warnings.append(f"{counted(count, 'row')} left out for missing values: {listed}")
        return whole

    def without_copies(self, data: pl.DataFrame) -> list[tuple[int, Feature]]:
        """The features but those that say what the target or another one says, where nobody has named them."""
        features = list(enumerate(self.found.features))
        step = max(1, len(data) // 10_000)
        sampled = [data[f"x{i}"].to_numpy()[::step] for i, _ in features]
        target = None if self.classes else data["y0"].to_numpy()[::step]
        named = self.reading.asked.inputs is not None
        found = copies(sampled, target)
        gone = set[int]() if named else set(found)
        for i, twin in list(found.items())[:MOST_TOLD]:
            of = "the target itself" if twin == "the target" else (
                f"{shorten(features[int(twin)][1].label, 60)} with another scale or zero")  # fmt: skip
            way = "" if named else ", so it is left out; name it in dataset.inputs to use it"
            self.warnings.append(f"{shorten(features[i][1].label, 60)} is {of}{way}")
        if len(found) > MOST_TOLD:
            self.warnings.append(f"{len(found) - MOST_TOLD} more columns say what others say, in the same way")
        for i, values in enumerate(sampled):
            same = i not in gone and not named and bool((values == values[0]).all())
            if same and bool((data[f"x{i}"] == values[0]).all()):
                gone.add(i)
                self.reading.aside.append(f"{features[i][1].label} (the same in all rows)")
        left = [(i, f) for i, f in features if i not in gone]
        if not left:
            raise ConfigError(
                f"no column is left as an input: {'; '.join(self.warnings[-3:] or self.reading.aside[:6])}"
            )
        return left

    def check_number(self, inputs: int, rows: int) -> None:
        """Raises ConfigError for more inputs than rows that nobody has chosen."""
        if inputs > rows:
            told = f"there are {inputs} inputs for {rows} rows"
            if self.reading.asked.inputs is None:
                raise ConfigError(f"{told}; name those that count in dataset.inputs, or add rows")
            self.warnings.append(f"{told}: what is found may well be chance")

    def told(self) -> str:
        """Why rows are left out."""
        words = {"where": "by dataset.where", "fields": "for their number of fields", "no number": "for no number",
                 "missing": "for missing values", "weight 0": "for a weight of 0"}  # fmt: skip
        return ", ".join(f"{count} left out {words[why]}" for why, count in self.dropped.items())

    def target_values(self, data: pl.DataFrame) -> tuple[Array, list[str]]:
        """The targets [rows, outputs], or class numbers [rows] with the names of the classes."""
        asked, name = self.reading.asked, self.targets[0].header
        if not self.classes:
            y = np.stack([data[f"y{i}"].to_numpy() for i in range(len(self.targets))], axis=1).astype(float)
            for j in range(len(self.targets)):
                if bool((y[:, j] == y[0, j]).all()):
                    raise ConfigError(
                        wrong("dataset.target", asked.target[j], f"it is {y[0, j]:g} in all {len(y)} rows: "
                              "there is nothing to explain"))  # fmt: skip
            return y, []
        values = [spelled(v) for v in data["y0"].to_list()]
        labels = sorted(set(values), key=lambda v: (0, float(v), v) if _is_float(v) else (1, 0.0, v))
        if len(labels) == 1:
            reason = f"{name} is {labels[0]!r} in all {len(values)} rows, so there is nothing to learn"
            way = "pick another target or add rows with another value"
            raise ConfigError(wrong("dataset.target", asked.target[0], f"{reason}; {way}"))
        if len(labels) > MOST_CLASSES:
            reason = f"it has {len(labels)} different values, as classes at most {MOST_CLASSES} are taken"
            raise ConfigError(wrong("dataset.target", asked.target[0], reason))
        if 2 * len(labels) > len(values):
            reason = f"it has {len(labels)} different values in {len(values)} rows, such as {shorten(labels[0], 30)!r}"
            raise ConfigError(wrong("dataset.target", asked.target[0], f"{reason}: neither numbers nor classes"))
        order = {label: k for k, label in enumerate(labels)}
        return np.array([order[v] for v in values]), labels

    def check_beside(self, columns: dict[str, Array | None]) -> None:
        """Raises ConfigError for errors and weights that are none."""
        for name, what in (("sigma", "errors of measurement are above 0"), ("weights", "weights are not negative")):
            values = columns[name]
            if values is None:
                continue
            bad = values <= 0 if name == "sigma" else values < 0
            if bad.any():
                asked = getattr(self.reading.asked, name)
                there = f"it is {values[bad][0]:g} in {counted(int(bad.sum()), 'row')}"
                raise ConfigError(wrong(f"dataset.{name}", asked, f"{what}, but {there}"))
            self.warn_of_few(name, values if name == "weights" else (values.min() / values) ** 2)

    def warn_of_percent(self) -> None:
        """Warnings where only some cells of a column have a percent sign: 5 % and 0.05 may be the same."""
        for column in {self.column_of(name).key: self.column_of(name) for name, _ in self.numbers()}.values():
            if 0 < column.percent < column.present:
                some = f"{column.percent} of {column.present} cells of {shorten(column.header, 60)} have a percent sign"
                self.warnings.append(f"{some}: all numbers are taken as they stand")

    def warn_of_few(self, name: str, weights: Array) -> None:
        """A warning where rows count so differently that only a few of them do (Kish 1965, effective sample size)."""
        shares = weights / weights.max()
        count = float(shares.sum() ** 2 / (shares**2).sum())
        if len(shares) > LEAST_ROWS > count:
            label = shorten(self.beside[name].header, 60)
            self.warnings.append(
                f"by {label} the {len(shares)} rows count so differently that they are worth {count:.2g}"
            )


def spelled(value: float | str) -> str:
    """A class as a text: whole numbers without a point."""
    if isinstance(value, str):
        return value
    return str(int(value)) if value == int(value) else repr(value)


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
