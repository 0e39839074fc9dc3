"""From rows to a formula without a given width: small structures first, until one is exact or time is up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from kanrun.config import Config, ModelConfig, PruneConfig
from kanrun.data.dataset import MSE, REGRESSION, Dataset, Rows, at_most
from kanrun.discovery.outer import OUTERS, Outer
from kanrun.discovery.peel import exponents, exponents_of, with_last, with_powers
from kanrun.discovery.structures import KINDS, Structure, grouped, structures
from kanrun.errors import ConfigError, wrong
from kanrun.model.network import KAN
from kanrun.stages import MOST_ROWS, prune
from kanrun.symbolic.library import Function
from kanrun.symbolic.search import Search, Symbolic, pareto, symbolify
from kanrun.symbolic.snap import EXACT
from kanrun.training.least_squares import levenberg_marquardt

PROMISING = 3e-3  # unexplained part on rows held back with which a coarse network is looked at again on finer grids
SHARP = 1e-9  # unexplained part on fine grids that only the right structure reaches
SPLIT_SHARP = 1e-5  # the same for groups of inputs, of which it is known that they do not interact
READING = 0.1  # part of the time that one network may take to be read
MOST_READ = 6  # networks that explain equally much and are read as formulas, where none explains all
COARSE_ROWS = 800  # with which a network is fitted at first
MOST_EDGES = 3  # edges an input of a formula that nothing shorter is looked for
PATIENCE, STRUCTURED = 3, 3e-3  # structures without a gain, once this little is unexplained, that end a search
AT_ONCE = 3  # last functions of one structure that are looked at more closely
FINER = (10, 20)
INTERACTS = 1e-4  # mean square of a mixed difference, of targets with variance 1, that counts


@dataclass(frozen=True)
class Trial:
    """A network of splines for the targets without their last function: (undone - mean) / scale."""

    structure: Structure
    outer: Outer
    model: KAN
    mean: float
    scale: float
    unexplained: float  # part of the targets' variance, on rows held back


@dataclass(frozen=True)
class Discovered:
    """The networks of the best formula on its way: splines, pruned, symbolic."""

    spline: KAN
    pruned: KAN
    symbolic: Symbolic

    @property
    def bits(self) -> float:
        """Description length of the formula and what it leaves unexplained."""
        return self.symbolic.bits


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
    found: list[Discovered] = field(default_factory=list)
    reserve: list[Trial] = field(default_factory=list)
    progress: list[float] = field(default_factory=list)
    peeled: list[dict[int, float]] = field(default_factory=list)
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
        if data.loss != MSE or len(data.outputs) > 1 or data.task != REGRESSION:
            reason = f"a search takes regression with one output; {data.name} is {data.task} with {len(data.outputs)}"
            raise ConfigError(wrong("search.seconds", config.search.seconds, f"{reason}; use search=none"))
        data = at_most(data, MOST_ROWS)
        width = config.model.width if isinstance(config.model, ModelConfig) else None
        x, y = data.train.x, data.train.y
        return cls(x, y, functions, config.search.seconds, config.seed, width, on_trial)

    def __post_init__(self) -> None:
        self.deadline = time.perf_counter() + self.seconds
        self.held = torch.arange(len(self.x), device=self.x.device) % 5 == 0
        self.variance = float(self.y.var(correction=0))

    # ---- state -----------------------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Whether time is up."""
        return time.perf_counter() > self.deadline

    @property
    def best(self) -> Discovered | None:
        """The formula with the shortest description so far."""
        return min(self.found, key=lambda f: f.bits, default=None)

    @property
    def exact(self) -> bool:
        """Whether a formula leaves only rounding unexplained."""
        return any(f.symbolic.loss <= EXACT * self.variance for f in self.found)

    @property
    def settled(self) -> bool:
        """Whether there is an exact formula that is also short."""
        return self.exact and self.best.symbolic.model.active_edges() <= MOST_EDGES * self.x.shape[1]  # type: ignore[union-attr]

    def stalls(self) -> bool:
        """Whether the last structures explained no more than those before them, which noise alone leaves."""
        self.progress.append(min((t.unexplained for t in self.reserve), default=math.inf))
        before = self.progress[: -1 - PATIENCE]
        return bool(before) and before[-1] < STRUCTURED and self.progress[-1] > 0.9 * before[-1]

    # ---- the search ------------------------------------------------------------------------------------------

    def run(self) -> Discovered:
        """Tries structures in order; what looks right on fine grids is read as a formula at once, the rest later.

        Run again it gives what it has found.
        """
        if self.result:
            return self.result
        for number, structure in enumerate(structures(self.x.shape[1], self.x.dtype, self.width)):
            sharpened = self.look_at(structure)
            if self.width is None and self.x.shape[1] > 1 and not self.settled and not self.over:
                if number == 0:
                    self.peel(exponents(self.x, self.y[:, 0], self.seed))
                if sharpened and sharpened[0].unexplained < PROMISING:
                    self.peel(exponents_of(self.predicted(sharpened[0]), self.x))
                    self.split(sharpened[0])
            if self.settled or self.over or self.stalls():
                break
        self.read_reserve()
        best = self.best
        assert best is not None
        met = [f.symbolic for f in self.found] + [self.described(m) for f in self.found for m in f.symbolic.front]
        self.result = replace(best, symbolic=replace(best.symbolic, front=pareto(met)))
        return self.result

    def described(self, model: KAN) -> Symbolic:
        """A network of functions with its loss."""
        with torch.no_grad():
            return Symbolic(model, float(((model(self.x) - self.y) ** 2).mean()), math.inf)

    def look_at(self, structure: Structure) -> list[Trial]:
        """Fits one structure under every last function; sharpens the most promising and reads those that are sharp."""
        trials = []
        for outer in OUTERS:
            if outer.allows(self.y) and not (self.over and (self.found or self.reserve)):
                trial = self.coarse(structure, outer)
                if trial is not None:
                    trials.append(trial)
        trials.sort(key=lambda t: t.unexplained)
        sharpened = []
        for trial in trials[:AT_ONCE]:
            if trial.unexplained > PROMISING or self.over:
                break
            sharpened.append(self.sharpened(trial))
        # Among those that explain all, the last function that comes first is the simplest.
        sharpened.sort(key=lambda t: (max(t.unexplained, SHARP), OUTERS.index(t.outer)))
        for sharp in sharpened:
            if sharp.unexplained > SHARP:
                self.reserve.append(sharp)
            elif not self.settled:
                self.read(sharp)
        self.reserve += [t for t in trials if t.unexplained > PROMISING][:1]
        return sharpened

    def coarse(self, structure: Structure, outer: Outer) -> Trial | None:
        """The best of a few beginnings on a coarse grid."""
        z = outer.undo(self.y)
        mean, scale = float(z.mean()), float(z.std())
        if not (math.isfinite(mean) and math.isfinite(scale) and scale > 0):
            return None
        rows, targets = (part[~self.held][:COARSE_ROWS] for part in (self.x, (z - mean) / scale))
        best: Trial | None = None
        for attempt in range(structure.restarts):
            model = structure.build(self.seed + 1000 * attempt)
            for steps in (4, 4) if structure.name == "sum" else (15, 10):
                model.fit_grids(rows)
                levenberg_marquardt(model, rows, targets, MSE, steps)
            trial = self.judged(Trial(structure, outer, model, mean, scale, math.inf))
            if best is None or trial.unexplained < best.unexplained:
                best = trial
            if best.unexplained < PROMISING or self.over:
                break
        return best

    def judged(self, trial: Trial) -> Trial:
        """The trial with the part of the variance that it leaves unexplained on the rows held back."""
        with torch.no_grad():
            z = trial.model(self.x[self.held]) * trial.scale + trial.mean
            rest = float(((trial.outer.apply(z, self.y) - self.y[self.held]) ** 2).mean()) / self.variance
        return replace(trial, unexplained=rest if math.isfinite(rest) else math.inf)

    def sharpened(self, trial: Trial) -> Trial:
        """The trial on the finest grid by which the rows held back gain."""
        x, z = self.x[~self.held], (trial.outer.undo(self.y)[~self.held] - trial.mean) / trial.scale
        for grid in FINER:
            model = trial.model.refine(grid)
            if model.parameter_count() > len(x) // 2 or self.over:
                break
            model.fit_grids(x)
            levenberg_marquardt(model, x, z, MSE, 25)
            finer = self.judged(replace(trial, model=model))
            if finer.unexplained > trial.unexplained:
                break
            trial = finer
        if self.on_trial:
            self.on_trial(trial)
        return trial

    def read(self, trial: Trial) -> None:
        """Turns a trial into a formula."""
        spline = with_outer(trial, self.y)
        levenberg_marquardt(spline, self.x, self.y, MSE, 10)
        pruned = prune(spline, rows_only(self.x, self.y), PruneConfig())
        end = min(self.deadline, time.perf_counter() + READING * self.seconds)
        symbolic = symbolify(
            pruned, self.x, self.y, MSE, self.functions, enough=EXACT * self.variance,
            over=lambda: time.perf_counter() > end,
        )  # fmt: skip
        self.found.append(Discovered(spline, pruned, symbolic))

    def read_reserve(self) -> None:
        """Reads what did not look right, simplest among the best first, while there is time."""
        self.reserve.sort(key=lambda t: t.unexplained)
        floor = self.reserve[0].unexplained if self.reserve else 0.0
        near = [t for t in self.reserve if t.unexplained < 1.2 * floor]
        near.sort(key=lambda t: (t.structure.name != "sum", t.model.active_edges(), OUTERS.index(t.outer)))
        for trial in near[:MOST_READ] or self.reserve[:1]:
            if self.exact or (self.found and self.over):
                break
            self.read(trial)

    # ---- divide and conquer ----------------------------------------------------------------------------------

    def peel(self, powers: dict[int, float]) -> None:
        """Divides by powers of inputs that are factors of y, and explains the rest with fewer inputs."""
        if self.settled or self.over or powers in self.peeled:
            return
        self.peeled.append(powers)
        inputs = [i for i in range(self.x.shape[1]) if i not in powers]
        if not powers or not inputs:
            return
        divisor = torch.stack([self.x[:, i] ** p for i, p in powers.items()], dim=1).prod(1, keepdim=True)
        left = self.deadline - time.perf_counter()
        rest = Discovery(self.x[:, inputs].contiguous(), self.y / divisor, self.functions, left / 3, self.seed)
        inner = rest.run()
        if not rest.exact and rest.variance > 0 and inner.symbolic.loss > 1e-3 * rest.variance:
            return
        model = with_powers(inner.symbolic.model, inputs, powers, self.x.shape[1])
        symbolic = Search(self.x, self.y, MSE, self.functions, EXACT * self.variance).polish(model, 60)
        spline = self.sharpened(self.reserve[0]) if self.reserve else None
        shown = with_outer(spline, self.y) if spline else model
        self.found.append(Discovered(shown, shown, symbolic))

    def split(self, trial: Trial) -> None:
        """Tries sums over groups of inputs that do not interact, under every last function, as `trial` shows them."""
        if self.x.shape[1] < 3:
            return
        threshold = max(INTERACTS, 30 * trial.unexplained)
        surrogate = self.predicted(trial)
        for outer in OUTERS:
            if self.settled or self.over or not outer.allows(self.y):
                continue
            groups = interacting(lambda x, outer=outer: outer.undo(surrogate(x)), self.x, threshold)  # type: ignore[misc]
            if len(groups) == 1 or (outer.name, str(groups)) in self.groups_tried:
                continue
            self.groups_tried.add((outer.name, str(groups)))
            for kind in KINDS if any(len(g) > 1 for g in groups) else KINDS[:1]:
                found = self.coarse(grouped(self.x.shape[1], groups, self.x.dtype, kind), outer)
                if found is None or found.unexplained > PROMISING or self.settled or self.over:
                    continue
                sharp = self.sharpened(found)
                if sharp.unexplained < SPLIT_SHARP:
                    self.read(sharp)
                else:
                    self.reserve.append(sharp)

    def predicted(self, trial: Trial) -> Callable[[Tensor], Tensor]:
        """What the trial says about the targets, as a function of rows."""

        def at(x: Tensor) -> Tensor:
            with torch.no_grad():
                return trial.outer.apply(trial.model(x) * trial.scale + trial.mean, self.y)

        return at


