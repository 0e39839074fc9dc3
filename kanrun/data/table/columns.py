"""The columns of a table: what each holds, and what it becomes where it is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kanrun.data.table.cells import TRUE, TRUTH, as_numbers, stripped
from kanrun.data.table.names import UNNAMED, Name, distinct, name_of, plain_header
from kanrun.data.table.raw import Raw
from kanrun.errors import shorten

if TYPE_CHECKING:
    import polars as pl

NUMBER, BOOLEAN, TEXT, DATE, MIXED, EMPTY, OTHER = "number", "boolean", "text", "date", "mixed", "empty", "other"
SAMPLE_ROWS = 100_000  # that say what a column holds
LABELS = 0.05  # share of texts from which numbers are more likely names, such as those of a catalogue
NUMERIC, PARTLY = 0.9, 0.5  # share of numbers from which a column is one of numbers, or of numbers and texts
MOST_CATEGORIES = 10
FILLED = "filled"  # the column that says which rows are no blank lines
DAY = 86_400_000.0  # milliseconds
ISO_DAY = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?Z?)?$"
COUNTERS = (
    "", "index", "id", "nr", "nr.", "no", "no.", "#", "row", "unnamed: 0", "run", "sample", "obs", "obs.",
    "observation",
)  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One column: its key in the engine's frame, its name, what it holds, and how its cells are written.

    `values` are the different texts of a sample, at most one more than `MOST_CATEGORIES`; `counts` says that it only
    numbers the rows; `first` is a text in it, and `percent` the number of cells with such a sign. Where it is read as a
    column of training, `seen` are the texts that this had, and `scale` is the factor and the shift to its unit.
    """

    key: str
    name: Name
    kind: str
    typed: bool  # cells are values and not texts
    whole: bool = False
    unit: str | None = None
    values: tuple[str, ...] = ()
    distinct: int = 0
    present: int = 0
    counts: bool = False
    first: str = ""
    percent: int = 0
    odd: float = 0.0  # share of texts in a column of numbers
    seen: tuple[str, ...] = ()
    scale: tuple[float, float] | None = None

    @property
    def header(self) -> str:
        """What the user calls it."""
        return self.name.header

    def text(self) -> pl.Expr:
        """Its cells as text, null where they are missing, in a frame that is `cleaned`."""
        import polars as pl

        return pl.col(self.key).cast(pl.String)

    def number(self, decimal: str) -> pl.Expr:
        """Its numbers: null where a cell is missing, NaN where it is no finite number."""
        number = self.own_number(decimal)
        return number if self.scale is None else number * self.scale[0] + self.scale[1]

    def own_number(self, decimal: str) -> pl.Expr:
        """The same in the unit of the file."""
        import polars as pl

        if self.kind == BOOLEAN:
            return self.truth()
        if self.kind == DATE:
            moments = (
                pl.col(self.key) if self.typed else self.text().str.strip_suffix("Z").str.to_datetime(strict=False)
            )
            days = moments.cast(pl.Datetime("ms")).dt.timestamp("ms").cast(pl.Float64) / DAY
            return pl.when(self.text().is_not_null() & days.is_null()).then(float("nan")).otherwise(days)
        if self.typed:
            number = pl.col(self.key).cast(pl.Float64)
            return pl.when(number.is_infinite()).then(float("nan")).otherwise(number.fill_nan(None))
        number = as_numbers(self.text(), decimal)
        odd = self.text().is_not_null() & (number.is_null() | ~number.is_finite())
        return pl.when(odd).then(float("nan")).otherwise(number)

    def of_class(self, decimal: str) -> pl.Expr:
        """Its cells as names of classes, null where they are missing: numbers, or texts."""
        if self.kind == NUMBER:
            return self.number(decimal)
        return self.text().str.to_lowercase() if self.kind == BOOLEAN else self.text()

    def truth(self) -> pl.Expr:
        """1 for true, 0 for false, NaN for what is neither."""
        import polars as pl

        if self.typed:
            return pl.col(self.key).cast(pl.Float64)
        lower = self.text().str.to_lowercase()
        words = sorted({w for pair in TRUTH for w in pair})
        known = pl.when(lower.is_in(sorted(TRUE))).then(1.0).when(lower.is_in(words)).then(0.0).otherwise(float("nan"))
        return pl.when(lower.is_null()).then(None).otherwise(known)

    def words(self) -> str:
        """What it holds, for the user."""
        if self.kind == TEXT:
            several = f"more than {MOST_CATEGORIES}" if self.distinct > MOST_CATEGORIES else str(self.distinct)
            such = f", such as {shorten(self.first, 24)!r}" if self.first else ""
            return f"text with {several} values{such}"
        return {MIXED: "numbers and texts", DATE: "days", OTHER: "no numbers", EMPTY: "empty"}.get(self.kind, self.kind)


