"""Units of a dataset's columns in its formulas: whether these add up, and the units of their constants."""

from __future__ import annotations

from dataclasses import replace

import sympy as sp

from kanrun.data.dataset import Dataset
from kanrun.data.units import dimension_of, unit_of
from kanrun.symbolic.dimensions import Units, dimensions_of
from kanrun.symbolic.uncertainty import Constant

ODD = 40.0  # bits that a formula which does not add up in the units costs
PLAIN = 1e-9  # part by which a decimal may differ from 1 and still stand for nothing that was measured


def units_for(data: Dataset, output: int) -> Units:
    """The dimensions of the inputs, and of an output."""
    known = {name: d for name, unit in data.units.items() if (d := dimension_of(unit)) is not None}
    return Units({name: known[name] for name in data.inputs if name in known}, known.get(data.outputs[output]))


def adds_up(expression: sp.Expr, units: Units) -> bool:
    """Whether the formula can be right in its units; decimals that are 1 are no constants with a unit."""
    if not units.known:
        return True
    ones = {f: sp.Integer(round(float(f))) for f in expression.atoms(sp.Float) if abs(abs(float(f)) - 1) < PLAIN}
    return dimensions_of(expression.xreplace(ones), units).agree


def with_units(constants: list[Constant], expression: sp.Expr, data: Dataset, output: int) -> list[Constant]:
    """The constants with the units that make both sides agree, where these are known.

    A decimal that is two things, such as a length and a time, is there with each of their units.
    """
    units = units_for(data, output)
    if not units.known:
        return constants
    found = dimensions_of(expression, units).constants
    given = [*data.units.values()]
    named = [[None if d is None else unit_of(d.tolist(), given) for d in several] for several in found]
    return [replace(c, unit=unit) for c, own in zip(constants, named, strict=True) for unit in own]