def interacting(f: Callable[[Tensor], Tensor], x: Tensor, threshold: float) -> list[list[int]]:
    """The inputs in groups, such that inputs of different groups do not interact in `f`, a function of rows.

    Two inputs interact where the mixed difference f(x) - f(x with i moved) - f(x with j moved) + f(x with both moved)
    is not zero on average (functional ANOVA, Hooker 2004), here more than `threshold` times the variance of f.
    """
    n = x.shape[1]
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0)).to(x.device)
    group = list(range(n))

    def moved(columns: set[int]) -> Tensor:
        z = x.clone()
        for c in columns:
            z[:, c] = x[order, c]
        return f(z)

    base, single = f(x), [moved({i}) for i in range(n)]
    for i in range(n):
        for j in range(i):
            mixed = base - single[i] - single[j] + moved({i, j})
            fine = torch.isfinite(mixed)
            if not float((mixed[fine] ** 2).mean()) < threshold * float(base[torch.isfinite(base)].var()):
                low, high = sorted((group[i], group[j]))
                group = [low if g == high else g for g in group]
    return [[i for i in range(n) if group[i] == g] for g in sorted(set(group))]


def with_outer(trial: Trial, y: Tensor) -> KAN:
    """The trial's network with its last function as an edge more, for the targets themselves."""
    return with_last(trial.model, trial.outer.name, trial.scale, trial.mean, *trial.outer.constants(y))


def rows_only(x: Tensor, y: Tensor) -> Dataset:
    """The training rows as a dataset of its own."""
    rows = Rows(x, y)
    return Dataset("rows", rows, rows, [f"x_{i + 1}" for i in range(x.shape[1])], ["y"], REGRESSION, MSE)
