"""What was understood of a table, in the few lines that are told before training."""

from __future__ import annotations

from kanrun.data.table.asked import Array, Rows
from kanrun.data.table.reading import Reading
from kanrun.errors import counted, shorten


def understood(rows: Rows, reading: Reading) -> list[str]:
    """What was understood, in a few lines."""
    raw = reading.raw
    left = f", {len(rows.x)} used" if len(rows.x) < rows.read else ""
    lines = [f"{rows.file}: {raw.kind}, {rows.read} rows{left}, {counted(len(reading.columns), 'column')}"]
    if rows.labels:
        shares = ", ".join(f"{label} {int((rows.y == k).sum())}" for k, label in enumerate(rows.labels[:8]))
        lines.append(f"target {rows.targets[0].header}: {len(rows.labels)} classes ({shares})")
    else:
        labels = [with_unit(t.header, t.name.name, t.unit) for t in rows.targets]
        ranges = [ranged(label, rows.y[:, j]) for j, label in enumerate(labels)]
        lines.append(f"target {', '.join(ranges)}")
    shown = [ranged(with_unit(f.label, f.name, f.unit), rows.x[:, i]) for i, f in enumerate(rows.inputs[:8])]
    more = f" and {len(rows.inputs) - 8} more" if len(rows.inputs) > 8 else ""
    lines.append(f"input{'s' * (len(rows.inputs) > 1)} {', '.join(shown)}{more}")
    if "sigma" in rows.beside:
        lines.append(f"rows count by 1/{rows.beside['sigma'].name.name}^2, the errors of the target")
    if "weights" in rows.beside:
        lines.append(f"rows count by {rows.beside['weights'].name.name}")
    if reading.aside:
        more = f" and {len(reading.aside) - 8} more" if len(reading.aside) > 8 else ""
        lines.append(f"not used: {', '.join(reading.aside[:8])}{more}")
    return lines


def with_unit(label: str, name: str, unit: str | None) -> str:
    """A column with its unit, where its header does not say it."""
    short = shorten(label, 60)
    return short if unit is None or label != name else f"{short} [{unit}]"


def ranged(label: str, values: Array) -> str:
    """A column and its range."""
    return f"{label} from {values.min():.4g} to {values.max():.4g}"
