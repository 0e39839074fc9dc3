"""The formulas that a search has found, and whether one of them is enough."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from torch import Tensor

from kanrun.context import UNLIMITED, Context
from kanrun.discovery.problem import Problem
from kanrun.discovery.trial import Discovered, curved_edges
from kanrun.model.protocol import without_gradient
from kanrun.symbolic.bare import Verdict
from kanrun.symbolic.search import Symbolic, pareto

log = logging.getLogger("kanrun")

MOST_EDGES = 3  # curved edges an input of a formula that nothing shorter is looked for
RANKS = [kind.value for kind in (Verdict.EXACT, Verdict.UNDECIDED, Verdict.NOT)]
MOST_LOOKED_AT, MOST_NEAR = 60, 12  # formulas that are held beside each other at the end, and that are written
STRUCTURED = 3e-2  # unexplained part of the variance; noise of more is not told from structure


@dataclass
class Findings:
    """The formulas of a problem so far, as a plain value.

    `explained` says whether one of them leaves nothing that looks like more than noise; a formula leaves nothing but
    rounding with a loss up to `enough`, and is short with up to `few` curved edges. Which of those that leave nothing
    are not exact all the same stands in `doubts`: the place of the formula, and what the rows say of it. A long formula
    that leaves nothing but noise may be one way of many to imitate a short one: shorter ones are looked for until
    `longest` in the budget, 0 where there is no need to.
    """

    enough: float
    few: int
    all: list[Discovered] = field(default_factory=list)
    explained: bool = False
    longest: float = 0.0
    doubts: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, problem: Problem) -> Findings:
        """None yet."""
        return cls(problem.exact, MOST_EDGES * problem.n)

    def verdict(self, place: int) -> str:
        """What the rows say of the formula at a place: a value of symbolic.bare.Verdict."""
        fits = self.all[place].symbolic.loss <= self.enough
        return self.doubts.get(place, Verdict.EXACT.value) if fits else Verdict.NOT.value

    @property
    def best(self) -> Discovered | None:
        """The shortest formula of those that are exact; without one of those that may be; without one of all."""
        ranks = {k: RANKS.index(self.verdict(k)) for k in range(len(self.all))}
        first = min(ranks, key=lambda k: (ranks[k], self.all[k].bits), default=None)
        return None if first is None else self.all[first]

    @property
    def exact(self) -> bool:
        """Whether a formula leaves only rounding unexplained, row by row, and needs all its parts for that."""
        return any(self.verdict(k) == Verdict.EXACT.value for k in range(len(self.all)))

    @property
    def undecided(self) -> bool:
        """Whether a formula leaves only rounding unexplained, but the rows would not tell it from others."""
        verdicts = [self.verdict(k) for k in range(len(self.all))]
        return Verdict.UNDECIDED.value in verdicts and Verdict.EXACT.value not in verdicts

    @property
    def closed(self) -> bool:
        """Whether there is an exact formula that is also short."""
        best = self.best if self.exact else None
        return best is not None and curved_edges(best.symbolic.model) <= self.few

    @property
    def settled(self) -> bool:
        """Whether there is an exact formula that is also short, or one that leaves nothing but noise."""
        return self.closed or (self.explained and not self.longest)

    def keep(
        self,
        found: Discovered,
        problem: Problem,
        leaves_noise: Callable[[Callable[[Tensor], Tensor]], bool],
        context: Context = UNLIMITED,
        longest: float = 0.0,
    ) -> None:
        """Adds a formula; it explains all if it is the best so far, and what it leaves looks like noise.

        Where it is long, shorter ones are looked for until `longest` in the budget.
        """
        found, verdict = problem.rated(found), problem.verdict(found, context)
        if verdict is not Verdict.EXACT and found.symbolic.loss <= self.enough:
            self.doubts[len(self.all)] = verdict.value
        self.all.append(found)
        if found is self.best and found.symbolic.loss < STRUCTURED * problem.variance:
            before = self.explained
            self.explained = before or leaves_noise(without_gradient(found.symbolic.model))
            if self.explained and (self.longest or not before):
                self.longest = 0.0 if problem.is_short(found) else self.longest or longest

    def result(self, problem: Problem, at_once: bool = False) -> Discovered:
        """The best formula, with all that were met on the front from simple to exact; a constant where none was.

        Where it is wanted `at_once` no other likely forms are looked for.
        """
        best = self.best
        if best is None:
            return problem.constant()
        met = [f.symbolic for f in self.all] + [problem.described(m) for f in self.all for m in f.symbolic.front]
        front = pareto(met)
        likely = [] if at_once else self.likeliest(problem)
        front += [s.model for s in likely if all(s.model is not model for model in front)]
        return replace(best, symbolic=replace(best.symbolic, front=front))

    def likeliest(self, problem: Problem) -> list[Symbolic]:
        """The formulas of different forms that describe the rows shortest, by the bits by which one is chosen.

        The bits of networks look at their edges alone: to them a formula through a few rows may be the best of all.
        """
        shortest = sorted(self.all, key=lambda f: f.bits)[:MOST_LOOKED_AT]
        forms = dict[str, tuple[float, Symbolic]]()
        for found in shortest:
            try:
                form, bits = problem.form_and_bits(found)
            except Exception:  # such as a form without a value, which costs only itself
                log.exception("a formula is not held beside the others")
                continue
            if bits < forms.get(form, (math.inf, found.symbolic))[0]:
                forms[form] = bits, found.symbolic
        return [symbolic for _, symbolic in sorted(forms.values(), key=lambda one: one[0])[:MOST_NEAR]]
