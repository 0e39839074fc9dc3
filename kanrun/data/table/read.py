"""From a file to the rows that are used: columns as numbers, what was left out and why, and what was understood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kanrun.data.table.cells import SENTINELS
from kanrun.data.table.columns import (
    EMPTY,
    MIXED,
    MOST_CATEGORIES,
    NUMBER,
    OTHER,
    TEXT,
    Column,
    Feature,
    columns_of,
    copies,
    features_of,
    unusable,
)
from kanrun.data.table.files import MORE, ROW, Raw, opened
from kanrun.data.table.names import column_asked
from kanrun.data.table.where import KEY, filter_of, names_in
from kanrun.errors import ConfigError, counted, shorten, wrong

if TYPE_CHECKING:
    import polars as pl

MOST_BAD = 0.1  # share of rows with something that is no value, beyond which the table is refused
MOST_CLASSES = 50
FEW_NUMBERS, TIMES = 10, 5  # whole numbers that are classes: at most so many, each so often

Array = Any


@dataclass(frozen=True)
class Asked:
    """What the user wants of a file; None where nothing was said."""

    path: str
    target: Sequence[str]
    inputs: Sequence[str] | None = None
    ignore: Sequence[str] = ()
    where: str | None = None
    sigma: str | None = None
    weights: str | None = None
    group: str | None = None
    task: str = "auto"
    separator: str | None = None
    decimal: str | None = None


@dataclass
class Rows:
    """The rows of a table as arrays [rows]: those of the inputs, the targets, and what stands beside them.

    `labels` are the classes of a target that is no number, in order; `dropped` counts the rows that are left out, by
    reason; `notes` say what was understood, `warnings` what is suspicious.
    """

    file: str
    inputs: list[Feature]
    targets: list[Column]
    x: Array
    y: Array
    labels: list[str] = field(default_factory=list)
    sigma: Array | None = None
    weights: Array | None = None
    group: Array | None = None
    read: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_table(asked: Asked) -> Rows:
    """The rows of a file. Raises ConfigError, in one line, for what cannot be read, is not there or says nothing."""
    try:
        with opened(Path(asked.path), asked.separator, asked.decimal) as raw:
            return Reading(asked, raw).rows()
    except ConfigError as error:
        if any(p.startswith(("dataset", "seed")) for p in error.problems):
            raise
        raise ConfigError(wrong("dataset.path", asked.path, "; ".join(error.problems))) from None


class Reading:
    """A table while it is read: its columns, what is asked of them, and what there is to say."""

    def __init__(self, asked: Asked, raw: Raw) -> None:
        self.asked, self.raw = asked, raw
        self.columns, self.warnings = columns_of(raw)
        self.names = [c.name for c in self.columns]
        self.aside: list[str] = []  # columns that are no inputs, with why

    # ---- which columns -----------------------------------------------------------------------------------------

    def column(self, asked: str, key: str) -> Column:
        """The column that is meant."""
        return self.columns[column_asked(asked, self.names, key)]

    def chosen_inputs(self, others: Sequence[Column], rows: int) -> list[Column]:
        """Those that are named, or all that can be inputs."""
        asked = self.asked
        taken = {c.key for c in others}
        if asked.inputs is not None:
            chosen = [self.column(name, "dataset.inputs") for name in asked.inputs]
            for name, column in zip(asked.inputs, chosen, strict=True):
                self.check_input(name, column, taken)
            return list(dict.fromkeys(chosen))
        ignored = {self.column(name, "dataset.ignore").key for name in asked.ignore}
        chosen = []
        for column in self.columns:
            if column.key in taken or column.key in ignored:
                continue
            why = unusable(column, rows)
            if why is None:
                chosen.append(column)
            elif not (column.kind == EMPTY and not column.header.strip()):
                self.aside.append(f"{column.header} ({why})")
        return chosen

    def check_input(self, name: str, column: Column, taken: set[str]) -> None:
        """Raises ConfigError for a named input that cannot be one."""
        reason = ""
        if column.key in taken:
            reason = "it is the target, or stands beside the rows already"
        elif column.kind in (EMPTY, OTHER):
            reason = f"it holds {column.words()}" if column.kind == OTHER else "it is empty"
        elif column.kind == MIXED:
            reason = f"it holds numbers and texts, {self.example(column)}"
        elif column.kind == TEXT and column.distinct > MOST_CATEGORIES:
            reason = f"it is text with more than {MOST_CATEGORIES} different values"
        if reason:
            raise ConfigError(wrong("dataset.inputs", name, reason))

    def example(self, column: Column) -> str:
        """A cell of a column that is no number, with its line."""
        import polars as pl

        odd = self.raw.frame.filter(column.number(self.raw.decimal).is_nan()).head(1)
        found = odd.select(ROW, pl.col(column.key).cast(pl.String).alias("cell")).collect(engine="streaming")
        if not len(found):
            return "of several kinds"
        return f"such as {shorten(str(found['cell'][0]), 30)!r} in {self.lines([int(found[ROW][0])])}"

    # ---- the rows ----------------------------------------------------------------------------------------------

    def rows(self) -> Rows:
        """The rows that are used."""
        asked, sample_rows = self.asked, max((c.present for c in self.columns), default=0)
        if not asked.target:
            headers = ", ".join(c.header for c in self.columns[:12])
            raise ConfigError(wrong("dataset.target", "", f"which column is to be explained? There are {headers}"))
        targets = [self.column(name, "dataset.target") for name in asked.target]
        if len({t.key for t in targets}) < len(targets):
            raise ConfigError(wrong("dataset.target", list(asked.target), "the same column twice"))
        if len(targets) == len(self.columns):
            raise ConfigError(wrong("dataset.target", list(asked.target), "there is no other column to explain it by"))
        beside = {
            name: self.column(value, f"dataset.{name}")
            for name in ("sigma", "weights", "group") if (value := getattr(asked, name)) is not None
        }  # fmt: skip
        inputs = self.chosen_inputs([*targets, *beside.values()], sample_rows)
        classes = self.is_classes(targets)
        found = self.collected(targets, inputs, beside, classes)
        return Cleaning(self, targets, beside, classes, found).rows()

    def is_classes(self, targets: Sequence[Column]) -> bool:
        """Whether the targets are classes. Raises ConfigError for targets that are neither classes nor numbers."""
        asked, target = self.asked, targets[0]
        name, key = asked.target[0], "dataset.target"
        for one, called in zip(targets, asked.target, strict=True):
            if one.kind == EMPTY:
                raise ConfigError(wrong(key, called, "it is empty"))
            if one.kind == MIXED:
                raise ConfigError(wrong(key, called, f"it holds numbers and texts, {self.example(one)}"))
            if one.kind not in (NUMBER, "boolean", TEXT):
                raise ConfigError(wrong(key, called, f"it holds {one.words()}"))
        texts = [t.kind in (TEXT, "boolean") for t in targets]
        if len(targets) > 1:
            if any(texts) or asked.task == "classification":
                raise ConfigError(wrong(key, list(asked.target), "several targets have to be numbers; classes come in one"))
            return False
        if asked.task == "regression" and target.kind == TEXT:
            raise ConfigError(wrong("dataset.task", asked.task, f"the target {name} is text"))
        if asked.task != "auto":
            return asked.task == "classification"
        few = target.whole and target.distinct <= FEW_NUMBERS and target.present >= TIMES * target.distinct
        return texts[0] or (few and 1 < target.distinct and self.in_a_row(target))

    def in_a_row(self, target: Column) -> bool:
        """Whether a few whole numbers are 0, 1, 2, ... or 1, 2, 3, ..., as numbers of classes are."""
        values = self.raw.frame.select(target.number(self.raw.decimal).alias("v")).unique().collect()["v"]
        numbers = sorted(v for v in values.to_list() if v is not None and v == v)
        return bool(numbers) and numbers[0] in (0, 1) and numbers == [numbers[0] + i for i in range(len(numbers))]

    def collected(
        self, targets: Sequence[Column], inputs: Sequence[Column], beside: dict[str, Column], classes: bool
    ) -> Found:
        """The columns that are used, in the rows that `dataset.where` chooses."""
        import polars as pl

        decimal, features = self.raw.decimal, [f for column in inputs for f in features_of(column)]
        if not features:
            unused = f"; not used: {', '.join(self.aside[:6])}" if self.aside else ""
            raise ConfigError(wrong("dataset.path", self.asked.path, f"no column is left as an input{unused}"))
        named = [pl.col(c.key) for c in self.columns]
        filled = pl.any_horizontal([(c.str.strip_chars() != "") if self.raw.layout else c.is_not_null() for c in named])
        frame = self.raw.frame.filter(filled)
        read = int(frame.select(pl.len()).collect(engine="streaming").item())
        if not read:
            raise ConfigError("there is a header and no row below it" if self.raw.layout else "there are no rows")
        if self.asked.where is not None:
            frame = frame.filter(self.condition(self.asked.where))
        extra = [pl.col(f"c{len(self.columns) + i}").is_not_null() for i in range(MORE)] if self.raw.layout else []
        texts = {f"y{i}": t.text() if classes else t.number(decimal) for i, t in enumerate(targets)}
        plain = {f"x{i}": f.expression(decimal) for i, f in enumerate(features)} | texts
        plain |= {n: c.text() if n == "group" else c.number(decimal) for n, c in beside.items()}
        ragged = pl.any_horizontal(extra) if extra else pl.lit(False)
        columns = [e.alias(n) for n, e in plain.items()]
        data = frame.select(pl.col(ROW), *columns, ragged.alias("ragged")).collect(engine="streaming")
        return Found(data, features, read)

    def condition(self, where: str) -> pl.Expr:
        """`dataset.where` as the engine's own."""
        by_name: dict[str, Column] = {}

        def known(name: str) -> str:
            column = self.column(name, KEY)
            by_name[name] = column
            return column.key

        tree, keys = names_in(where, known)
        of_key = {c.key: c for c in self.columns}
        kinds, exprs = {}, {}
        for name, key in keys.items():
            column = of_key[key]
            kinds[name] = "text" if column.kind in (TEXT, MIXED) else "boolean" if column.kind == "boolean" else "number"
            number = column.number(self.raw.decimal)
            exprs[name] = column.text() if kinds[name] == "text" else number == 1 if kinds[name] == "boolean" else number
        return filter_of(tree, exprs, where, kinds)

    def lines(self, numbers: Sequence[int], most: int = 5) -> str:
        """Where rows are in the file: their lines in a text, and else their numbers from 1."""
        wanted = sorted(numbers)[:most]
        places = {n: n + 1 for n in wanted}
        if self.raw.records:
            last = wanted[-1] if wanted else -1
            for number, line, _ in self.raw.records():
                if number in places:
                    places[number] = line
                if number >= last:
                    break
        what = "line" if self.raw.records else "row"
        more = f" and {len(numbers) - most} more" if len(numbers) > most else ""
        return f"{what}{'s' * (len(numbers) > 1)} {', '.join(str(places[n]) for n in wanted)}{more}"


