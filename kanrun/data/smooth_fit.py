"""A smooth fit of a few rows by a Gaussian process, for the noise that it leaves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kanrun.data.blas import one_thread

Array = Any

CLEAR = 3.0  # nats by which noise must be likelier than none
NONE = 1e-4  # noise, in units of the spread, that is none
LONGEST, SHORTEST = 20.0, 0.02  # lengths over which a curve bends, in units of the range of an input
STEPS = 60
FAR, MOST_FAR = 4.0, 0.1  # standard deviations of an outlier, and part of the rows that are no more than a few
CURVED = 1e-2  # step in the logarithm of the noise over which the likelihood is differentiated


class Process:
    """Targets `y` [rows] as a smooth function of `x` [rows, inputs] with noise: Gaussian, of a Matern kernel (5/2).

    Parameters are the logarithms of amplitude, noise and the length of each input (Rasmussen and Williams 2006,
    Gaussian Processes for Machine Learning, sec. 4.2 and 5.4).
    """

    def __init__(self, x: Array, y: Array) -> None:
        low, width = x.min(axis=0), np.ptp(x, axis=0)
        ways = (x - low) / np.where(width > 0, width, 1.0)
        self.squares = np.square(ways[:, None] - ways[None]).transpose(2, 0, 1).reshape(x.shape[1], -1)
        self.y, self.shape = y - y.mean(), (len(y), len(y))  # squares are [inputs, rows * rows]

    def covariance(self, parameters: Array) -> tuple[Array, Array, Array]:
        """Of the targets [rows, rows], and what its slopes are made of: the kernel and how steep it is there."""
        amplitude, noise = math.exp(parameters[0]), math.exp(parameters[1])
        way = np.sqrt(5 * (np.exp(-2 * parameters[2:]) @ self.squares) + 1e-20).reshape(self.shape)
        decay = np.exp(-way)
        decay *= amplitude**2
        steep = (way + 1) * decay
        way *= way
        way /= 3
        kernel = way * decay
        kernel += steep
        whole = kernel.copy()
        whole.flat[:: len(whole) + 1] += noise**2 + 1e-9 * amplitude**2
        return whole, kernel, steep

    def far(self, parameters: Array) -> Array:
        """Which rows are FAR from what the others say of them, in standard deviations of that: [rows].

        Leaving one out takes no other fit (Rasmussen and Williams 2006, eq. 5.12).
        """
        inverse = np.linalg.inv(self.covariance(parameters)[0])
        off: Array = np.abs((inverse @ self.y) / np.sqrt(inverse.diagonal()))
        return off > FAR

    def surprise(self, parameters: Array) -> tuple[float, Array]:
        """Minus the log-likelihood, less what is the same for all parameters, and its slopes (their eq. 5.9).

        It is large where there is none.
        """
        from scipy.linalg import lapack

        whole, kernel, steep = self.covariance(parameters)
        factor, failed = lapack.dpotrf(whole, lower=1)
        if failed or not np.isfinite(factor.diagonal()).all():  # not every LAPACK fails where there are no numbers
            return 1e6, np.zeros(len(parameters))
        solved = lapack.dpotrs(factor, self.y, lower=1)[0]
        inverse = lapack.dpotri(factor, lower=1)[0]  # its lower half
        half = np.tril(inverse, -1)
        pull = half + half.T - np.outer(solved, solved)
        pull.flat[:: len(pull) + 1] += inverse.diagonal()
        trace, size = float(pull.trace()), math.exp(2 * parameters[0])
        steep *= pull
        by_length = (self.squares @ steep.ravel()) * 5 / 6 * np.exp(-2 * parameters[2:])
        slopes = [float(np.vdot(pull, kernel)) + 1e-9 * size * trace, math.exp(2 * parameters[1]) * trace, *by_length]
        return 0.5 * float(self.y @ solved) + float(np.log(factor.diagonal()).sum()), np.array(slopes)

    def at(self, parameters: Array) -> tuple[float, Array]:
        """The surprise there, and where, as `likeliest` gives them."""
        with one_thread():
            return self.surprise(parameters)[0], parameters

    def likeliest(self, start: Array, noise: float | None = None) -> tuple[float, Array]:
        """The least surprise from a start, and where; with the logarithm of the noise held where it is given."""
        from scipy.optimize import minimize

        free = [i for i in range(len(start)) if i != 1 or noise is None]

        def value(moved: Array) -> tuple[float, Array]:
            whole = np.array(start, dtype=float)
            whole[free] = moved
            if noise is not None:
                whole[1] = noise
            loss, slopes = self.surprise(whole)
            return loss, slopes[free]

        ends = [(math.log(1e-2), math.log(1e2)), (math.log(NONE), math.log(3.0))]
        ends += [(math.log(SHORTEST), math.log(LONGEST))] * (len(start) - 2)
        with one_thread():
            found = minimize(value, np.asarray(start)[free], jac=True, method="L-BFGS-B",
                             bounds=[ends[i] for i in free], options={"maxiter": STEPS})  # fmt: skip
        whole = np.array(start, dtype=float)
        whole[free] = found.x
        if noise is not None:
            whole[1] = noise
        return float(found.fun), whole


def noise_of_fit(x: Array, y: Array) -> tuple[float, float] | None:
    """The noise of targets with spread 1 and its standard error; None where none at all is about as likely.

    The error follows from the curvature of the likelihood along the noise, the other parameters at their best. A few
    rows that are far from what the others say are outliers, and are left out.
    """
    process, inputs = Process(x, y), x.shape[1]
    least, best = min(
        (process.likeliest(np.array([0.0, math.log(noise), *[math.log(length)] * inputs]))
         for noise, length in ((0.1, 0.5), (0.7, 1.5))),
        key=lambda found: found[0],
    )  # fmt: skip
    far = process.far(best)
    if far.any() and far.mean() < MOST_FAR:
        return noise_of_fit(x[~far], y[~far])
    # A curve without noise may bend from row to row: whether that is less likely is what tells noise from signal.
    smooth, rough = (np.array([best[0], math.log(NONE), *lengths])
                     for lengths in (best[2:], np.minimum(best[2:], math.log(0.1))))  # fmt: skip
    for look in (process.at, lambda start: process.likeliest(start, math.log(NONE))):  # the cheaper one first
        if not min(look(start)[0] for start in (smooth, rough)) - least > CLEAR:
            return None
    beside = [process.likeliest(best, best[1] + step)[0] for step in (-10 * CURVED, 10 * CURVED)]
    curvature = (sum(beside) - 2 * least) / (10 * CURVED) ** 2
    sigma = math.exp(best[1])
    return (sigma, sigma / math.sqrt(curvature)) if curvature > 0 else None
