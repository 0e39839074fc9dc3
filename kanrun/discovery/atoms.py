"""The factors of terms: powers of inputs, and functions of inputs, of their products, ratios, sums and differences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import torch
from torch import Tensor

from kanrun.discovery.links import one_sign
from kanrun.functions.builtin import Function
from kanrun.symbolic.fit import start_ranges

POWERS = {
    -3.0: "1/x^3", -2.0: "1/x^2", -1.0: "1/x", -0.5: "1/sqrt(x)", 0.5: "sqrt", 1.0: "x", 1.5: "x^1.5", 2.0: "x^2",
    3.0: "x^3", 4.0: "x^4", 5.0: "x^5",
}  # fmt: skip
MANY = 4  # inputs from which on fewer powers, functions and starts are looked at
# Inputs with a power of their own in one term, for so many inputs at most; and inputs that are joined in pairs.
MOST_FACTORS = {3: 9, 2: 20, 1: 1000}
MOST_JOINED = 12
BESIDE = 1e-6  # part of the larger one of two inputs that the other must have for their sum to say anything
PLAIN = ("x", "0", "sgn", "tan", "arcsin", "arccos", "arctanh")  # functions that no term begins with


@dataclass(frozen=True)
class Argument:
    """An input, or two of them joined: the sum or product of edges, each an input, a function's name and a factor."""

    edges: tuple[tuple[int, str, float], ...]
    is_product: bool = False

    @property
    def is_input(self) -> bool:
        """Whether this is an input as it is."""
        return len(self.edges) == 1 and self.edges[0][1:] == ("x", 1.0)

    @property
    def is_sum(self) -> bool:
        """Whether this is a sum or difference."""
        return len(self.edges) > 1 and not self.is_product

    def values(self, x: Tensor, library: Mapping[str, Function]) -> Tensor:
        """Its values at the rows `x` [rows, inputs]: [rows]."""
        parts = torch.stack([c * library[name].value(x[:, i]) for i, name, c in self.edges])
        return parts.prod(0) if self.is_product else parts.sum(0)


@dataclass(frozen=True)
class Factor:
    """f(a * t + b) of an argument t; a and b are trained where it is `shaped`."""

    function: Function
    argument: int
    a: float = 1.0
    b: float = 0.0
    shaped: bool = False

    def complexity(self, arguments: list[Argument]) -> int:
        """That of its function, more for constants and for what its argument is made of."""
        return self.function.complexity + 2 * self.shaped + 2 * (not arguments[self.argument].is_input)


Term = tuple[Factor, ...]


def complexity_of(term: Term, arguments: list[Argument]) -> int:
    """Those of the factors, with one more a product."""
    return sum(f.complexity(arguments) + 1 for f in term) - 1 if term else 0


def arguments_of(x: Tensor, scales: Sequence[float] | None = None) -> list[Argument]:
    """The inputs first, then their squares, and sums, differences, products and ratios of two of them.

    In sums the inputs have their `scales`; those of which one is nothing beside the other are left out.
    """
    n = x.shape[1]
    scales = scales or [1.0] * n
    sizes = [s * float(x[:, i].abs().amax()) for i, s in enumerate(scales)]
    found = [Argument(((i, "x", 1.0),)) for i in range(n)] + [Argument(((i, "x^2", 1.0),)) for i in range(n)]
    for i, j in combinations(range(n), 2) if n <= MOST_JOINED else ():
        if min(sizes[i], sizes[j]) > BESIDE * max(sizes[i], sizes[j]):
            first, second = (s / max(scales[i], scales[j]) for s in (scales[i], scales[j]))
            found.append(Argument(((i, "x", first), (j, "x", second))))
            found.append(Argument(((i, "x", first), (j, "x", -second))))
        found.append(Argument(((i, "x", 1.0), (j, "x", 1.0)), True))
        found += [Argument(((p, "x", 1.0), (q, "1/x", 1.0)), True) for p, q in ((i, j), (j, i)) if one_sign(x[:, q])]
    found += [Argument(((i, "1/x", 1.0),)) for i in range(n) if n < MANY and one_sign(x[:, i])]
    for inputs in combinations(range(n), 3) if n <= MANY else ():
        found.append(Argument(tuple((i, "x", 1.0) for i in inputs), True))
        for k in inputs:
            if one_sign(x[:, k]):
                found.append(Argument((*((i, "x", 1.0) for i in inputs if i != k), (k, "1/x", 1.0)), True))
    return found