@dataclass(frozen=True)
class Found:
    """What the engine gives: a frame with columns x0, ..., y0, ..., and how many rows the file has."""

    data: pl.DataFrame
    features: list[Feature]
    read: int


class Cleaning:
    """The rows of a table while those that say nothing are left out."""

    def __init__(
        self, reading: Reading, targets: Sequence[Column], beside: dict[str, Column], classes: bool, found: Found
    ) -> None:
        self.reading, self.targets, self.beside, self.classes, self.found = reading, list(targets), beside, classes, found
        self.warnings, self.dropped = list(reading.warnings), dict[str, int]()
        self.notes: list[str] = []

    def rows(self) -> Rows:
        """The rows that are left."""
        found, asked = self.found, self.reading.asked
        if not len(found.data):
            raise ConfigError(wrong(KEY, asked.where, f"it is true of none of the {found.read} rows"))
        if len(found.data) < found.read:
            self.dropped["where"] = found.read - len(found.data)
        keep = self.without_ragged()
        keep &= self.without_bad(keep)
        keep &= self.without_missing(keep)
        data = found.data.filter(keep)
        if len(data) < 2:
            raise ConfigError("all rows miss something, or all but one" if not len(data) else "only one row is left")
        features = self.without_copies(data)
        x = np.stack([data[f"x{i}"].to_numpy() for i, _ in features], axis=1).astype(float)
        y, labels = self.target_values(data)
        columns = {n: data[n].to_numpy() if n in self.beside else None for n in ("sigma", "weights", "group")}
        self.check_beside(columns)
        rows = Rows(Path(asked.path).name, [f for _, f in features], self.targets, x, y, labels, **columns,
                    read=found.read, dropped=self.dropped, warnings=self.warnings)  # fmt: skip
        rows.notes = self.understood(rows)
        return rows

    def numbers(self) -> list[tuple[str, str]]:
        """The columns of numbers, with what the user calls them."""
        named = [(f"x{i}", f.label) for i, f in enumerate(self.found.features)]
        if not self.classes:
            named += [(f"y{i}", t.header) for i, t in enumerate(self.targets)]
        return named + [(n, c.header) for n, c in self.beside.items() if n != "group"]

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
        for name, label in self.numbers():
            bad = data[name].is_nan().fill_null(value=False) & keep
            if count := int(bad.sum()):
                reason = f"no finite number in {label}: {self.reading.lines(data[ROW].filter(bad).to_list())}"
                self.refuse_many(count, len(data), reason)
                self.warnings.append(f"{counted(count, 'row')} left out: {reason}")
                whole &= ~bad
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
        for name, label in [*self.numbers(), *([("y0", self.targets[0].header)] if self.classes else []),
                            *([("group", self.beside["group"].header)] if "group" in self.beside else [])]:  # fmt: skip
            gone = data[name].is_null()
            if data[name].dtype == pl.Float64:
                values = data[name].filter(keep).drop_nulls().drop_nans()
                codes = [s for s in SENTINELS if (values == s).any()]
                if codes and len(rest := values.filter(~values.is_in(codes))) and rest.min() >= 0:  # type: ignore[operator]
                    gone |= data[name].is_in(codes)
                    listed = ", ".join(f"{c:g}" for c in codes)
                    self.warnings.append(f"{listed} in {label} is taken for a missing value: no other value is negative")
            if count := int((gone & keep).sum()):
                told.append((count, label))
                whole &= ~gone
        if told:
            count = int((~whole & keep).sum())
            listed = ", ".join(f"{n} of {label}" for n, label in sorted(told, reverse=True)[:6])
            if count == int(keep.sum()):
                raise ConfigError(f"all {len(data)} rows miss something ({listed}); leave that column out by dataset.ignore")
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
        gone = set[int]()
        for i, twin in copies(sampled, target).items():
            label = features[i][1].label
            of = "the target" if twin == "the target" else features[int(twin)][1].label
            says = f"is {of} itself" if twin == "the target" else f"is {of} with another scale or zero"
            self.warnings.append(f"{label} {says}" + ("" if named else ", so it is left out; name it in dataset.inputs to use it"))
            gone |= set() if named else {i}
        for i, values in enumerate(sampled):
            if i not in gone and not named and len(values) and bool((values == values[0]).all()):
                if bool((data[f"x{i}"].to_numpy() == values[0]).all()):
                    gone.add(i)
                    self.reading.aside.append(f"{features[i][1].label} (the same in all rows)")
        left = [(i, f) for i, f in features if i not in gone]
        if not left:
            raise ConfigError(f"no column is left as an input: {'; '.join(self.warnings[-3:] or self.reading.aside[:6])}")
        return left

    def target_values(self, data: pl.DataFrame) -> tuple[Array, list[str]]:
        """The targets [rows, outputs], or class numbers [rows] with the names of the classes."""
        asked, name = self.reading.asked, self.targets[0].header
        if not self.classes:
            y = np.stack([data[f"y{i}"].to_numpy() for i in range(len(self.targets))], axis=1).astype(float)
            for j, target in enumerate(self.targets):
                if bool((y[:, j] == y[0, j]).all()):
                    raise ConfigError(
                        wrong("dataset.target", asked.target[j], f"{target.header} is {y[0, j]:g} in all {len(y)} rows: "
                              "there is nothing to explain"))  # fmt: skip
            return y, []
        values = data["y0"].to_list()
        labels = sorted(set(values), key=lambda v: (0, float(v), v) if _is_float(v) else (1, 0.0, v))
        if len(labels) == 1:
            reason = f"the target {name!r} is {labels[0]!r} in all {len(values)} rows; there is nothing to learn: pick another"
            raise ConfigError(wrong("dataset.target", asked.target[0], f"{reason} target or add rows with another value"))
        if len(labels) > MOST_CLASSES:
            reason = f"it has {len(labels)} different values, as classes at most {MOST_CLASSES} are taken"
            raise ConfigError(wrong("dataset.target", asked.target[0], reason))
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
                raise ConfigError(wrong(f"dataset.{name}", asked, f"{what}, but it is {values[bad][0]:g} in {int(bad.sum())} rows"))

    def understood(self, rows: Rows) -> list[str]:
        """What was understood, in a few lines."""
        raw, reading = self.reading.raw, self.reading
        left = f", {len(rows.x)} used" if len(rows.x) < rows.read else ""
        lines = [f"{rows.file}: {raw.kind}, {rows.read} rows{left}, {counted(len(reading.columns), 'column')}"]
        if self.classes:
            shares = ", ".join(f"{label} {int((rows.y == k).sum())}" for k, label in enumerate(rows.labels[:8]))
            lines.append(f"target {self.targets[0].header}: {len(rows.labels)} classes ({shares})")
        else:
            ranges = [ranged(with_unit(t.header, t.unit), rows.y[:, j]) for j, t in enumerate(self.targets)]
            lines.append(f"target {', '.join(ranges)}")
        shown = [ranged(with_unit(f.label, f.unit), rows.x[:, i]) for i, f in enumerate(rows.inputs[:8])]
        more = f" and {len(rows.inputs) - 8} more" if len(rows.inputs) > 8 else ""
        lines.append(f"input{'s' * (len(rows.inputs) > 1)} {', '.join(shown)}{more}")
        if reading.aside:
            more = f" and {len(reading.aside) - 8} more" if len(reading.aside) > 8 else ""
            lines.append(f"not used: {', '.join(reading.aside[:8])}{more}")
        return lines


def with_unit(label: str, unit: str | None) -> str:
    """A column with its unit, where its header does not say it."""
    return label if unit is None or label.rstrip(")]").endswith(unit) or label.endswith((")", "]")) else f"{label} [{unit}]"


def ranged(label: str, values: Array) -> str:
    """A column and its range."""
    return f"{label} from {values.min():.4g} to {values.max():.4g}"


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
