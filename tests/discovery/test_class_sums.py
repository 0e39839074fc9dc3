"""Sums of terms for several classes: logistic regression of all of them, with the terms that its evidence asks for."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from kanrun.context import Budget, Context, Meter
from kanrun.discovery import class_sums
from kanrun.discovery.class_sums import (
    ClassSums,
    Selection,
    bits_of,
    chosen,
    independent,
    is_plain,
    likeliest,
    promised,
    reduced,
    saved_by,
    sums_for_classes,
)
from kanrun.discovery.class_terms import terms_of
from kanrun.discovery.multinomial import Fit, Labelled, fitted
from kanrun.functions.evaluate import Array, evaluate
from kanrun.functions.library import FUNCTIONS
from kanrun.symbolic.prior import LINE_INPUT

DRAW = np.random.default_rng(0)
MIDDLES = np.array([[0.0, 0.0], [2.0, 0.5], [-0.5, 1.5], [1.0, -2.0]])
LABELS = DRAW.integers(0, 4, 600)
X = MIDDLES[LABELS] + DRAW.normal(size=(600, 2))
NOISE = DRAW.normal(size=(600, 2))
UNLIMITED = Context()


def found(x: Array, labels: Array, weights: Array | float = 1.0) -> ClassSums:
    """The sums over inputs called x_1, x_2, ..."""
    names = [f"x_{i + 1}" for i in range(x.shape[1])]
    sums = sums_for_classes(torch.as_tensor(x), names, FUNCTIONS, labels, int(labels.max()) + 1, weights)
    assert sums is not None
    return sums


def logits_of(sums: ClassSums, x: Array) -> Array:
    """The values of the expressions."""
    columns = {f"x_{i + 1}": x[:, i] for i in range(x.shape[1])}
    return np.stack([np.broadcast_to(evaluate(e, columns), len(x)) for e in sums.expressions], axis=1)


def labelled(weights: Array | float = 1.0) -> Labelled:
    """Two inputs that tell and two that do not, with a mean of 0 and a spread of 1."""
    x = np.column_stack([X, NOISE])
    return Labelled((x - x.mean(0)) / x.std(0), np.eye(4)[LABELS], np.ones(len(x)) * weights)


def selection(rows: Labelled) -> Selection:
    """Four inputs as they are, each told for next to nothing."""
    return Selection(rows, np.full(4, LINE_INPUT), np.full(4, True), UNLIMITED)


def started(rows: Labelled, terms: tuple[int, ...]) -> Fit:
    return fitted(rows, terms, np.zeros((4, 1 + len(terms))), 1.0, UNLIMITED)


def test_clouds_of_one_width_have_the_linear_discriminants_of_their_middles() -> None:
    sums = found(np.column_stack([X, NOISE]), LABELS)
    assert [str(term) for term in sums.terms] == ["x_1", "x_2"]
    sizes = np.sum(MIDDLES**2, axis=1)
    truth = np.column_stack([0.5 * (sizes[0] - sizes), MIDDLES - MIDDLES[0]])
    assert np.abs(sums.factors - truth).max() < 0.6  # two or three times what 150 rows of a class tell
    assert not sums.factors[0].any() and not sums.separated
    each = log_softmax(logits_of(sums, X), axis=1)[np.arange(len(X)), LABELS]
    assert sums.nats == pytest.approx(-each.sum(), rel=1e-9)


def test_rings_are_told_apart_by_squares() -> None:
    x = np.random.default_rng(4).uniform(-2, 2, (600, 2))
    radius = x[:, 0] ** 2 + x[:, 1] ** 2 + 0.3 * NOISE[:, 0]
    sums = found(x, np.digitize(radius, [1.0, 2.5, 4.5]))
    assert {str(term) for term in sums.terms} == {"x_1**2", "x_2**2"}
    ratio = sums.factors[1:, 1] / sums.factors[1:, 2]
    assert ratio == pytest.approx(np.ones(3), abs=0.15)


def test_rows_count_by_their_weights() -> None:
    weights = np.where(np.arange(600) < 300, 2.0, 1.0)
    twice = np.concatenate([np.arange(300), np.arange(600)])
    one, other = found(X, LABELS, weights), found(X[twice], LABELS[twice])
    np.testing.assert_allclose(one.factors, other.factors, rtol=1e-6, atol=1e-8)


def test_what_a_term_promises_is_what_its_factors_explain_beside_the_others() -> None:
    rows = labelled(np.random.default_rng(3).uniform(0.2, 2, len(X)))
    fit = started(rows, (0,))
    wanted = np.zeros(4)
    for k in range(4):
        own = rows.weights * fit.chances[:, k] * (1 - fit.chances[:, k])
        for t in (1, 2, 3):
            design = np.column_stack([np.ones(len(X)), rows.terms[:, 0]])
            known = np.linalg.solve(design.T @ (own[:, None] * design), design.T @ (own * rows.terms[:, t]))
            new = rows.terms[:, t] - design @ known
            size = (own * new**2).sum()
            pulled = new @ (rows.weights * (rows.told[:, k] - fit.chances[:, k]))
            # The logarithm of the integral of exp(pulled * b - size * b^2 / 2) over a normal b of this pull.
            wanted[t] += 0.5 * pulled**2 / (size + fit.pull) - 0.5 * math.log((size + fit.pull) / fit.pull)
    np.testing.assert_allclose(promised(selection(rows), fit)[1:], wanted[1:] * 3 / 4 / math.log(2), rtol=1e-8)
    assert promised(selection(rows), fit)[0] == 0.0  # it is there
    assert likeliest(selection(rows), fit) == [[1]]
    assert likeliest(selection(rows), started(rows, (0, 1))) == []


def test_inputs_may_be_added_together_and_other_terms_one_by_one() -> None:
    rows, every = labelled(), np.full(4, True)
    nothing = started(rows, ())
    assert likeliest(Selection(rows, np.zeros(4), every, UNLIMITED), nothing) in ([[0, 1], [0]], [[1, 0], [1]])
    assert likeliest(Selection(rows, np.zeros(4), ~every, UNLIMITED), nothing) in ([[0], [1]], [[1], [0]])


def test_a_term_that_saves_nothing_goes() -> None:
    rows = labelled()
    whole = started(rows, (0, 1, 2))
    for k, saved in enumerate(saved_by(whole)):
        lost = started(rows, tuple(t for t in whole.chosen if t != k)).bits - whole.bits
        assert (saved > 0) == (lost > 0)
    assert saved == pytest.approx(lost, abs=1.0)  # of the last, a weak one, as of a parabola
    assert reduced(selection(rows), whole).chosen == (0, 1)


def test_of_terms_that_say_the_same_one_is_enough() -> None:
    rows = labelled()
    double = Labelled(np.column_stack([rows.terms[:, :2], rows.terms[:, :2]]), rows.told, rows.weights)
    assert sorted(k % 2 for k in chosen(selection(double)).chosen) == [0, 1]


def test_of_a_line_what_follows_from_other_inputs_is_left_out() -> None:
    rows = labelled()
    both = rows.terms[:, :1] + rows.terms[:, 1:2]
    wide = Labelled(np.column_stack([rows.terms[:, :2], both, rows.terms[:, 2:]]), rows.told, rows.weights)
    assert independent(wide, [0, 1, 2, 3, 4]) == (0, 1, 3, 4)
    assert independent(wide, [2, 1, 0, 4]) == (2, 1, 4)
    few = Labelled(wide.terms[:3], wide.told[:3], wide.weights[:3])
    assert independent(few, [0, 1, 3, 4]) == (0, 1)  # beside the constant


def test_a_term_stays_as_long_as_it_is_not_clearly_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = labelled()
    whole = started(rows, (0, 1, 2, 3))
    assert reduced(selection(rows), whole).chosen == (0, 1)
    monkeypatch.setattr(class_sums, "CLEARLY", 1e3)
    assert reduced(selection(rows), whole).chosen == (0, 1, 2, 3)


def test_an_input_of_a_line_takes_next_to_nothing_to_tell_and_a_function_of_it_more() -> None:
    terms = terms_of(torch.as_tensor(X), ["x_1", "x_2"], FUNCTIONS)
    assert terms is not None
    bits, plain = bits_of(terms, len(X)), is_plain(terms)
    assert {str(e) for e, own in zip(terms.expressions, plain, strict=True) if own} == {"x_1", "x_2"}
    assert (bits[plain] == LINE_INPUT).all() and (bits[~plain] > 5 * LINE_INPUT).all()


def test_where_a_line_of_all_inputs_is_too_long_the_likeliest_terms_are_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(class_sums, "MOST_FACTORS", 2 * 4)
    sums = found(np.column_stack([NOISE, X]), LABELS)
    assert {str(term) for term in sums.terms} == {"x_3", "x_4"}


def test_of_many_rows_some_choose_the_terms_and_all_the_factors(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = found(X, LABELS)
    monkeypatch.setattr(class_sums, "SELECTING", 200)
    thinned = found(X, LABELS)
    assert thinned.terms == whole.terms
    np.testing.assert_allclose(thinned.factors, whole.factors, atol=0.02)
    assert not np.allclose(thinned.factors, found(X[::3], LABELS[::3]).factors, atol=0.02)


def test_classes_that_are_told_apart_have_finite_factors() -> None:
    apart = found(20 * MIDDLES[LABELS] + NOISE, LABELS)
    assert apart.separated and np.isfinite(apart.factors).all()
    assert (logits_of(apart, 20 * MIDDLES[LABELS] + NOISE).argmax(1) == LABELS).all()


@pytest.mark.parametrize("x", [np.ones((600, 2)), NOISE])
def test_inputs_that_do_not_vary_or_say_nothing_have_no_sums(x: Array) -> None:
    sums = sums_for_classes(torch.as_tensor(x), ["x_1", "x_2"], FUNCTIONS, LABELS, 4)
    assert sums is None or sums.nats > 0.97 * 600 * math.log(4)


def test_of_many_inputs_no_products_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.digitize(X[:, 0] * X[:, 1] + 0.2 * NOISE[:, 0], [-1.0, 1.0])
    assert "x_1*x_2" in map(str, found(X, labels).terms)
    monkeypatch.setattr(class_sums, "MOST_MULTIPLIED", 1)
    sums = sums_for_classes(torch.as_tensor(X), ["x_1", "x_2"], FUNCTIONS, labels, 3)
    assert sums is None or all(len(term.free_symbols) == 1 for term in sums.terms)


def test_without_work_the_line_stays_as_it_is() -> None:
    spent = Context(budget=Budget.of(Meter(), work=-1.0))
    x = torch.as_tensor(np.column_stack([X, NOISE]))
    sums = sums_for_classes(x, ["a", "b", "c", "d"], FUNCTIONS, LABELS, 4, context=spent)
    assert sums is not None and [str(term) for term in sums.terms] == ["a", "b", "c", "d"]
