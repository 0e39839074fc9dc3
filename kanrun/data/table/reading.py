"""A table while it is read: which columns are used and how, and their cells as numbers from the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from kanrun.data.table import where as where_is
from kanrun.data.table.asked import Asked
from kanrun.data.table.columns import (
    BOOLEAN,
    DATE,
    EMPTY,
    FILLED,
    MIXED,
    MOST_CATEGORIES,
    NUMBER,
    OTHER,
    TEXT,
    Column,
    Feature,
    cleaned,
    columns_of,
    features_of,
    unusable,
)
from kanrun.data.table.names import column_asked, numbers_called
from kanrun.data.table.raw import MORE, ROW, Raw
from kanrun.data.table.trained import Likeness, strangers
from kanrun.errors import ConfigError, counted, shorten, wrong

if TYPE_CHECKING:
    import polars as pl

FEW_NUMBERS, TIMES = 10, 5  # whole numbers that are classes: at most so many, each so often


@dataclass(frozen=True)
class Found:
    """What the engine gives: a frame with columns x0, ..., y0, ..., and those of `beside` by their names.

    `read` is the number of rows in the file; the targets are texts where they are `classes`.
    """

    data: pl.DataFrame
    features: list[Feature]
    targets: list[Column]
    beside: dict[str, Column]
    classes: bool
    read: int


class Reading:
    """A table while it is read: its columns, what is asked of them, and what there is to say."""

    def __init__(self, asked: Asked, raw: Raw) -> None:
        self.asked, self.raw = asked, raw
        self.columns, self.warnings = columns_of(raw)
        self.frame = cleaned(raw.frame, len(self.columns)).filter(FILLED)
        self.names = [c.name for c in self.columns]
        self.likeness = Likeness(asked.like)
        self.aside = list(raw.aside)  # columns that are no inputs, with why

    # ---- which columns -----------------------------------------------------------------------------------------

    def column(self, asked: str, key: str) -> Column:
        """The column that is meant, as the file that it is like had it."""
        trained = self.likeness.of(asked)
        same = numbers_called([asked, trained.name.header, trained.name.name], self.names) if trained else []
        try:
            number = same[0] if len(same) == 1 else column_asked(asked, self.names, key)
        except ConfigError as error:
            raise ConfigError([p + self.raw.doubt for p in error.problems]) from None
        if trained:
            self.columns[number] = self.likeness.read_as(self.columns[number], trained)
        return self.columns[number]

    def strange_texts(self, column: Column, rows: Sequence[int]) -> str:
        """Which texts a column has in these rows, where it may not have them."""
        import polars as pl

        known = column.seen or column.values
        odd = self.frame.filter(pl.col(ROW).is_in(list(rows))).select(column.text().alias("t")).group_by("t").len()
        return strangers(column.header, dict(odd.sort("t").collect(engine="streaming").iter_rows()), known)

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
            else:
                self.aside.append(f"{shorten(column.header, 60)} ({why})")
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

    def cell(self, column: Column, row: int) -> str:
        """What stands in a column in one row."""
        import polars as pl

        found = self.frame.filter(pl.col(ROW) == row).select(pl.col(column.key).cast(pl.String))
        return str(found.collect(engine="streaming").item())

    def example(self, column: Column) -> str:
        """A cell of a column that is no number, with its line."""
        import polars as pl

        odd = self.frame.filter(column.number(self.raw.decimal).is_nan()).head(1)
        found = odd.select(ROW, pl.col(column.key).cast(pl.String).alias("cell")).collect(engine="streaming")
        return f"such as {shorten(str(found['cell'][0]), 30)!r} in {self.lines([int(found[ROW][0])])}"

    # ---- the rows ----------------------------------------------------------------------------------------------

    def found(self) -> Found:
        """The cells that are used, as numbers."""
        asked, sample_rows = self.asked, max((c.present for c in self.columns), default=0)
        if sample_rows == 0:
            raise ConfigError("there is a header and no row below it" if self.raw.layout else "there are no rows")
        if sample_rows == 1:
            raise ConfigError("only one row has values in it; a few are needed")
        if not asked.target:
            headers = ", ".join(shorten(c.header, 40) for c in self.columns[:12])
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
        classes = self.is_classes(targets)
        return self.collected(targets, self.chosen_inputs([*targets, *beside.values()], sample_rows), beside, classes)

    def is_classes(self, targets: Sequence[Column]) -> bool:
        """Whether the targets are classes. Raises ConfigError for targets that are neither classes nor numbers."""
        asked, target = self.asked, targets[0]
        name, key = asked.target[0], "dataset.target"
        for one, called in zip(targets, asked.target, strict=True):
            if one.kind == EMPTY:
                raise ConfigError(wrong(key, called, "it is empty"))
            if one.kind == MIXED:
                raise ConfigError(wrong(key, called, f"it holds numbers and texts, {self.example(one)}"))
            if one.kind not in (NUMBER, BOOLEAN, TEXT):
                raise ConfigError(wrong(key, called, f"it holds {one.words()}"))
        texts = [t.kind in (TEXT, BOOLEAN) for t in targets]
        if len(targets) > 1:
            if any(texts) or asked.task == "classification":
                raise ConfigError(
                    wrong(key, list(asked.target), "several targets have to be numbers; classes come in one")
                )
            return False
        if asked.task == "regression" and target.kind == TEXT:
            raise ConfigError(wrong("dataset.task", asked.task, f"the target {name} is {target.words()}"))
        if asked.task != "auto":
            return asked.task == "classification"
        few = target.whole and target.distinct <= FEW_NUMBERS and target.present >= TIMES * target.distinct
        return texts[0] or (few and target.distinct > 1 and self.in_a_row(target))

    def in_a_row(self, target: Column) -> bool:
        """Whether a few whole numbers are 0, 1, 2, ... or 1, 2, 3, ..., as numbers of classes are."""
        values = self.frame.select(target.number(self.raw.decimal).alias("v")).unique().collect()["v"]
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
        frame = self.frame
        read = int(frame.select(pl.len()).collect(engine="streaming").item())
        if self.asked.where is not None:
            frame = frame.filter(self.condition(self.asked.where))
        extra = [pl.col(f"c{len(self.columns) + i}").is_not_null() for i in range(MORE)] if self.raw.layout else []
        texts = {f"y{i}": t.of_class(decimal) if classes else t.number(decimal) for i, t in enumerate(targets)}
        plain = {f"x{i}": f.expression(decimal) for i, f in enumerate(features)} | texts
        plain |= {n: c.text() if n == "group" else c.number(decimal) for n, c in beside.items()}
        ragged = pl.any_horizontal(extra) if extra else pl.lit(False)
        columns = [e.alias(n) for n, e in plain.items()]
        data = frame.select(pl.col(ROW), *columns, ragged.alias("ragged")).collect(engine="streaming")
        return Found(data, features, list(targets), beside, classes, read)

    def condition(self, where: str) -> pl.Expr:
        """`dataset.where` as the engine's own."""
        by_name: dict[str, Column] = {}

        def known(name: str) -> str:
            column = self.column(name, where_is.KEY)
            by_name[name] = column
            return column.key

        tree, keys = where_is.names_in(where, known)
        of_key = {c.key: c for c in self.columns}
        kinds, exprs = dict[str, str](), dict[str, Any]()
        for name, key in keys.items():
            column = of_key[key]
            if column.kind in (DATE, OTHER, EMPTY):
                what = "is empty" if column.kind == EMPTY else f"holds {column.words()}"
                raise ConfigError(wrong(where_is.KEY, where, f"{column.header} {what}, which cannot be compared"))
            if column.kind in (TEXT, MIXED):
                kinds[name], exprs[name] = where_is.TEXT, column.text()
            elif column.kind == BOOLEAN:
                kinds[name], exprs[name] = where_is.BOOLEAN, self.comparable(column) == 1
            else:
                kinds[name], exprs[name] = where_is.NUMBER, self.comparable(column)
        return where_is.Filter(where, exprs, kinds).of(tree)

    def comparable(self, column: Column) -> pl.Expr:
        """Its numbers, null where it has none: to the engine what is no number is larger than all."""
        import polars as pl

        number = column.number(self.raw.decimal)
        odd = self.frame.filter(number.is_nan()).select(ROW).collect(engine="streaming")[ROW].to_list()
        if odd:
            why = f"without a finite number in {shorten(column.header, 60)}, so no comparison in dataset.where is true"
            self.warnings.append(f"{counted(len(odd), 'row')} {why}: {self.lines(odd)}")
        return pl.when(number.is_not_nan()).then(number)

    def lines(self, numbers: Sequence[int], most: int = 5) -> str:
        """Where rows are in the file: their lines in a text, and else their numbers from 1."""
        wanted = sorted(numbers)[:most]
        places = {n: n + 1 for n in wanted}
        if self.raw.records:
            records = islice(self.raw.records(), max(wanted, default=-1) + 1)
            places |= {number: line for number, line, _ in records if number in places}
        what = "line" if self.raw.records else "row"
        more = f" and {len(numbers) - most} more" if len(numbers) > most else ""
        return f"{what}{'s' * (len(numbers) > 1)} {', '.join(str(places[n]) for n in wanted)}{more}"
