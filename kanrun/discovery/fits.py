"""Networks of splines under a link function, fitted to rows: on a coarse grid, then on finer ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from kanrun.context import Context
from kanrun.data.dataset import Rows
from kanrun.data.losses import MSE
from kanrun.discovery.links import Link
from kanrun.discovery.problem import Problem
from kanrun.discovery.structures import Structure
from kanrun.discovery.trial import Trial
from kanrun.model.network import KAN
from kanrun.model.protocol import work_of_pass
from kanrun.training.least_squares import levenberg_marquardt

PROMISING = 3e-3  # unexplained part on validation rows with which a coarse network is looked at again on finer grids
PROMISING_PLAIN = 1e-4  # the same where splines follow splines, of which several restarts are tried
COARSE_ROWS = 800  # with which a network is fitted at first
FINER = (10, 20)
MADE, PLACED = 3.0, 1e-3  # units of work of a network that is made, and of an entry for which its grid is placed


@dataclass(frozen=True)
class Fits:
    """The fits to the rows of a problem that are not held back; each is told when those have judged it."""

    problem: Problem
    context: Context
    told: Callable[[Trial], None]

    def coarse(self, structure: Structure, link: Link, seed: int) -> list[Trial]:
        """A few restarts on a coarse grid, the best first."""
        z, held = link.undo(self.problem.y), self.problem.held
        mean, scale = float(z.mean()), float(z.std())
        if not (math.isfinite(mean) and math.isfinite(scale) and scale > 0):
            return []
        rows = Rows(self.problem.x, (z - mean) / scale, self.problem.weights)
        coarse = rows.taken(~held).taken(slice(COARSE_ROWS))
        trials: list[Trial] = []
        for attempt in range(structure.restarts):
            model = self.started(structure, seed + 1000 * attempt, coarse)
            trials.append(self.judged(Trial(structure.name, structure.plain, link.name, model, mean, scale, math.inf)))
            enough = PROMISING_PLAIN if structure.plain else PROMISING
            if trials[-1].unexplained < enough or self.context.over():
                break
        return sorted(trials, key=lambda t: t.unexplained)

    def started(self, structure: Structure, seed: int, rows: Rows) -> KAN:
        """One network of the structure, fitted with its grid moved once on the way."""

        x = rows.x

        def fitted() -> KAN:
            model = structure.build(seed).to(x.device)
            self.context.spend(MADE + PLACED * x.numel())
            for steps in (4, 4) if structure.name == "sum" else (15, 10):
                model.fit_grids(x)
                levenberg_marquardt(model, x, rows.y, MSE, steps, context=self.context, weights=rows.weights)
            return model

        return self.context.once(fitted)

    def judged(self, trial: Trial) -> Trial:
        """The trial with the part of the variance that it leaves unexplained on the validation rows."""
        y, held = self.problem.y, self.problem.held
        rows = Rows(self.problem.x, y, self.problem.weights).taken(held)
        self.context.spend(work_of_pass(trial.model, int(held.sum())))
        rest = float(MSE.weighted_value(trial.predicted(y)(rows.x), rows.y, rows.weights)) / self.problem.variance
        trial = replace(trial, unexplained=rest if math.isfinite(rest) else math.inf)
        self.told(trial)
        return trial

    def sharpened(self, trial: Trial) -> Trial:
        """The trial on the finest grid by which the validation rows gain."""
        kept = ~self.problem.held
        z = (trial.link.undo(self.problem.y) - trial.mean) / trial.scale
        rows = Rows(self.problem.x, z, self.problem.weights).taken(kept)
        for grid in FINER:
            if trial.model.parameter_count_on(grid) > len(rows.x) // 2 or self.context.over():
                break
            finer = self.judged(replace(trial, model=self.refined(trial.model, grid, rows)))
            if finer.unexplained > trial.unexplained:
                break
            trial = finer
        return trial

    def refined(self, model: KAN, grid: int, rows: Rows) -> KAN:
        """The network fitted on a finer grid."""

        def fitted() -> KAN:
            finer = model.refine(grid)
            self.context.spend(MADE + PLACED * rows.x.numel())
            finer.fit_grids(rows.x)
            levenberg_marquardt(finer, rows.x, rows.y, MSE, 25, context=self.context, weights=rows.weights)
            return finer

        return self.context.once(fitted)