def argument_values(arguments: list[Argument], x: Tensor, library: Mapping[str, Function]) -> Tensor:
    """The values of arguments at the rows `x` [rows, inputs]: [rows, arguments]."""
    return torch.stack([a.values(x, library) for a in arguments], dim=1)


def term_values(term: Term, t: Tensor) -> Tensor:
    """The values of a term with a and b as its factors have them, at arguments `t` [rows, arguments]: [rows]."""
    one = torch.ones(len(t), dtype=t.dtype, device=t.device)
    return math.prod((f.function.value(f.a * t[:, f.argument] + f.b) for f in term), start=one)


def allowed_powers(x: Tensor, functions: dict[str, Function], few: bool) -> list[float]:
    """The powers that the values `x` [rows] have."""
    positive, sided = bool((x > 0).all()), one_sign(x)
    powers = [p for p, name in POWERS.items() if name in functions and (not few or p in (-2, -1, 0.5, 1, 2))]
    return [p for p in powers if (p > 0 or sided) and (p == int(p) or positive)]


def monomials(x: Tensor, functions: dict[str, Function]) -> list[Term]:
    """Products of powers of a few inputs, the empty one first; the argument numbers are the inputs'."""
    n = x.shape[1]
    powers = [allowed_powers(x[:, i], functions, n >= MANY) for i in range(n)]
    found: list[Term] = [()]
    for size in (s for s in range(1, n + 1) if n <= MOST_FACTORS.get(s, 0)):
        for inputs in combinations(range(n), size):
            choices = [powers[i] if size < 3 or n < MANY else [p for p in powers[i] if abs(p) == 1] for i in inputs]
            for exponents in product(*choices):
                found.append(tuple(Factor(functions[POWERS[p]], i) for i, p in zip(inputs, exponents, strict=True)))
    return found


def power(i: int, p: int, functions: dict[str, Function]) -> Term:
    """x_i^p of a whole p, in two factors beyond the powers that there are."""
    return tuple(Factor(functions[POWERS[q]], i) for q in ((p,) if p in POWERS else (p // 2, p - p // 2)))


def ranges_of(function: Function, few: bool) -> list[tuple[float, float]]:
    """Ranges of a function that its argument may be stretched over; none that a sign would repeat."""
    ranges = [(low, high) for low, high in start_ranges(function) if function.parity != 1 or low + high >= 0]
    if function.name in ("sin", "cos"):
        ranges = [r for r in ranges if r[0] < 3.1] if function.name == "sin" else []
    elif function.name == "exp":
        ranges = [*ranges, *((high, low) for low, high in ranges)]
    return ranges[:: max(1, len(ranges) // 6)] if few else ranges


def starting_factors(
    t: Tensor, argument: int, functions: dict[str, Function], few: bool, joined: bool = False
) -> Iterator[Factor]:
    """Functions of an argument, with values `t` [rows], to start from: as it is, and over ranges that suit its values.

    Itself and its square are only looked at where it is a sum of inputs (`joined`): those of others are monomials.
    """
    middle, half = (t.max() + t.min()).item() / 2, (t.max() - t.min()).item() / 2
    if not half > 0:
        return
    for function in functions.values():
        if function.name in ("x", "x^2") and joined:
            yield Factor(function, argument)
        if function.name == "abs" and one_sign(t):
            continue
        if function.name in PLAIN or function.name.startswith(("x^", "1/x^3", "1/x^4", "1/x^5")):
            continue
        ranges = ranges_of(function, few)
        slopes = [(high - low) / 2 / half for low, high in ranges]
        plain = [(a, 0.0, False) for a in ((1.0, -1.0) if function.name == "exp" else (1.0,))]
        shaped = [(a, (high + low) / 2 - a * middle, True) for a, (low, high) in zip(slopes, ranges, strict=True)]
        starts = [*plain, *shaped]
        a, b = t.new_tensor([start[:2] for start in starts]).unbind(1)
        allowed = function.allows(t[:, None] * a + b).tolist()
        for start, is_allowed in zip(starts, allowed, strict=True):
            if is_allowed:
                yield Factor(function, argument, *start)
