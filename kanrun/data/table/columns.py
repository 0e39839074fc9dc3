"""The columns of a table: what each holds, and what it becomes where it is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kanrun.data.table.cells import TRUE, TRUTH, as_numbers, stripped
from kanrun.data.table.files import Raw
from kanrun.data.table.names import UNNAMED, Name, distinct, name_of

if TYPE_CHECKING:
    import polars as pl

NUMBER, BOOLEAN, TEXT, DATE, MIXED, EMPTY, OTHER = "number", "boolean", "text", "date", "mixed", "empty", "other"
SAMPLE_ROWS = 100_000  # that say what a column holds
NUMERIC, PARTLY = 0.9, 0.5  # share of numbers from which a column is one of numbers, or of numbers and texts
MOST_CATEGORIES = 10
DAY = 86_400_000.0  # milliseconds
ISO_DAY = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?Z?)?$"
COUNTERS = ("", "index", "id", "nr", "nr.", "no", "no.", "#", "row", "unnamed: 0")


@dataclass(frozen=True)
class Column:
    """One column: its key in the engine's frame, its name, what it holds, and how its cells are written.

    `values` are the different texts of a sample, at most one more than `MOST_CATEGORIES`; `counts` says that it only
    numbers the rows.
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

    @property
    def header(self) -> str:
        """What the user calls it."""
        return self.name.header

    def text(self) -> pl.Expr:
        """Its cells as text, null where they are missing."""
        import polars as pl

        return pl.col(self.key).cast(pl.String) if self.typed else stripped(pl.col(self.key))

    def number(self, decimal: str) -> pl.Expr:
        """Its numbers: null where a cell is missing, NaN where it is no finite number."""
        import polars as pl

        if self.kind == BOOLEAN:
            return self.truth()
        if self.kind == DATE:
            moments = (
                pl.col(self.key) if self.typed else self.text().str.strip_suffix("Z").str.to_datetime(strict=False)
            )
            days = moments.cast(pl.Datetime("ms")).dt.timestamp("ms").cast(pl.Float64) / DAY
            return pl.when(self.text().is_not_null() & days.is_null()).then(float("nan")).otherwise(days)
        number = pl.col(self.key).cast(pl.Float64) if self.typed else as_numbers(self.text(), decimal)
        odd = self.text().is_not_null() & (number.is_null() | ~number.is_finite())
        return pl.when(odd).then(float("nan")).otherwise(number)

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
            return f"text with {several} values"
        return {MIXED: "numbers and texts", DATE: "days", OTHER: "no numbers", EMPTY: "empty"}.get(self.kind, self.kind)


def columns_of(raw: Raw) -> tuple[list[Column], list[str]]:
    """The columns of a file in order, and what the user should know about their names."""
    sample = raw.frame.head(SAMPLE_ROWS).collect(engine="streaming")
    headers, notes = distinct([" ".join(n.split()) for n in raw.names])
    units = [*raw.units, *[""] * (len(headers) - len(raw.units))]
    names = [name_of(header, unit) for header, unit in zip(headers, units, strict=True)]
    return [column_of(f"c{i}", raw.names[i], name, sample, raw.decimal) for i, name in enumerate(names)], notes


def column_of(key: str, written: str, name: Name, sample: pl.DataFrame, decimal: str) -> Column:
    """What one column holds, by the cells of a sample."""
    import polars as pl

    series = sample[key]
    kind = series.dtype
    if kind in (pl.String, pl.Categorical) or isinstance(kind, pl.Enum):
        cells = sample.select(stripped(pl.col(key).cast(pl.String)).alias(key))[key]
        return column_of_texts(key, written, name, cells, decimal, typed=kind != pl.String)
    present = len(series) - series.null_count()
    if kind.is_numeric():
        whole = bool((series.cast(pl.Float64).drop_nulls() % 1 == 0).all())
        return Column(
            key, name, NUMBER if present else EMPTY, typed=True, whole=whole, unit=name.unit,
            distinct=series.drop_nulls().n_unique(), present=present, counts=is_counter(written, series),
        )  # fmt: skip
    plain = {pl.Boolean: BOOLEAN, pl.Date: DATE, pl.Datetime: DATE}.get(kind.base_type(), OTHER)
    many = 0 if plain == OTHER else series.drop_nulls().n_unique()
    return Column(key, name, plain if present else EMPTY, typed=True, distinct=many, present=present)


