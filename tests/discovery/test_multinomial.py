"""Multinomial logistic regression, against its own definition by derivatives and determinants."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import softmax

from kanrun.context import Context
from kanrun.discovery.multinomial import FREE, Fit, Labelled, fitted, slope_and_information
from kanrun.functions.evaluate import Array

DRAW = np.random.default_rng(0)
LABELS = DRAW.integers(0, 4, 600)
X = np.array([[0.0, 0.0], [2.0, 0.5], [-0.5, 1.5], [1.0, -2.0]])[LABELS] + DRAW.normal(size=(600, 2))


def labelled(weights: Array) -> Labelled:
    """Two inputs that tell and one that does not."""
    return Labelled(np.column_stack([X, DRAW.normal(size=600)]), np.eye(4)[LABELS], weights)


def started(rows: Labelled, terms: tuple[int, ...]) -> Fit:
    return fitted(rows, terms, np.zeros((4, 1 + len(terms))), 1.0, Context())


def test_slope_and_information_are_the_derivatives_of_the_log_likelihood() -> None:
    draw = np.random.default_rng(1)
    rows = labelled(draw.uniform(0.2, 2, len(X)))
    design, factors = np.column_stack([np.ones(len(X)), rows.terms[:, :2]]), draw.normal(size=12)

    def nats(vector: torch.Tensor) -> torch.Tensor:
        logits = torch.as_tensor(design) @ vector.view(4, 3).T
        each = torch.nn.functional.cross_entropy(logits, torch.as_tensor(LABELS), reduction="none")
        return (torch.as_tensor(rows.weights) * each).sum()

    at = torch.as_tensor(factors)
    chances = softmax(design @ factors.reshape(4, 3).T, axis=1)
    gradient, matrix = slope_and_information(design, chances, rows)
    np.testing.assert_allclose(gradient, torch.autograd.functional.jacobian(nats, at).numpy(), atol=1e-9)
    np.testing.assert_allclose(matrix, torch.autograd.functional.hessian(nats, at).numpy(), atol=1e-9)


def test_a_fit_is_the_likeliest_under_its_pull_and_the_pull_is_that_of_its_evidence() -> None:
    rows = labelled(np.random.default_rng(2).uniform(0.2, 2, len(X)))
    fit = started(rows, (0, 2))
    design = np.column_stack([np.ones(len(X)), rows.terms[:, [0, 2]]])
    own = np.where(np.arange(3) > 0, fit.pull, FREE) * np.ones((4, 3))
    gradient, matrix = slope_and_information(design, fit.chances, rows)
    whole = matrix + np.diag(own.flatten())
    assert np.linalg.norm(np.linalg.solve(whole, gradient + (own * fit.factors).flatten())) < 0.05
    np.testing.assert_allclose(fit.variances, np.diag(np.linalg.inv(whole)).reshape(4, 3), rtol=1e-6)
    determined = (1 - fit.pull * fit.variances[:, 1:]).sum()
    assert fit.pull == pytest.approx(determined / (fit.factors[:, 1:] ** 2).sum(), rel=0.05)
    evidence = (
        fit.nats + 0.5 * (own * fit.factors**2).sum() + 0.5 * np.linalg.slogdet(whole)[1] - 4 * math.log(fit.pull)
    )
    assert fit.bits == pytest.approx(evidence / math.log(2))
