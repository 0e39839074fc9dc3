"""Units of a search: inputs and targets of a size around one, by powers of ten, and the way back for what is found."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kanrun.discovery.problem import Problem
from kanrun.discovery.state import SearchState, Tried
from kanrun.discovery.trial import Discovered, Trial, with_link
from kanrun.model.network import KAN

LEAST, MOST = 0.1, 10.0  # root mean square of an input that stays as it is
LEAST_TARGET, MOST_TARGET = 0.01, 100.0  # the same of targets, of which only a few link functions ask the size
UNIT = 0.577  # root mean square, at least, of a column in its new unit: that of numbers between 0 and 1


@dataclass(frozen=True)
class Scales:
    """Inputs are 10**powers[i] and targets 10**target times what a search works with."""

    powers: tuple[int, ...]
    target: int

    @classmethod
    def of(cls, x: Tensor, y: Tensor) -> Scales:
        """Those that suit the rows `x` [rows, inputs] and targets `y` [rows, 1]."""
        powers = tuple(power_of(x[:, i], LEAST, MOST) for i in range(x.shape[1]))
        return cls(powers, power_of(y[:, 0], LEAST_TARGET, MOST_TARGET))

    @property
    def plain(self) -> bool:
        """Whether all stays as it is."""
        return not any(self.powers) and not self.target

    def problem(self, x: Tensor, y: Tensor, like: Problem) -> Problem:
        """The problem `like` this one for the rows in these units."""
        columns = [scaled(x[:, i], -p) for i, p in enumerate(self.powers)]
        top = max(self.powers, default=0)
        scales = tuple(10.0 ** (p - top) for p in self.powers)
        root = math.sqrt(like.most) * 10.0**-self.target
        return replace(like, x=torch.stack(columns, dim=1), y=scaled(y, -self.target), scales=scales, most=root * root)

    def restored(self, model: KAN) -> KAN:
        """The network for the rows themselves, from one for those in these units.

        A function of an input takes the unit into its constants; a spline with a base function has none for it, so the
        network keeps the unit of its inputs.
        """
        if self.plain:
            return model
        own = model.clone()
        if any(self.powers):
            own = self.restored_inputs(own)
        zero = own.layers[-1].bias.new_zeros(own.n_out)
        own.rescale_outputs(zero + 10.0**self.target, zero)
        return own

    def restored_inputs(self, model: KAN) -> KAN:
        """The same for the inputs alone, of a network that is ours."""
        first = model.layers[0]
        factors = first.affine.new_tensor([10.0**-p for p in self.powers])
        if bool(first.is_spline.any()):
            model.scale = model.scale / factors
            return model
        with torch.no_grad():
            first.affine[..., 0] *= factors
        return model

    def restored_state(self, state: SearchState, problem: Problem) -> SearchState:
        """The state of a search for `problem` with what was found, and the networks that were read, for the rows."""
        if self.plain or state.result is None:
            return state
        tried = [self.restored_tried(t, problem) for t in state.tried]
        return replace(state, tried=tried, result=self.restored_result(state.result))

    def restored_result(self, found: Discovered) -> Discovered:
        """The networks of a formula for the rows themselves."""
        found = found.changed(self.restored)
        loss = found.symbolic.loss * 10.0 ** (2 * self.target)
        return replace(found, symbolic=replace(found.symbolic, loss=loss))

    def restored_tried(self, tried: Tried, problem: Problem) -> Tried:
        """A network that was read, its link function in it."""
        if tried.trial is None:
            return tried
        trial, model = tried.trial, self.restored(with_link(tried.trial, problem.y))
        return replace(tried, trial=Trial(trial.structure, trial.plain, "x", model, 0.0, 1.0, trial.unexplained))


def power_of(values: Tensor, least: float, most: float) -> int:
    """The power of ten that `values` [rows] are of the size of; 0 where that is between `least` and `most`."""
    largest = float(values.abs().amax())
    if not (largest > 0 and math.isfinite(largest)):
        return 0
    size = largest * float((values / largest).square().mean().sqrt())
    return 0 if least <= size <= most else math.floor(math.log10(size / UNIT))


def scaled(values: Tensor, power: int) -> Tensor:
    """`values` times 10**power; in two steps, as the power itself may be none that numbers of this kind have."""
    half = power // 2
    return values * 10.0**half * 10.0 ** (power - half)