def columns_of(raw: Raw) -> tuple[list[Column], list[str]]:
    """The columns of a file in order, and what the user should know about their names."""
    import polars as pl

    sample = cleaned(raw.frame, len(raw.names)).head(SAMPLE_ROWS).collect(engine="streaming")
    headers, notes = distinct([plain_header(n) for n in raw.names])
    units = [*raw.units, *[""] * len(headers)][: len(headers)]
    names = [name_of(header, unit) for header, unit in zip(headers, units, strict=True)]
    keys = [f"c{i}" for i in range(len(names))]
    texts = sample.select([pl.col(k).cast(pl.String) for k in keys if is_text(sample[k].dtype)])
    facts, numbers = facts_of(texts), texts.select([as_numbers(pl.col(k), raw.decimal) for k in texts.columns])
    found = []
    for key, name, written in zip(keys, names, raw.names, strict=True):
        if key in facts:
            typed = sample[key].dtype != pl.String
            found.append(column_of_texts(key, written, name, texts[key], numbers[key], facts[key], typed))
        else:
            found.append(column_of_values(key, written, name, sample[key]))
    return found, notes


def cleaned(frame: pl.LazyFrame, columns: int) -> pl.LazyFrame:
    """A file's rows with texts without blanks around them, null where they are missing; `filled` are rows that are no
    blank lines.
    """
    import polars as pl

    kinds = frame.collect_schema()
    keys = [f"c{i}" for i in range(columns)]
    some = [pl.col(k).str.strip_chars() != "" if kinds[k] == pl.String else pl.col(k).is_not_null() for k in keys]
    plain = [stripped(pl.col(k).cast(pl.String)).cast(kinds[k]).alias(k) for k in keys if is_text(kinds[k])]
    return frame.with_columns(*plain, pl.any_horizontal(some).alias(FILLED))


def is_text(kind: pl.DataType) -> bool:
    """Whether values of this type are texts."""
    import polars as pl

    return kind in (pl.String, pl.Categorical) or isinstance(kind, pl.Enum)


