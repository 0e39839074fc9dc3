"""A table of the user's own as a dataset: names, units, classes, and which rows are for what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import numpy as np
import torch

from kanrun.config.datasets import TableConfig
from kanrun.data.dataset import CLASSIFICATION, REGRESSION, Dataset
from kanrun.data.dataset import Rows as Part
from kanrun.data.losses import CROSS_ENTROPY, MSE
from kanrun.data.split import FEW, parts_of
from kanrun.data.table.asked import Asked, Rows
from kanrun.data.table.columns import Column
from kanrun.data.table.names import column_asked, symbols_of
from kanrun.data.table.read import read_table
from kanrun.data.table.trained import Trained
from kanrun.data.units import check_unit, conversion, is_unit
from kanrun.data.weights import evened, weights_of_errors, with_balance
from kanrun.errors import ConfigError, shorten, wrong


def make_table(section: TableConfig, seed: int, dtype: torch.dtype) -> Dataset:
    """The rows of a file as a dataset. Raises ConfigError for what cannot be used."""
    asked = asked_of(section)
    check_test(section)
    rows = read_table(asked)
    units = settled_units(section, rows)
    train, test = rows, None
    if section.test_path is not None:
        test = rows_for_test(section, asked, rows, units)
    else:
        few = 0 if rows.labels else FEW  # classes have no cross-validation
        kept, held = parts_of(len(rows.x), section.test, seed, section.split == "order", rows.group, few)
        train, test = taken(rows, kept), None if held is None else taken(rows, held)
    check_classes(rows, train)
    check_weights(section, rows)
    data = dataset_of_rows(rows, train, test, units, dtype, section.units_matter)
    if train.sigma is not None:
        data = replace(data, noise=weights_of_errors(train.sigma)[1], absolute=section.absolute_sigma)
    return with_balance(data) if section.balanced else data


def check_weights(section: TableConfig, rows: Rows) -> None:
    """Raises ConfigError for weights that do not go with each other, or with the target."""
    if section.sigma is not None:
        key = "dataset.sigma"
        if section.weights is not None:
            reason = "rows count by dataset.sigma or by dataset.weights, not by both"
            raise ConfigError(wrong(key, section.sigma, reason))
        if rows.labels:
            raise ConfigError(wrong(key, section.sigma, "classes have no errors of measurement; use dataset.weights"))
        if len(rows.targets) > 1:
            reason = f"it has errors of one target, and there are {len(rows.targets)}; use dataset.weights"
            raise ConfigError(wrong(key, section.sigma, reason))
    if section.absolute_sigma and section.sigma is None:
        reason = "it says what dataset.sigma means, which is not given"
        raise ConfigError(wrong("dataset.absolute_sigma", True, reason))
    if section.balanced and not rows.labels:
        raise ConfigError(wrong("dataset.balanced", True, f"{rows.targets[0].header} is not of classes"))


def asked_of(section: TableConfig) -> Asked:
    """What the config asks of the file."""
    if not section.path:
        raise ConfigError(wrong("dataset.path", "", "a table needs its file, such as dataset.path='gas law.csv'"))
    target = section.target if isinstance(section.target, (list, tuple)) else [section.target] if section.target else []
    if not all(isinstance(name, (str, int, float)) for name in target):
        raise ConfigError(wrong("dataset.target", section.target, "the name of a column is needed, or a list of names"))
    return Asked(
        section.path, [str(name) for name in target], section.inputs, section.ignore, section.where,
        sigma=section.sigma, weights=section.weights, group=section.group, task=section.task,
        separator=section.separator, decimal=section.decimal, encoding=section.encoding,
    )  # fmt: skip


def taken(rows: Rows, numbers: torch.Tensor) -> Rows:
    """Some of the rows."""
    chosen = numbers.numpy()

    def part(column: Any) -> Any:
        return None if column is None else column[chosen]

    sigma, weights, numbers = part(rows.sigma), part(rows.weights), part(rows.numbers)
    return replace(rows, x=rows.x[chosen], y=rows.y[chosen], sigma=sigma, weights=weights, numbers=numbers)


def rows_for_test(section: TableConfig, asked: Asked, rows: Rows, units: dict[str, str]) -> Rows:
    """The rows of `dataset.test_path`, which has the same columns, in the units of training.

    Raises ConfigError where it has not. What is told of its rows goes to the warnings of `rows`.
    """
    assert section.test_path is not None
    inputs = list(dict.fromkeys(f.column.header for f in rows.inputs))
    other = replace(
        asked, path=section.test_path, inputs=inputs, ignore=(), task="classification" if rows.labels else "regression",
        like=trained_columns(rows, units),
    )  # fmt: skip
    try:
        found = read_table(other)
    except ConfigError as error:
        raise ConfigError([told_of_test(section.test_path, problem) for problem in error.problems]) from None
    rows.warnings += [f"{found.file}: {warning}" for warning in found.warnings]
    columns = {f.label: k for k, f in enumerate(found.inputs)}
    if lost := [f.label for f in rows.inputs if f.label not in columns]:
        raise ConfigError(wrong("dataset.test_path", section.test_path, f"it has no {', '.join(lost[:4])}"))
    x, y = found.x[:, [columns[f.label] for f in rows.inputs]], found.y
    if rows.labels:
        order = {label: k for k, label in enumerate(rows.labels)}
        if strange := [label for label in found.labels if label not in order]:
            reason = f"class {strange[0]} is not among the training rows"
            raise ConfigError(wrong("dataset.test_path", section.test_path, reason))
        y = np.array([order[found.labels[k]] for k in found.y])
    return replace(rows, x=x, y=y, sigma=found.sigma, weights=found.weights, numbers=found.numbers)


def told_of_test(path: str, problem: str) -> str:
    """A problem with the file of the test rows, whatever setting of both files it is about."""
    if problem.startswith("dataset.path="):
        return problem.replace("dataset.path=", "dataset.test_path=", 1)
    return wrong("dataset.test_path", path, problem)


def check_test(section: TableConfig) -> None:
    """Raises ConfigError where test rows are asked for in two ways."""
    if section.test_path is not None and section.test is not None:
        raise ConfigError(wrong("dataset.test", section.test, "the test rows are those of dataset.test_path"))
    if section.test_path is not None and section.split != "random":
        raise ConfigError(wrong("dataset.split", section.split, "the test rows are those of dataset.test_path"))


def trained_columns(rows: Rows, units: dict[str, str]) -> tuple[Trained, ...]:
    """The columns of a table as training has them: by these another file is read."""
    used = {c.header: c for c in [*(f.column for f in rows.inputs), *rows.targets]}
    found = []
    for name in rows.names:
        column = used.get(name.header)
        if column is None:  # such as one that only dataset.where asks for
            found.append(Trained(name, units.get(name.header, name.unit), name.unit))
        else:
            seen, unit = rows.seen.get(column.key, ()), units.get(name.header)
            found.append(Trained(name, unit, column.unit, column.kind, column.values, seen))
    return tuple(found)


def check_classes(rows: Rows, train: Rows) -> None:
    """Raises ConfigError where a class has no training row."""
    if rows.labels:
        there = np.bincount(train.y, minlength=len(rows.labels))
        if not there.all():
            label = rows.labels[int(there.argmin())]
            raise ConfigError(
                wrong("dataset.test", label, "this class has no training row; use another seed or fewer test rows")
            )


def settled_units(section: TableConfig, rows: Rows) -> dict[str, str]:
    """The units of columns by their headers: those of the file, and before these the ones in the config.

    Raises ConfigError for a unit that is none, with the nearest, and for a column that is not there.
    """
    columns = {f.column.key: f.column for f in rows.inputs} | {t.key: t for t in rows.targets}
    units = {c.header: c.unit for c in columns.values() if c.unit and is_unit(c.unit)}
    strange = sorted({c.unit for c in columns.values() if c.unit and not is_unit(c.unit)})
    if strange:
        rows.warnings.append(f"unknown unit{'s' * (len(strange) > 1)} {', '.join(strange)}: shown, not reckoned with")
        units |= {c.header: c.unit for c in columns.values() if c.unit in strange and c.unit}
    for name, unit in section.units.items():
        known = any(name in (n.header, n.name) for n in rows.names)
        plain = name if known else unquote(name)  # a command line cannot have all letters in a key
        key = f"dataset.units.{plain}"
        header = rows.names[column_asked(plain, rows.names, key)].header
        check_unit(key, unit)
        if conversion(own := units.get(header, unit), unit) != (1.0, 0.0):
            told = f"numbers are taken to be in {unit}, as dataset.units says, and not in {shorten(own, 60)}"
            rows.warnings.append(f"{shorten(header, 60)}: {told}")
        units[header] = unit
    return units


def dataset_of_rows(
    rows: Rows, train: Rows, test: Rows | None, units: dict[str, str], dtype: torch.dtype, matter: str
) -> Dataset:
    """What training takes: tensors, symbols, names and what is told of the table."""

    def part(own: Rows) -> Part:
        y = torch.as_tensor(own.y) if rows.labels else torch.as_tensor(own.y, dtype=dtype)
        known = None if own.numbers is None else torch.as_tensor(own.numbers)
        return Part(torch.as_tensor(own.x, dtype=dtype), y, row_weights(own, dtype), known)

    shown = short_names([f.name for f in rows.inputs], [f.label for f in rows.inputs], rows)
    symbols = symbols_of(shown)
    if rows.labels:
        outputs = [f"logit_{label}" for label in rows.labels]
    else:
        outputs = short_names([t.name.name for t in rows.targets], [t.header for t in rows.targets], None)
    of_inputs = {s: units[f.column.header] for s, f in zip(symbols, rows.inputs, strict=True)
                 if f.value is None and f.column.header in units}  # fmt: skip
    of_targets = {o: units[t.header] for o, t in zip(outputs, rows.targets, strict=False) if t.header in units}
    return Dataset(
        "table", part(train), None if test is None else part(test), symbols, outputs,
        CLASSIFICATION if rows.labels else REGRESSION, CROSS_ENTROPY if rows.labels else MSE,
        names=dict(zip(symbols, shown, strict=True)), units=of_inputs | of_targets, units_matter=matter,
        about=about(rows, symbols, outputs, units), notes=tuple(rows.notes), warnings=tuple(rows.warnings),
    )  # fmt: skip


def row_weights(rows: Rows, dtype: torch.dtype) -> torch.Tensor | None:
    """How much each row counts, with a mean of 1; None where all count alike."""
    found = rows.weights if rows.sigma is None else weights_of_errors(rows.sigma)[0]
    own = None if found is None else evened(found)
    return None if own is None else torch.as_tensor(own, dtype=dtype)


def short_names(names: Sequence[str], headers: Sequence[str], rows: Rows | None) -> list[str]:
    """Names without units where these tell the columns apart, and else whole headers."""
    others = [t.name.name for t in rows.targets] if rows else []
    several = {n for n in names if [*names, *others].count(n) > 1}
    return [header if name in several else name for name, header in zip(names, headers, strict=True)]


def about(rows: Rows, symbols: Sequence[str], outputs: Sequence[str], units: dict[str, str]) -> dict[str, Any]:
    """What metrics.json says of the table."""
    columns: list[dict[str, Any]] = []
    for k, (symbol, feature) in enumerate(zip(symbols, rows.inputs, strict=True)):
        low, high = float(rows.x[:, k].min()), float(rows.x[:, k].max())
        column = feature.column
        entry: dict[str, Any] = {"name": column.header, "symbol": symbol, "role": "input", "type": column.kind,
                                 "unit": units.get(column.header), "low": low, "high": high}  # fmt: skip
        if feature.value is not None:
            seen = rows.seen.get(column.key, column.values)
            entry |= {"value": feature.value, "values": list(seen), "label": feature.label}
        columns.append(entry | written_unit(column, units))
    for j, target in enumerate(rows.targets):
        own: dict[str, Any] = {"name": target.header, "symbol": None if rows.labels else outputs[j],
                               "role": "target", "type": target.kind, "unit": units.get(target.header)}  # fmt: skip
        if rows.labels:
            own["classes"] = rows.labels
        else:
            own |= {"low": float(rows.y[:, j].min()), "high": float(rows.y[:, j].max())}
        columns.append(own | written_unit(target, units))
    told = {"file": rows.file, "read": rows.read, "rows": len(rows.x), "dropped": rows.dropped, "columns": columns}
    return told | {name: column.header for name, column in rows.beside.items()}


def written_unit(column: Column, units: dict[str, str]) -> dict[str, Any]:
    """The unit that the file itself says, where the config overrules it: another file that says so means the same."""
    return {"unit_in_file": column.unit} if column.unit and column.unit != units.get(column.header) else {}
