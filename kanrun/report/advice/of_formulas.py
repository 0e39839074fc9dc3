"""Advice on the formulas: worse than the network, not found, long, more than noise left, constants not determined."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kanrun.data.dataset import at_most
from kanrun.data.losses import MSE
from kanrun.data.scores import chance, weights_of
from kanrun.errors import counted
from kanrun.report.advice.values import (
    CLEARLY_WORSE,
    Advice,
    alternatives,
    is_exact,
    judged,
    last_splines,
    more_rows,
    noise_of,
    other_forms,
    settled,
)
from kanrun.report.numbers import part_shown
from kanrun.report.words import is_vague
from kanrun.state import Result
from kanrun.symbolic.error_models import CONSTANT
from kanrun.symbolic.formula import Formula, parsed
from kanrun.symbolic.outliers import rows_in_words
from kanrun.symbolic.scoring import rows_that_decide
from kanrun.training.pruning import MOST_ROWS

FEW = 3  # rows a parameter of a network, with fewer of which it follows them wherever they go
WORSE = 1.05  # times the network's error
CLEARLY = 1e-3  # of R2, by which it is said before the formula
NOTHING = 1e-6  # part of the variance that a formula may leave: how much less the network leaves is no news then
LONG = 60  # nodes of a formula that nobody reads
BEYOND = 1.5  # times the noise
BY_NETWORK = "kanrun predict RUN FILE --network"


def lost_rows(result: Result) -> list[Advice]:
    """Rows on which the formula has no value."""
    if not result.formulas:
        return []
    part, scores = judged(result.metrics["stages"][-1])
    lost, rows = scores.get("nonfinite_rows", 0), len(result.problem.data.judged.x)
    sentence = f"the formula is not finite on {lost} of {rows} {part} rows"
    return [Advice("nonfinite", sentence, alternatives([*better_points(result), BY_NETWORK]))] if lost else []


def worse_than_network(result: Result) -> list[Advice]:
    """By how much the formulas fall behind the last network of splines, if it is more than chance."""
    splines = last_splines(result)
    if not result.formulas or not splines or settled(result):
        return []
    (part, before), (_, after) = judged(splines), judged(result.metrics["stages"][-1])
    key = "accuracy" if "accuracy" in before else "rmse"
    old, new = before.get(key), after.get(key)
    if old is None or new is None:
        return []
    rows = len(result.problem.data.judged.x)
    if part == "training" and FEW * splines["parameters"] > rows:
        return []  # of rows that a network can learn by heart its error says nothing
    if key == "accuracy" and old - new > 2 * chance(old, new, rows):
        against = " against ".join(part_shown(value, digits=3) for value in (new, old))
        clearly = True
        sentence = f"accuracy is lower than the network's by {old - new:.3g} ({against})"
    elif key == "rmse" and new > WORSE * old and not 1 - (after.get("r2") or 0.0) < NOTHING:
        sentence = f"RMSE is {new / max(old, 1e-300):.3g} times the network's ({new:.3g} against {old:.3g})"
        clearly = (before.get("r2") or 0.0) - (after.get("r2") or 0.0) >= CLEARLY
    else:
        return []
    ways = [*better_points(result, old if key == "rmse" else None), *other_forms(result), BY_NETWORK]
    return [Advice(CLEARLY_WORSE if clearly else "worse", f"the formula's {part} {sentence}", alternatives(ways))]


def better_points(result: Result, rmse: float | None = None) -> list[str]:
    """The command for the first point of the front that is as good as the network, for one output of values."""
    if len(result.formulas) != 1 or rmse is None or MSE.name not in result.formulas[0].judged:
        return []
    for number, point in enumerate(result.formulas[0].front, start=1):
        if not point.chosen and point.error is not None and math.sqrt(max(point.error, 0.0)) <= WORSE * rmse:
            return [f"kanrun predict RUN FILE --formula {number}"]
    return []


def nothing_short(result: Result) -> list[Advice]:
    """No formula, none that depends on anything, a long one, or a search that has come to no end."""
    asked = result.problem.config.symbolic.enabled and "symbolic" in {e["name"] for e in result.metrics["stages"]}
    if not asked:
        return []
    splines = last_splines(result)
    if not result.formulas:
        known = f"; the network has {score_in_words(*judged(splines))}" if splines else ""
        return [Advice("nothing", f"no formula could be kept{known}", alternatives([*other_forms(result), BY_NETWORK]))]
    found = [f for f in result.formulas if not is_exact(f) and (f.complexity > LONG or unexplained(result, f))]
    open_end = result.state.search.get("stopped") in ("seconds", "work", "tried") and not settled(result)
    if not found and not open_end:
        return []
    told = [about_length(f) for f in found if f.complexity > LONG]
    told += [f"{f.output} was found to be a constant" for f in found if f.complexity <= LONG]
    told += [tried(result.state.search)] if result.state.search else []
    if open_end or any(f.complexity <= LONG for f in found):
        told += [f"the best formula has {score_in_words(*judged(result.metrics['stages'][-1]))}"]
    return [Advice("nothing", "; ".join(told), alternatives([*other_forms(result), more_rows(result)]))]


def unexplained(result: Result, formula: Formula) -> bool:
    """Whether a formula is a constant though its target is none."""
    y = result.problem.data.train.y
    return not result.problem.data.loss.logits and formula.complexity <= 1 and bool((y != y[0]).any())


def about_length(formula: Formula) -> str:
    """How long a formula is."""
    constants = counted(len(formula.constants), "constant")
    return f"the formula of {formula.output} has {formula.complexity} nodes and {constants}"


def tried(search: Mapping[str, Any]) -> str:
    """What a search has tried, and what that took."""
    what = f"{counted(search['structures'], 'structure')} and {counted(search['networks'], 'network')}"
    took = f"{search['seconds']:.0f} s, {search['work']:.0f} units of work"
    return f"{what} were tried in {took}; {search['ended']}"


def score_in_words(part: str, scores: Mapping[str, Any]) -> str:
    """One kind of error, on which rows."""
    for key, name in (("rmse", "RMSE"), ("accuracy", "accuracy")):
        if scores.get(key) is not None:
            return f"a {part} {name} of {scores[key]:.3g}"
    return f"no {part} score"


def beyond_noise(result: Result) -> list[Advice]:
    """Formulas that leave more than the noise which the rows show by themselves."""
    data, found = result.problem.data, list[Advice]()
    if settled(result) or data.robust or weights_of(data, data.train) is not None:
        return []
    for formula in result.formulas:
        level, left = noise_of(result).get(formula.output), formula.train.get("rmse")
        if level is None or left is None or not level.sigma > 0:
            continue
        if (formula.errors or {}).get("model", CONSTANT) != CONSTANT:
            continue  # the largest make the RMSE, and the level is that of most rows
        if left < BEYOND * level.sigma or left**2 < level.most(len(data.train.x)):
            continue
        size = f"{left / level.sigma:.3g} times the noise ({level.sigma:.2g} ± {level.error:.1g}, by {level.source})"
        sentence = f"the formula of {formula.output} leaves a training RMSE of {left:.3g}, {size}"
        found.append(Advice("beyond noise", sentence, alternatives(other_forms(result) or [BY_NETWORK])))
    return found


def undetermined(result: Result) -> list[Advice]:
    """Constants that the rows say nothing about, of formulas of values."""
    found = []
    for formula in [] if result.problem.data.loss.logits else result.formulas:
        known = [c for c in formula.constants if c.standard_error is not None]
        lost = [c for c in formula.constants if c.standard_error is None]
        vague = [c for c in known if is_vague(c)]
        if not known or not (lost or vague):
            continue
        parts = [f"{len(lost)} are not determined"] * bool(lost) + [f"{len(vague)} may be 0"] * bool(vague)
        sentence = f"of {counted(len(formula.constants), 'constant')} of {formula.output} {' and '.join(parts)}"
        fewer = shorter_point(formula)
        ways = ([] if fewer is None else [f"kanrun predict RUN FILE --formula {fewer}"]) + [more_rows(result)]
        found.append(Advice("undetermined", sentence, alternatives(ways)))
    return found


def decided_alone(result: Result) -> list[Advice]:
    """Rows without which constants could be anything: a formula goes through them, and tells nothing of them."""
    data, found = at_most(result.problem.data, MOST_ROWS), list[Advice]()
    for j, formula in enumerate([] if data.loss.logits or data.relations else result.formulas):
        rows = [] if is_exact(formula) else rows_that_decide(parsed(formula, data.inputs), j, data)
        if rows:
            alone = f"{rows_in_words(rows)} alone decide{'s' * (len(rows) == 1)} constants of {formula.output}"
            sentence = f"{alone}, which the other rows say nothing about"
            found.append(Advice("decided alone", sentence, alternatives(["dataset.loss=student", more_rows(result)])))
    return found


def shorter_point(formula: Formula) -> int | None:
    """The number of the next shorter formula of the front."""
    chosen = next((n for n, point in enumerate(formula.front, start=1) if point.chosen), 1)
    return chosen - 1 if chosen > 1 else None
