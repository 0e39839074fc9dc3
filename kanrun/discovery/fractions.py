"""Fractions of two sums of terms, found as relations that hold to rounding: N(x) - y D(x) = 0."""

from __future__ import annotations

import torch
from torch import Tensor

from kanrun.context import Context
from kanrun.discovery.atoms import Term, complexity_of, term_values
from kanrun.discovery.compose import Weighted
from kanrun.discovery.terms import Table
from kanrun.symbolic.linear import least_squares, missed

# The powers and functions of terms: few at first, because many smooth functions all but depend on each other.
KINDS = [
    (("x", "x^2", "x^3"), ("sin", "cos", "exp")),
    (("x", "x^2", "x^3", "x^4", "1/x", "1/x^2", "1/x^3", "sqrt", "1/sqrt(x)"), ("sin", "cos", "exp", "log", "sqrt")),
]
MOST_COLUMNS = 450  # terms above and below the line that are looked at
ROWS_A_COLUMN = 2
DEPENDS = 1e-11  # part of a column that others leave, below which it depends on them
MOST_TERMS = 12
COLUMN, GRAM_SCHMIDT, SOLVING = 0.1, 1e-5, 5e-8  # units of work: a term, an entry of its basis, a product of entries
VANISHES = 1e-9  # size of a divisor, beside its terms, that is nothing


def find_fraction(table: Table, y: Tensor, context: Context) -> tuple[Weighted, Weighted] | None:
    """What is above and below the line of the shortest fraction that is `y` [rows] to rounding; None where none is.

    Terms, and the products of y and terms, become columns of a Gram-Schmidt process in the order of their complexity.
    The first column that depends on those before it tells a relation; where y drops out of it, or is divided by
    nothing, the column says nothing new and is left out.
    """
    for powers, functions in KINDS:
        terms = simple_terms(table, powers, functions)
        if found := first_relation(terms, table.t[: ROWS_A_COLUMN * MOST_COLUMNS], y, context):
            return found
    return None


def first_relation(terms: list[Term], rows: Tensor, y: Tensor, context: Context) -> tuple[Weighted, Weighted] | None:
    """The fraction of the first column that depends on those before it and tells one."""
    y = y[: len(rows)]
    basis = torch.zeros(len(rows), 0, dtype=y.dtype, device=y.device)
    columns: list[Tensor] = []
    kept: list[tuple[Term, bool]] = []  # and whether it is below the line
    for term in terms:
        if context.over() or len(kept) >= min(MOST_COLUMNS, len(rows) // ROWS_A_COLUMN):
            break
        context.spend(COLUMN + GRAM_SCHMIDT * basis.numel())
        value = term_values(term, rows)
        for below in (False, True):
            column = value * y if below else value
            column = column / column.norm()
            if not bool(torch.isfinite(column).all()):
                continue
            rest = column - basis @ (basis.T @ column)
            rest = rest - basis @ (basis.T @ rest)
            if float(rest.norm()) > DEPENDS:
                basis = torch.cat([basis, (rest / rest.norm())[:, None]], dim=1)
                columns.append(column)
                kept.append((term, below))
            elif found := relation(columns, kept, column, (term, below), rows, y, context):
                return found
    return None


def simple_terms(table: Table, powers: tuple[str, ...], functions: tuple[str, ...]) -> list[Term]:
    """Terms of these powers and at most one of the functions, simple ones first; the empty one, which is 1, begins."""
    shapes = [s for s in table.shapes if not s or s[0].function.name in functions]
    found = [m + s for m in table.monomials if all(f.function.name in powers for f in m) for s in shapes]
    return sorted(found, key=lambda term: complexity_of(term, table.arguments))


def relation(
    columns: list[Tensor],
    kept: list[tuple[Term, bool]],
    last: Tensor,
    newest: tuple[Term, bool],
    t: Tensor,
    y: Tensor,
    context: Context,
) -> tuple[Weighted, Weighted] | None:
    """The fraction that the dependence of the `last` column on the others tells, None where it tells none."""
    needed = fewest(torch.stack(columns, dim=1), last, context)
    if not 0 < len(needed) < MOST_TERMS:
        return None
    parts = [*(kept[k] for k in needed), newest]
    values = torch.stack([term_values(term, t) * (y if below else 1.0) for term, below in parts], dim=1)
    sizes = values.norm(dim=0)
    factors = least_squares(values[:, :-1] / sizes[:-1], -values[:, -1] / sizes[-1])
    if factors is None:
        return None
    shares = torch.cat([factors, torch.ones_like(factors[:1])])  # the relation is that the sum of shares is zero
    line = torch.tensor([below for _, below in parts])
    vanishes = float(((values / sizes)[:, line] @ shares[line]).norm()) <= VANISHES
    if vanishes or float((values / sizes @ shares).norm()) > 10 * DEPENDS:
        return None
    weights = (shares / sizes / (shares / sizes)[line][0]).tolist()
    above = [(-c, term) for c, (term, below) in zip(weights, parts, strict=True) if not below]
    under = [(c, term) for c, (term, below) in zip(weights, parts, strict=True) if below]
    return weighted(above), weighted(under)


def fewest(design: Tensor, target: Tensor, context: Context) -> list[int]:
    """Columns of `design` [rows, columns] that give the target [rows] by themselves, without the ones of least share.

    Columns that all but depend on each other share what one of them does alone: a part of them goes at a time, as long
    as it is not over.
    """
    kept, part = list(range(design.shape[1])), 0.5
    while part > 0 and not context.over():
        context.spend(SOLVING * len(design) * len(kept) ** 2)
        factors = least_squares(design[:, kept], target, independent=True)
        if factors is None:
            break
        order = factors.abs().argsort(descending=True).tolist()
        fewer = [kept[k] for k in order[: min(len(kept) - 1, int(len(kept) * (1 - part)))]]
        if fewer and missed(design[:, fewer], target) < DEPENDS:
            kept = fewer
        else:
            part = part / 2 if part * len(kept) > 1 else 0.0
    return kept


def weighted(terms: list[tuple[float, Term]]) -> Weighted:
    """The sum, its constant apart."""
    return Weighted(sum(c for c, term in terms if not term), [(c, term) for c, term in terms if term])
