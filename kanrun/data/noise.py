"""How large the errors of targets are, estimated from the rows alone: from repeats, neighbours, or a smooth fit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from kanrun.data.dataset import REGRESSION, Dataset
from kanrun.data.robust import scale_of

Array = Any

REPEATED, NEIGHBOURS, SMOOTH = "repeated inputs", "neighbours", "smooth fit"
FEWEST_REPEATS = 5  # degrees of freedom of repeats that say enough on their own
FEWEST = 20  # rows without repeats from which anything can be said
MOST_INPUTS = 8  # of a smooth fit, beyond which rows are never near each other
MOST_FITTED = 150  # rows of a smooth fit, whose time grows with their third power
OWN = 0.1  # part of the squared differences of neighbours that may be due to the curve, before a smooth fit is asked
SURE = 3.0  # standard errors
HEAVY = 1.5  # times the size by the median that the root mean square may be, before a few rows are taken for outliers
MEDIAN_PRICE = 1.65  # times the error of an estimate by squares that one by the median has, of a normal variable
RICE = 35 / 36  # variance of the estimate of sigma by second differences, times rows / sigma^2


@dataclass(frozen=True)
class NoiseLevel:
    """The standard deviation `sigma` of the errors of a target and the standard `error` of that, in its unit.

    `relative` is sigma as part of the spread of the target; `source` says what it was estimated from.
    """

    sigma: float
    error: float
    relative: float
    source: str

    def sentence(self, what: str) -> str:
        """What is said of it, for a target that is called `what`."""
        part = f"{100 * self.relative:.2g} % of the spread of {what}"
        return f"noise about {part} ({self.sigma:.2g} ± {self.error:.1g}, by {self.source})"

    def most(self, rows: int) -> float:
        """The mean squared error, over so many rows, beyond which what a formula leaves is more than noise."""
        return (self.sigma * (1 + SURE / math.sqrt(2 * rows)) + SURE * self.error) ** 2


def noise_levels(data: Dataset) -> dict[str, NoiseLevel | None]:
    """The noise of each output, by its name; None where the rows cannot tell. Nothing for classes."""
    if data.task != REGRESSION or data.relations:
        return {}
    x, y = data.train.x.double().cpu().numpy(), data.train.y.double().cpu().numpy()
    return {name: noise_level(x, y[:, j]) for j, name in enumerate(data.outputs)}


def noise_level(x: Array, y: Array) -> NoiseLevel | None:
    """The noise of targets `y` [rows] at inputs `x` [rows, inputs]; None where the rows cannot tell.

    Repeated inputs give the pure error of regression (Draper and Smith 1998, sec. 2.1). Else, of one input, the second
    differences of neighbours do, as long as the curve itself has no part in them (Gasser, Sroka and Jennen-Steinmetz
    1986, Biometrika 73); else a Gaussian process does, whose likelihood says whether there is any noise at all.
    """
    spread = float(np.std(y))
    if not (math.isfinite(spread) and spread > 8 * np.finfo(np.float64).eps * float(np.abs(y).max())):
        return None
    x, y = x[:, np.ptp(x, axis=0) > 0], y / spread
    found = of_repeats(x, y) or (of_neighbours(x[:, 0], y) if x.shape[1] == 1 else None) or of_smooth_fit(x, y)
    if found is None:
        return None
    sigma, error, source = found
    return NoiseLevel(sigma * spread, error * spread, sigma, source)


Found = tuple[float, float, str]


def of_repeats(x: Array, y: Array) -> Found | None:
    """The pure error within groups of rows with the same inputs; None where there are hardly any."""
    _, groups, sizes = np.unique(x, axis=0, return_inverse=True, return_counts=True)
    free = len(y) - len(sizes)
    if free < FEWEST_REPEATS:
        return None
    groups = groups.reshape(-1)
    rest = y - (np.bincount(groups, y) / sizes)[groups]
    sigma = math.sqrt(float(rest @ rest) / free)
    return sigma, sigma / math.sqrt(2 * free), REPEATED


def second_differences(x: Array, y: Array, gap: int) -> Array:
    """Each row less the line through those `gap` before and behind it, in units of the noise: [rows - 2 gap]."""
    before, here, behind = slice(None, -2 * gap), slice(gap, -gap), slice(2 * gap, None)
    width = x[behind] - x[before]
    safe = np.where(width > 0, width, 1.0)
    share = np.where(width > 0, (x[behind] - x[here]) / safe, 0.5)
    off = share * y[before] + (1 - share) * y[behind] - y[here]
    return off / np.sqrt(share**2 + (1 - share) ** 2 + 1)


def of_neighbours(x: Array, y: Array) -> Found | None:
    """The same by neighbours along one input; None where these are too far apart for the curve.

    The part of a curve in second differences grows with the fourth power of the gap, so that those over two gaps tell
    how large it is over one.
    """
    if len(y) < FEWEST:
        return None
    order = np.argsort(x, kind="stable")
    near, far = (second_differences(x[order], y[order], gap) for gap in (1, 2))
    squared, wide = float(np.mean(near**2)), float(np.mean(far**2))
    sigma, error = math.sqrt(squared), math.sqrt(RICE / len(y))
    typical = scale_of(near)
    if sigma > HEAVY * typical > 0:
        wide = scale_of(far) ** 2
        squared, sigma, error = typical**2, typical, MEDIAN_PRICE * error
    if not sigma > 0 or (wide - squared) / 15 > OWN * squared:
        return None
    own = max(0.0, (wide - squared) / 15) / squared
    return sigma * math.sqrt(1 - own), sigma * math.hypot(error, own / 2), NEIGHBOURS


def of_smooth_fit(x: Array, y: Array) -> Found | None:
    """The same by a smooth fit; None where a curve without noise, however rough, is about as likely."""
    if len(y) < FEWEST or not 0 < x.shape[1] <= MOST_INPUTS:
        return None
    from kanrun.data.smooth_fit import noise_of_fit

    step = -(-len(y) // MOST_FITTED)
    found = noise_of_fit(x[::step], y[::step])
    return None if found is None else (*found, SMOOTH)