def column_of_texts(key: str, written: str, name: Name, cells: pl.Series, decimal: str, typed: bool) -> Column:
    """The same of a column whose cells are texts, null where they are missing."""
    import polars as pl

    filled = cells.drop_nulls()
    present, many = len(filled), filled.n_unique()
    if not present:
        return Column(key, name, EMPTY, typed)
    numbers = filled.to_frame("t").select(as_numbers(pl.col("t"), decimal))["t"]
    share = numbers.is_not_null().sum() / present
    if share >= PARTLY and not typed:
        found = numbers.drop_nulls()
        percent = bool(filled.str.ends_with("%").mean() or PARTLY < 0) and name.unit is None
        return Column(
            key, name, NUMBER if share >= NUMERIC else MIXED, typed, bool((found % 1 == 0).all()),
            "%" if percent else name.unit, distinct=many, present=present,
            counts=is_counter(written, numbers) and share == 1,
        )  # fmt: skip
    lower = set(filled.str.to_lowercase().unique().to_list()) if many <= 4 else set()
    values = tuple(sorted(filled.unique().to_list())) if many <= MOST_CATEGORIES else ()
    if lower and any(lower <= pair for pair in TRUTH):
        kind = BOOLEAN
    else:
        kind = DATE if bool(filled.str.contains(ISO_DAY).all()) else TEXT
    return Column(key, name, kind, typed, values=values, distinct=many, present=present)


def is_counter(written: str, numbers: pl.Series) -> bool:
    """Whether a column without a name of its own counts the rows from 0 or 1."""
    plain = written.strip().lower()
    if plain not in COUNTERS and not UNNAMED.fullmatch(plain):
        return False
    values = numbers.drop_nulls().to_numpy()
    return len(values) > 1 and values[0] in (0, 1) and bool((values[1:] - values[:-1] == 1).all())


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
        known = pl.when(text.is_in(list(self.column.values))).then((text == self.value).cast(pl.Float64))
        return pl.when(text.is_null()).then(None).otherwise(known.otherwise(float("nan")))


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
        return "days; name it in dataset.inputs to use days since the first" if column.kind == DATE else "no numbers"
    if column.kind == MIXED:
        return "numbers and texts"
    if column.distinct == 1:
        return "the same in all rows"
    if column.kind == TEXT and (column.distinct > MOST_CATEGORIES or 3 * column.distinct > rows):
        return column.words()
    if column.present < rows / 2:
        return f"missing in {rows - column.present} of {rows} rows"
    return None


def copies(inputs: Sequence[Any], target: Any) -> dict[int, str]:
    """Inputs [rows] that say what the target or an input before them says, up to a factor and a shift: by their number.

    What is told is `the target` or the number of that input.
    """
    import numpy as np

    def alike(a: Any, b: Any) -> bool:
        both = np.isfinite(a) & np.isfinite(b)
        if both.sum() < 4:
            return False
        p, q = a[both] - a[both].mean(), b[both] - b[both].mean()
        p, q = p / (abs(p).max() or 1.0), q / (abs(q).max() or 1.0)
        return bool(np.abs(p - q).max() < 1e-9 or np.abs(p + q).max() < 1e-9)

    found: dict[int, str] = {}
    for i, one in enumerate(inputs):
        if target is not None and len(one) and np.array_equal(one, target, equal_nan=True):
            found[i] = "the target"
            continue
        twin = next((j for j in range(i) if j not in found and alike(one, inputs[j])), None)
        if twin is not None:
            found[i] = str(twin)
    return found