def facts_of(texts: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """What there is to know of each column of texts, all asked at once: there may be ten thousand."""
    import polars as pl

    def asked(key: str) -> pl.Expr:
        filled = pl.col(key).drop_nulls()
        facts = {"present": filled.len(), "distinct": filled.n_unique(), "percent": filled.str.ends_with("%").sum(),
                 "days": filled.str.contains(ISO_DAY).all(), "first": filled.first()}  # fmt: skip
        return pl.struct([fact.alias(name) for name, fact in facts.items()]).alias(key)

    found = texts.select([asked(k) for k in texts.columns])
    return {k: found[k][0] for k in texts.columns}


def column_of_values(key: str, written: str, name: Name, series: pl.Series) -> Column:
    """What a column of values that are no texts holds, by a sample."""
    import polars as pl

    kind = series.dtype
    if kind.is_numeric():
        cells = series.cast(pl.Float64).fill_nan(None)
        numbers = cells.drop_nulls()
        return Column(
            key, name, NUMBER if len(numbers) else EMPTY, typed=True, whole=bool((numbers % 1 == 0).all()),
            unit=name.unit, distinct=numbers.n_unique(), present=len(numbers), counts=is_counter(written, cells),
        )  # fmt: skip
    present = len(series) - series.null_count()
    plain = {pl.Boolean: BOOLEAN, pl.Date: DATE, pl.Datetime: DATE}.get(kind.base_type(), OTHER)
    many = 0 if plain == OTHER else series.drop_nulls().n_unique()
    return Column(key, name, plain if present else EMPTY, typed=True, distinct=many, present=present)


def column_of_texts(
    key: str, written: str, name: Name, cells: pl.Series, numbers: pl.Series, facts: dict[str, Any], typed: bool
) -> Column:  # fmt: skip
    """The same of a column whose cells are texts, null where they are missing, and the numbers that these are."""
    present, many = facts["present"], facts["distinct"]
    if not present:
        return Column(key, name, EMPTY, typed)
    found = numbers.drop_nulls()
    share = len(found) / present
    if share >= PARTLY and not typed:
        return Column(
            key, name, NUMBER if share >= NUMERIC else MIXED, typed, bool((found % 1 == 0).all()),
            "%" if facts["percent"] and name.unit is None else name.unit, distinct=many, present=present,
            counts=share == 1 and is_counter(written, numbers), odd=1 - share, percent=facts["percent"],
        )  # fmt: skip
    values = tuple(sorted(cells.drop_nulls().unique().to_list())) if many <= MOST_CATEGORIES else ()
    lower = {v.lower() for v in values}
    if values and any(lower <= pair for pair in TRUTH):
        kind = BOOLEAN
    else:
        kind = DATE if facts["days"] else TEXT
    return Column(key, name, kind, typed, values=values, distinct=many, present=present, first=facts["first"])


def is_counter(written: str, numbers: pl.Series) -> bool:
    """Whether a column without a name of its own counts the rows from 0 or 1; a cell of it may be missing."""
    plain = written.strip().lower()
    if plain not in COUNTERS and not UNNAMED.fullmatch(plain):
        return False
    values, places = numbers.drop_nulls().to_numpy(), numbers.is_not_null().arg_true().to_numpy()
    if len(values) < 2:
        return False
    in_a_row = values[0] in (0, 1) and bool((values[1:] - values[:-1] == 1).all())
    return in_a_row or any(bool((values == places + first).all()) for first in (0, 1))


@dataclass(frozen=True)
class Feature:
    """What a column becomes as an input: itself, a truth value, days, or whether a text is this one."""

    column: Column
    label: str  # as the user is shown it: the header, or `gas = N2`
    name: str  # without its unit
    unit: str | None
    value: str | None = None

    def expression(self, decimal: str) -> pl.Expr:
        """Its numbers."""
        import polars as pl

        if self.value is None:
            return self.column.number(decimal)
        text = self.column.text()
        known = text.is_in(list(self.column.seen or self.column.values))
        value = pl.when(known).then((text == self.value).cast(pl.Float64)).otherwise(float("nan"))
        return pl.when(text.is_null()).then(None).otherwise(value)


def features_of(column: Column) -> list[Feature]:
    """One feature of a column of numbers; of texts one for each value but the first, which the others are told from."""
    if column.kind != TEXT:
        unit = "d" if column.kind == DATE else column.unit
        return [Feature(column, column.header, column.name.name, unit)]
    labels = [(f"{column.header} = {value}", value) for value in column.values[1:]]
    return [Feature(column, label, label, None, value) for label, value in labels]


def unusable(column: Column, rows: int) -> str | None:
    """Why a column that nobody named is no input, None where it is one."""
    if column.kind == EMPTY:
        return "empty"
    if column.counts:
        return "it counts the rows"
    if column.kind in (OTHER, DATE):
        return "days; name it in dataset.inputs to use days since 1970" if column.kind == DATE else "no numbers"
    if column.kind == MIXED or column.odd > LABELS:
        return "numbers and texts"
    if column.distinct == 1:
        return "the same in all rows"
    if column.kind == TEXT and (column.distinct > MOST_CATEGORIES or 3 * column.distinct > rows):
        return column.words()
    if column.present < rows / 2:
        return f"missing in {rows - column.present} of {rows} rows"
    return None
