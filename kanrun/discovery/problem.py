"""What a search looks for a formula of: rows, the functions that it may be made of, and maybe a width."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import sympy as sp
import torch
from torch import Tensor, nn

from kanrun.context import UNLIMITED, Context
from kanrun.data.losses import MSE
from kanrun.discovery.atoms import argument_values, arguments_of
from kanrun.discovery.trial import Discovered
from kanrun.discovery.whiteness import is_noise
from kanrun.functions.algebra import rewritten
from kanrun.functions.builtin import Function
from kanrun.functions.evaluate import Array
from kanrun.functions.library import FUNCTIONS
from kanrun.model.network import KAN
from kanrun.symbolic.adding_up import ODD, adds_up
from kanrun.symbolic.bare import Verdict, bare, verdict
from kanrun.symbolic.choosing import bits_to_choose
from kanrun.symbolic.compare import over_decades, relative_loss
from kanrun.symbolic.constants import Columns
from kanrun.symbolic.dimensions import Units
from kanrun.symbolic.expression import complexity, network_expressions
from kanrun.symbolic.prior import skeleton
from kanrun.symbolic.relative_errors import is_refuted
from kanrun.symbolic.search import Symbolic
from kanrun.symbolic.snap import EXACT
from kanrun.symbolic.textbook import as_in_textbooks

NEVER = 1e6  # bits of what is out of reach
LONG = 30  # nodes of a network's formula; with noise those of textbook laws have 10 to 25 before they are settled
HELD = 5  # every so many rows one is held back


@dataclass(frozen=True)
class Problem:
    """Targets `y` [rows, 1] at the rows `x` [rows, inputs]; with a `width` no other structure is looked at.

    `scales` are the units of the inputs beside each other, where they are not alike: sums of inputs have them as
    factors. Formulas stand back that do not add up in the units `measured` of the inputs by their `names`, and come
    after all others where it is `demanded` that they do. Errors of the rows count by their `weights` [rows], with a
    mean of 1, where there are some. `most` is the mean squared error beyond which what is left is no noise, however it
    looks. Raises ValueError for targets that are not one column beside
    the inputs, or whose squares are not finite.
    """

    x: Tensor
    y: Tensor
    functions: list[Function]
    width: list[int | list[int]] | None = None
    scales: tuple[float, ...] | None = None
    names: tuple[str, ...] = ()
    measured: Units | None = None
    demanded: bool = False
    weights: Tensor | None = None
    most: float = math.inf

    def __post_init__(self) -> None:
        if self.y.shape != (len(self.x), 1):
            raise ValueError(f"one target a row: {list(self.y.shape)} for {list(self.x.shape)}")
        if not math.isfinite(self.variance):
            raise ValueError("targets must have finite squares")

    @property
    def n(self) -> int:
        """How many inputs there are."""
        return self.x.shape[1]

    @cached_property
    def variance(self) -> float:
        """The variance of the targets."""
        return MSE.weighted_null_value(self.y, self.weights)

    def loss(self, outputs: Tensor) -> float:
        """The mean squared error of outputs [rows, 1]."""
        return float(MSE.weighted_value(outputs, self.y, self.weights))

    @property
    def exact(self) -> float:
        """The loss of a formula that leaves nothing but rounding."""
        return EXACT * self.variance

    @property
    def alike(self) -> bool:
        """Whether all targets are the same to rounding."""
        return self.variance <= torch.finfo(self.y.dtype).eps ** 2 * float((self.y**2).mean())

    @cached_property
    def held(self) -> Tensor:
        """Which rows are held back when networks are fitted: [rows]."""
        return torch.arange(len(self.x), device=self.x.device) % HELD == 0

    @cached_property
    def joined(self) -> Tensor:
        """Inputs joined in pairs, for what may be noise: [rows, arguments]."""
        return argument_values(arguments_of(self.x, self.scales), self.x, FUNCTIONS)

    def verdict(self, found: Discovered, context: Context = UNLIMITED) -> Verdict:
        """What the rows say of a formula, once its constants are at their best."""
        if not found.symbolic.loss <= self.exact:
            return Verdict.NOT
        columns, y = self.arrays
        return verdict(bare(self.expression(found), columns, y, context), columns, y, context)

    @cached_property
    def arrays(self) -> tuple[Columns, Array]:
        """The rows of each input by the names x_1, ..., and the targets [rows]."""
        columns = {f"x_{i + 1}": self.x[:, i].double().cpu().numpy() for i in range(self.n)}
        return columns, self.y[:, 0].double().cpu().numpy()

    @cached_property
    def factors(self) -> Array:
        """What errors of the rows count times [rows]."""
        return np.ones(len(self.y)) if self.weights is None else np.sqrt(self.weights.double().cpu().numpy())

    def of_inputs(self, inputs: Sequence[int]) -> Problem:
        """The problem with these inputs alone."""
        names = tuple(self.names[i] for i in inputs) if self.names else ()
        return replace(self, x=self.x[:, list(inputs)].contiguous(), names=names)

    def expression(self, found: Discovered) -> sp.Expr:
        """A formula as its network has it, of x_1, ..."""
        return network_expressions(found.symbolic.model, [f"x_{i + 1}" for i in range(self.n)])[0]

    def form_and_bits(self, found: Discovered) -> tuple[str, float]:
        """The form of a formula, and the bits by which one is chosen among others."""
        (columns, y), expression = self.arrays, rewritten(as_in_textbooks, self.expression(found))
        by_size = self.weights is None and over_decades(y)
        return skeleton(expression, name=None), bits_to_choose(expression, columns, y, self.factors, by_size)

    def rated(self, found: Discovered) -> Discovered:
        """A formula with its description length relative to the targets' size, where that explains them better."""
        found = self.in_units(found)
        (columns, y), loss = self.arrays, found.symbolic.loss
        if self.weights is not None or not over_decades(y) or not loss > self.exact:
            return found
        with torch.no_grad():
            ours = found.symbolic.model(self.x)[:, 0].double().cpu().numpy()
        relative = max(relative_loss(ours, y), self.exact)
        if not relative < loss or is_refuted(self.expression(found), columns, y):
            return found
        bits = found.bits + 0.5 * len(y) * math.log2(relative / loss)
        return replace(found, symbolic=replace(found.symbolic, bits=bits))

    def in_units(self, found: Discovered) -> Discovered:
        """A formula with a longer description where it does not add up in the units."""
        if self.measured is None or not self.measured.known:
            return found
        expression = network_expressions(found.symbolic.model, list(self.names))[0]
        if adds_up(expression, self.measured):
            return found
        more = NEVER if self.demanded else ODD
        return replace(found, symbolic=replace(found.symbolic, bits=found.symbolic.bits + more))

    def leaves_noise(self, outputs: Callable[[Tensor], Tensor]) -> bool:
        """Whether what a function of rows leaves of the targets looks like noise."""
        ours = outputs(self.x)
        if self.loss(ours) > self.most:
            return False
        rest = (ours - self.y)[:, 0]
        return is_noise(rest if self.weights is None else rest * self.weights.sqrt(), self.x, self.joined)

    def is_short(self, found: Discovered) -> bool:
        """Whether a formula, as its network has it, is no longer than those that people write."""
        return complexity(self.expression(found)) <= LONG

    def constant(self) -> Discovered:
        """The formula of targets that are all the same."""
        model = KAN([self.n, 1], grid=1, dtype=self.x.dtype).to(self.x.device)
        model.layers[0].alive.zero_()
        level = self.y if self.weights is None else self.y * self.weights[:, None] / self.weights.mean()
        model.layers[0].bias = nn.Parameter(level.mean(0))
        return Discovered(model, model, self.described(model))

    def described(self, model: KAN) -> Symbolic:
        """A network of functions with its loss."""
        with torch.no_grad():
            return Symbolic(model, self.loss(model(self.x)), math.inf)
