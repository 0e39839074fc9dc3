"""Networks of splines under a last function, fitted to rows: on a coarse grid, then on finer ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kanrun.clock import Over
from kanrun.data.losses import MSE
from kanrun.discovery.outer import Outer
from kanrun.discovery.structures import Structure
from kanrun.discovery.trial import Trial
from kanrun.training.least_squares import levenberg_marquardt

PROMISING = 3e-3  # unexplained part on rows held back with which a coarse network is looked at again on finer grids
PROMISING_PLAIN = 1e-4  # the same where splines follow splines, of which several beginnings are tried
COARSE_ROWS = 800  # with which a network is fitted at first
FINER = (10, 20)


@dataclass
class Fits:
    """The rows `x` [rows, inputs], `y` [rows, 1] that networks are fitted to, every fifth of them held back."""

    x: Tensor
    y: Tensor
    variance: float  # of y
    over: Over
    on_fit: Callable[[Trial], None] | None = None

    def __post_init__(self) -> None:
        self.held = torch.arange(len(self.x), device=self.x.device) % 5 == 0

    def coarse(self, structure: Structure, outer: Outer, seed: int) -> list[Trial]:
        """A few beginnings on a coarse grid, the best first."""
        z = outer.undo(self.y)
        mean, scale = float(z.mean()), float(z.std())
        if not (math.isfinite(mean) and math.isfinite(scale) and scale > 0):
            return []
        rows, targets = (part[~self.held][:COARSE_ROWS] for part in (self.x, (z - mean) / scale))
        trials: list[Trial] = []
        for attempt in range(structure.restarts):
            model = structure.build(seed + 1000 * attempt).to(self.x.device)
            for steps in (4, 4) if structure.name == "sum" else (15, 10):
                model.fit_grids(rows)
                levenberg_marquardt(model, rows, targets, MSE, steps)
            trials.append(self.judged(Trial(structure, outer, model, mean, scale, math.inf)))
            if trials[-1].unexplained < (PROMISING_PLAIN if structure.plain else PROMISING) or self.over():
                break
        return sorted(trials, key=lambda t: t.unexplained)

    def judged(self, trial: Trial) -> Trial:
        """The trial with the part of the variance that it leaves unexplained on the rows held back."""
        missed = self.predicted(trial)(self.x[self.held]) - self.y[self.held]
        rest = float((missed**2).mean()) / self.variance
        trial = replace(trial, unexplained=rest if math.isfinite(rest) else math.inf)
        if self.on_fit:
            self.on_fit(trial)
        return trial

    def sharpened(self, trial: Trial) -> Trial:
        """The trial on the finest grid by which the rows held back gain."""
        x, z = self.x[~self.held], (trial.outer.undo(self.y)[~self.held] - trial.mean) / trial.scale
        for grid in FINER:
            model = trial.model.refine(grid)
            if model.parameter_count() > len(x) // 2 or self.over():
                break
            model.fit_grids(x)
            levenberg_marquardt(model, x, z, MSE, 25)
            finer = self.judged(replace(trial, model=model))
            if finer.unexplained > trial.unexplained:
                break
            trial = finer
        return trial

    def predicted(self, trial: Trial) -> Callable[[Tensor], Tensor]:
        """What the trial says about the targets, as a function of rows."""

        def outputs(x: Tensor) -> Tensor:
            with torch.no_grad():
                return trial.outer.apply(trial.model(x) * trial.scale + trial.mean, self.y)

        return outputs
