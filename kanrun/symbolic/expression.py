"""The formula of a symbolic network: SymPy expressions with redundant constants merged into a canonical form."""

from __future__ import annotations

import math

import sympy as sp

from kanrun.functions.builtin import Function
from kanrun.functions.parser import parse_formula, symbol
from kanrun.model.layer import FACTORS
from kanrun.model.network import KAN

DIGITS = 17  # enough to give back the same float64
LARGE = 100.0  # constants in exponents from which on they stay there
SCALING = ("log", "sqrt", "x^1.5", "1/sqrt(x)", "abs")  # a positive factor inside is a factor (log: a shift) outside


def number(value: float) -> sp.Expr:
    """A constant at full precision; whole numbers 0, 1 and -1 are exact."""
    return sp.Integer(int(value)) if value in (0.0, 1.0, -1.0) else sp.Float(float(value), DIGITS)


def network_expressions(model: KAN, inputs: list[str]) -> list[sp.Expr]:
    """One expression an output of a network whose edges are all library functions, in terms of `inputs`."""
    units = zip(inputs, model.shift.tolist(), model.scale.tolist(), strict=True)
    nodes: list[sp.Expr] = [scaled(symbol(name) - number(shift), number(1 / scale)) for name, shift, scale in units]
    for layer in model.layers:
        subnodes = []
        for sub in range(layer.n_sub):
            total = number(layer.bias[sub].item())
            for i in range(layer.n_in):
                if bool(layer.alive[sub, i]):
                    a, b, c = layer.affine[sub, i].tolist()
                    total += edge_expression(layer.library[layer.functions[sub, i]], a, b, c, nodes[i])
            subnodes.append(total)
        products = []
        for m in range(layer.n_mult):
            first = layer.n_sum + FACTORS * m
            factors = [unit_lead(z) for z in subnodes[first : first + FACTORS]]
            products.append(sp.Mul(*[k for k, _ in factors]) * sp.Mul(*[u for _, u in factors]))
        nodes = subnodes[: layer.n_sum] + products
    return nodes


def edge_expression(function: Function, a: float, b: float, c: float, x: sp.Expr) -> sp.Expr:
    """c * f(a * x + b), with factors and shifts moved out of f where f allows it."""
    z = scaled(x, number(a)) + number(b)
    name, factor, shift = function.name, number(c), sp.Integer(0)
    if name == "x":
        return scaled(z, factor)
    template = parse_formula(function.text, ["x"])
    if not z.free_symbols:
        return factor * template.subs(symbol("x"), z)
    if name in ("exp",):
        constant, rest = z.as_coeff_Add()
        # Of a large one only what is left of a whole number: its exponential may be no number, and SymPy takes it.
        whole = sp.Integer(0 if abs(float(constant)) < LARGE else round(float(constant)))
        factor, z = factor * sp.exp(constant - whole), rest + whole
    elif name.startswith(("x^", "1/x")) and "." not in name:
        lead, z = unit_lead(z)
        factor *= lead ** int(template.as_base_exp()[1])
    elif name in SCALING:
        lead, unit = unit_lead(z)
        size = abs(lead)
        z = unit if lead.is_positive else scaled(unit, sp.Integer(-1))
        if name == "log":
            shift = factor * sp.log(size)
        else:
            factor *= template.subs(symbol("x"), size)
    else:
        sign, z = canonical_phase(function, z)
        factor *= sign
    return scaled(template.subs(symbol("x"), z), factor) + shift


def scaled(x: sp.Expr, factor: sp.Expr) -> sp.Expr:
    """`factor * x`, put into every term of a sum so that constants of nested sums meet."""
    return sp.Add(*[factor * term for term in sp.Add.make_args(x)])


def unit_lead(z: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """(k, u) with z = k * u, where the first term of the sum u that has a symbol has the factor 1."""
    terms = [t for t in sp.Add.make_args(z) if t.free_symbols]
    if not terms:
        return sp.Integer(1), z
    lead, _ = min(terms, key=sp.default_sort_key).as_coeff_Mul()
    return lead, sp.Add(*[divided(t, lead) for t in sp.Add.make_args(z)])


def divided(term: sp.Expr, by: sp.Expr) -> sp.Expr:
    """`term / by`, exactly 1 times the rest where the factors are the same."""
    factor, rest = term.as_coeff_Mul()
    return rest if factor == by else (factor / by) * rest


def canonical_phase(function: Function, z: sp.Expr) -> tuple[int, sp.Expr]:
    """A sign and an argument: first factor positive by parity, the shift within half a period around zero."""
    sign = 1
    lead, _ = unit_lead(z)
    if function.parity and lead.is_negative:
        sign, z = function.parity, scaled(z, sp.Integer(-1))
    if math.isfinite(function.period):
        constant, rest = z.as_coeff_Add()
        # Half a period turns the sign of sine and cosine; the tangent only repeats after a whole one.
        step = function.period / 2 if function.name in ("sin", "cos") else function.period
        turns = round(float(constant) / step)
        if turns:
            constant = number(float(constant) - turns * step)
            if step < function.period and turns % 2:
                sign = -sign
        z = rest + constant
    return sign, z


def complexity(expression: sp.Expr) -> int:
    """The number of nodes of the expression's tree."""
    return sum(1 for _ in sp.preorder_traversal(expression))


def numbers_in(expression: sp.Expr) -> int:
    """How many numbers of an expression could as well be others: all but signs and whole exponents.

    Rows may have chosen fractions and whole numbers as much as decimals, which are all that are counted as constants.
    """
    if expression.is_Number:
        return 1
    if expression.is_Pow and expression.exp.is_Integer:
        return numbers_in(expression.base)
    return sum(0 if expression.is_Mul and a in (1, -1) else numbers_in(a) for a in expression.args)


def rounded(expression: sp.Expr, digits: int = 4) -> sp.Expr:
    """The expression with its decimal constants to `digits` significant digits, for reading."""
    short = {}
    for f in expression.atoms(sp.Float):
        value = float(f"{float(f):.{digits - 1}e}")
        short[f] = sp.Integer(int(value)) if value.is_integer() and abs(value) < 10**digits else sp.Float(value, digits)
    return expression.xreplace(short)
