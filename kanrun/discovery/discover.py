"""From rows to a formula without a given width: small structures first, until one is exact or time is up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from kanrun.clock import Over, at
from kanrun.config.schema import Config, ModelConfig, PruneConfig
from kanrun.context import Budget, Context, Meter
from kanrun.data.dataset import REGRESSION, Dataset, at_most
from kanrun.data.losses import MSE
from kanrun.discovery.beam import SumsOfTerms, TermSearch
from kanrun.discovery.compose import bits_of, finished_network, network_of
from kanrun.discovery.findings import STRUCTURED, Findings
from kanrun.discovery.fits import PROMISING, Fits
from kanrun.discovery.fractions import find_fraction
from kanrun.discovery.interaction import interacting, without
from kanrun.discovery.outer import OUTERS
from kanrun.discovery.peel import exponents, exponents_of, with_powers
from kanrun.discovery.structures import KINDS, Structure, grouped, structures
from kanrun.discovery.trial import Discovered, Trial, rows_only, with_outer
from kanrun.errors import ConfigError, wrong
from kanrun.functions.builtin import Function
from kanrun.model.network import KAN
from kanrun.symbolic.search import Search, Symbolic, symbolify
from kanrun.symbolic.snap import EXACT
from kanrun.training.least_squares import levenberg_marquardt
from kanrun.training.pruning import MOST_ROWS, prune_and_refit

ROUGH = 5e-2  # what is promising where splines follow splines, which take finer grids to show what they can
SHARP = 1e-9  # unexplained part on fine grids that only the right structure reaches
READ_AT_ONCE = 1e-4  # unexplained part with which a network is read before others are looked at
LEAST = 1.0  # seconds that reading a network may take in any case
QUICK, READING = 0.04, 0.1  # part of the time that one network may take to be read, at once and at the end
WRITING = 0.1  # part of the time that is left for writing the formula
MOST_READ = 6  # networks that explain equally much and are read as formulas, where none explains all
AGREEING, ALIKE = 4, 1.25  # structures that leave equally much unexplained, and little, before that is taken for noise
MORE_ROUNDS = 3  # further beginnings of what may be stuck, where nothing is exact and no noise is seen
# Sums of terms before the structure of this number: whether their functions have constants, how many terms, and the
# part of the time; before one of them fractions.
SUMS_BEFORE = {
    0: [(False, 2, 0.1)], 1: [(False, 3, 0.1), (True, 2, 0.15)], 10: [(False, 6, 0.15), (True, 4, 0.2)],
}  # fmt: skip
# Sums that may be simpler than what has explained all but noise.
AS_GOOD = 2  # networks that are read where something else explains as much
SIMPLER = [(False, 2, 0.1), (True, 1, 0.1)]
FRACTIONS_BEFORE, FRACTIONS = 1, 0.1
AT_ONCE = 3  # last functions of one structure that are looked at more closely
INTERACTS = 1e-4  # mean square of a mixed difference, of targets with variance 1, that counts


@dataclass
class Discovery:
    """The search for a formula of one output: `x` [rows, inputs], `y` [rows, 1]."""

    x: Tensor
    y: Tensor
    functions: list[Function]
    seconds: float
    seed: int = 0
    width: list[int | list[int]] | None = None
    on_trial: Callable[[Trial], None] | None = None
    reserve: list[Trial] = field(default_factory=list)
    peeled: list[dict[int, float]] = field(default_factory=list)
    sums: dict[bool, SumsOfTerms] = field(default_factory=dict)
    groups_tried: set[tuple[str, str]] = field(default_factory=set)
    result: Discovered | None = None

    @classmethod
    def of(
        cls, config: Config, data: Dataset, functions: list[Function], on_trial: Callable[[Trial], None]
    ) -> Discovery | None:
        """The search that the config asks for; None where it asks for none.

        Raises ConfigError for a problem that is not one output by squared error.
        """
        if not config.search.seconds:
            return None
        if not data.loss.least_squares or len(data.outputs) > 1 or data.task != REGRESSION:
            about = f"{data.name} is {data.task} with {len(data.outputs)} by {data.loss.title}"
            reason = f"a search takes regression with one output by mean squared error; {about}"
            raise ConfigError(wrong("search.seconds", config.search.seconds, f"{reason}; use search=none"))
        data = at_most(data, MOST_ROWS)
        width = config.model.width if isinstance(config.model, ModelConfig) else None
        x, y = data.train.x, data.train.y
        return cls(x, y, functions, config.search.seconds, config.seed, width, on_trial)

    def __post_init__(self) -> None:
        self.end = time.perf_counter() + self.seconds
        self.deadline = self.end - WRITING * self.seconds
        self.variance = float(self.y.var(correction=0))
        self.fits = Fits(self.x, self.y, self.variance, self.over)
        self.findings = Findings(self.x, self.y, self.variance)

    def over(self) -> bool:
        """Whether time is up."""
        return time.perf_counter() > self.deadline

    def within(self, part: float) -> Over:
        """A limit at this part of the time from now, or where time is up."""
        return at(min(self.deadline, time.perf_counter() + part * self.seconds))

    def stalls(self) -> bool:
        """Whether several structures explain equally much and no more, which noise alone leaves."""
        floor = min((t.unexplained for t in self.reserve), default=math.inf)
        alike = {t.structure.name for t in self.reserve if t.unexplained < ALIKE * floor}
        return floor < STRUCTURED and len(alike) >= AGREEING

    # ---- the search ------------------------------------------------------------------------------------------

    def run(self) -> Discovered:
        """Tries structures in order; what looks right on fine grids is read as a formula at once, the rest later.

        Run again it gives what it has found.
        """
        if self.result:
            return self.result
        if not self.findings.alike:
            self.look()
        self.result = self.findings.result()
        return self.result

    def look(self) -> None:
        """The schedule: sums of terms, fractions, structures of splines, what may be simpler, and what is left."""
        noisy = False
        for number, structure in enumerate(structures(self.x.shape[1], self.x.dtype, self.width)):
            for sums in SUMS_BEFORE.get(number, ()) if self.width is None else ():
                self.look_at_sums(*sums)
            if number == FRACTIONS_BEFORE and self.width is None:
                self.look_at_fractions()
            if self.findings.settled:
                break
            sharpened = self.look_at(structure)
            if self.width is None and self.x.shape[1] > 1 and not self.findings.settled and not self.over():
                if number == 0:
                    self.peel(exponents(self.x, self.y[:, 0], self.seed))
                if sharpened and sharpened[0].unexplained < PROMISING:
                    self.peel(exponents_of(self.fits.predicted(sharpened[0]), self.x))
                    self.split(sharpened[0])
            noisy = self.stalls()
            if self.findings.settled or self.over() or noisy:
                break
        for _ in range(0 if noisy or self.findings.settled else MORE_ROUNDS):
            self.seed += 100_000
            for structure in structures(self.x.shape[1], self.x.dtype, self.width):
                if structure.plain and not self.findings.exact and not self.over():
                    self.look_at(structure)
        if self.findings.explained and not self.findings.exact and self.width is None:
            self.look_for_simpler()
        if not self.findings.settled:
            self.read_reserve()

    def look_at(self, structure: Structure) -> list[Trial]:
        """Fits one structure under every last function; sharpens the most promising and reads those that are sharp."""
        trials = []
        for outer in OUTERS:
            if structure.plain and outer.name != "x":
                continue
            if outer.allows(self.y) and not (self.over() and (self.findings.all or self.reserve)):
                trials += self.fits.coarse(structure, outer, self.seed)[: AT_ONCE if structure.plain else 1]
        trials.sort(key=lambda t: t.unexplained)
        sharpened = []
        for trial in trials[:AT_ONCE]:
            if trial.unexplained > (ROUGH if structure.plain else PROMISING) or self.over():
                break
            sharpened.append(self.fits.sharpened(trial))
        # Among those that explain all, the last function that comes first is the simplest.
        sharpened.sort(key=lambda t: (max(t.unexplained, SHARP), OUTERS.index(t.outer)))
        for sharp in sharpened:
            self.consider(sharp)
        self.reserve += [t for t in trials if t.unexplained > PROMISING][:1]
        return sharpened

    def look_at_sums(self, shaped: bool, levels: int, part: float, also_noise: bool = False) -> None:
        """Sums of up to so many products of functions, in this part of the time; also of what is settled by noise."""
        over = self.within(part)
        if (self.findings.settled and not also_noise) or over():
            return
        if shaped not in self.sums:
            self.sums[shaped] = SumsOfTerms(self.x, self.y, self.functions, shaped)
        sums = self.sums[shaped]
        while sums.level < levels and not (self.findings.settled and not also_noise) and not over():
            for search in sums.grow(over):
                self.take(search)
                if self.findings.exact:
                    return

    def look_for_simpler(self) -> None:
        """Other formulas that may explain all but noise, too: of several the shortest is taken."""
        for shaped, levels, part in SIMPLER:
            self.look_at_sums(shaped, levels, part, also_noise=True)
        best = self.findings.best
        assert best is not None
        enough = ALIKE * best.symbolic.loss / self.variance
        alike = sorted((t for t in self.reserve if t.unexplained < enough), key=lambda t: t.model.active_edges())
        for trial in alike[:AS_GOOD]:
            if not self.over():
                self.read(trial, QUICK)

    def look_at_fractions(self) -> None:
        """One sum of terms divided by another, where that is exact."""
        over = self.within(FRACTIONS)
        if self.findings.settled or self.over() or False not in self.sums:
            return
        table = self.sums[False].table
        found = find_fraction(table, self.y[:, 0], over)
        if found:
            network = network_of(found, table.arguments, self.x.shape[1], table.functions, OUTERS[0], self.y)
            loss = levenberg_marquardt(network, self.x, self.y, MSE, 20).loss
            constants = sum(len(each.terms) for each in found)
            self.keep_functions("fraction", network, loss, bits_of(network, loss, constants, self.y))

    def take(self, search: TermSearch) -> None:
        """The shortest sum of a search as a formula."""
        self.keep_functions("sum of terms", *finished_network(search.shortest.sum, search.table, search.outer, self.y))

    def keep_functions(self, name: str, network: KAN, loss: float, bits: float) -> None:
        """Adds a network that was made of functions at once, and tells of it as of those of splines."""
        self.fits.judged(Trial(Structure(name, lambda _: network), OUTERS[0], network, 0.0, 1.0, math.inf))
        self.findings.keep(Discovered(network, network, Symbolic(network, loss, bits)))

    def consider(self, sharp: Trial) -> None:
        """Reads at once what explains nearly all: the right structure gives its formula away quickly."""
        promising = sharp.unexplained < READ_AT_ONCE or (
            sharp.unexplained < STRUCTURED and self.findings.leaves_noise(self.fits.predicted(sharp))
        )
        if not self.findings.settled and promising:
            self.read(sharp, READING if sharp.unexplained < SHARP else QUICK)
        if not self.findings.exact:
            self.reserve.append(sharp)

    def read(self, trial: Trial, part: float) -> None:
        """Turns a trial into a formula, in this part of the time for pruning and as much for the functions."""
        if self.on_trial:
            self.on_trial(trial)
        spline = with_outer(trial, self.y)
        levenberg_marquardt(spline, self.x, self.y, MSE, 10)
        part = max(part, LEAST / self.seconds)
        limit = self.within(part)
        within = Context(Budget(Meter(cancelled=lambda: "over" if limit() else None)))
        pruned = prune_and_refit(spline, rows_only(self.x, self.y), PruneConfig(), within)
        symbolic = symbolify(
            pruned, self.x, self.y, MSE, self.functions, enough=EXACT * self.variance,
            over=self.within(part),
        )  # fmt: skip
        self.findings.keep(Discovered(spline, pruned, symbolic))

    def read_reserve(self) -> None:
        """Reads what did not look right, simplest among the best first, while there is time."""
        self.reserve.sort(key=lambda t: t.unexplained)
        floor = self.reserve[0].unexplained if self.reserve else 0.0
        near = [t for t in self.reserve if t.unexplained < 1.2 * floor]
        near.sort(key=lambda t: (t.structure.name != "sum", t.model.active_edges(), OUTERS.index(t.outer)))
        for trial in near[:MOST_READ] or self.reserve[:1]:
            if self.findings.exact or (self.findings.all and self.over()):
                break
            self.read(trial, READING)

    # ---- divide and conquer ----------------------------------------------------------------------------------

    def peel(self, powers: dict[int, float]) -> None:
        """Divides by powers of inputs that are factors of y, and explains the rest with fewer inputs."""
        if self.findings.settled or self.over() or powers in self.peeled:
            return
        self.peeled.append(powers)
        inputs = [i for i in range(self.x.shape[1]) if i not in powers]
        if not powers or not inputs:
            return
        divisor = torch.stack([self.x[:, i] ** p for i, p in powers.items()], dim=1).prod(1, keepdim=True)
        left = self.deadline - time.perf_counter()
        rest = Discovery(self.x[:, inputs].contiguous(), self.y / divisor, self.functions, left / 3, self.seed)
        inner = rest.run()
        if not rest.findings.exact and rest.variance > 0 and inner.symbolic.loss > 1e-3 * rest.variance:
            return
        model = with_powers(inner.symbolic.model, inputs, powers, self.x.shape[1])
        symbolic = Search(self.x, self.y, MSE, self.functions, EXACT * self.variance).polish(model, 60)
        spline = self.fits.sharpened(self.reserve[0]) if self.reserve else None
        shown = with_outer(spline, self.y) if spline else model
        self.findings.keep(Discovered(shown, shown, symbolic))

    def split(self, trial: Trial) -> None:
        """Tries sums over groups of inputs that do not interact, under every last function, as `trial` shows them."""
        if self.x.shape[1] < 3:
            return
        threshold = max(INTERACTS, 30 * trial.unexplained)
        surrogate = self.fits.predicted(trial)
        for outer in OUTERS:
            if self.findings.settled or self.over() or not outer.allows(self.y):
                continue
            groups = interacting(without(outer, surrogate), self.x, threshold)
            if len(groups) == 1 or (outer.name, str(groups)) in self.groups_tried:
                continue
            self.groups_tried.add((outer.name, str(groups)))
            for kind in KINDS if any(len(g) > 1 for g in groups) else KINDS[:1]:
                found = self.fits.coarse(grouped(self.x.shape[1], groups, self.x.dtype, kind), outer, self.seed)[:1]
                if found and found[0].unexplained < PROMISING and not self.findings.settled and not self.over():
                    self.consider(self.fits.sharpened(found[0]))
