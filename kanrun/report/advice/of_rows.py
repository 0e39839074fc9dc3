"""Advice on the rows: noise, sizes over decades, too few, classes of different sizes, inputs without influence."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import sympy as sp
import torch

from kanrun.config.datasets import SymbolicConfig, TableConfig
from kanrun.data.dataset import CLASSIFICATION, at_most
from kanrun.data.robust import residuals, scale_of
from kanrun.data.scores import weights_of
from kanrun.errors import counted, listed
from kanrun.model.attribution import attribution
from kanrun.model.network import KAN
from kanrun.report.advice.of_formulas import worse_than_network
from kanrun.report.advice.of_training import overfits
from kanrun.report.advice.values import (
    Advice,
    alternatives,
    as_override,
    is_exact,
    more_rows,
    noise_of,
    output_of,
    settled,
)
from kanrun.report.numbers import part_shown
from kanrun.state import Result
from kanrun.symbolic.bare import hardly_more
from kanrun.symbolic.compare import over_decades
from kanrun.symbolic.expression import numbers_in
from kanrun.symbolic.formula import Formula, formula_function, parsed
from kanrun.symbolic.outliers import row_numbers, rows_in_words
from kanrun.symbolic.scoring import rows_that_decide

CLEAR = 0.01  # part of the spread of a target below which its noise is no news
FAR_OFF = 0.5  # relative error of the smallest targets that is no fit
FEWEST_A_CONSTANT = 5  # rows
OUTLYING = 20.0  # times the usual distance from the median of the rows near by
MOST_OUTLYING = 0.2  # part of the rows
MOST_LOOKED_AT = 4000  # rows that are held against those near them
UNEQUAL, MISSED = 4.0, 0.02  # times the rows of the smallest class, and accuracy that hides its recall
LITTLE = 0.05  # part of the influence on the trained network that may be chance
MOST_NAMED = 5  # inputs


def noise(result: Result) -> list[Advice]:
    """How large the noise is, and whether the formula leaves more."""
    found = []
    for name, level in noise_of(result).items():
        if level.relative < CLEAR or settled(result):
            continue
        sentence = level.sentence(output_of(result, name))
        formula = next((f for f in result.formulas if f.output == name), None)
        left = None if formula is None else formula.train.get("rmse")
        own = weights_of(result.problem.data, result.problem.data.train) is None and not result.problem.data.robust
        if left is not None and own:
            sentence += f"; what the formula leaves of the training rows is {left / level.sigma:.2g} times that"
        more = f"{more_rows(result)}: four times as many rows halve the errors of constants"
        found.append(Advice("noise", sentence, more))
    return found


def far_from_neighbours(result: Result) -> list[Advice]:
    """Rows far from those near them that squared errors go by: the formula misses them, or goes through them alone."""
    data, found = at_most(result.problem.data, MOST_LOOKED_AT), list[Advice]()
    given = data.robust or weights_of(data, data.train) is not None
    values = None if given or data.relations or data.loss.logits else formula_function(result.state.formulas, data)
    if values is None:
        return []
    off, left = residuals(data.train, None), residuals(data.train, values)
    for j, formula in enumerate(result.formulas):
        scale = scale_of(off[:, j])
        far = (np.abs(off[:, j]) > OUTLYING * scale) & (scale > 0)
        if is_exact(formula) or not 0 < far.sum() <= MOST_OUTLYING * len(far):
            continue
        missed = row_numbers(data, np.flatnonzero(far & (np.abs(left[:, j]) > np.abs(off[:, j]) / 2)))
        alone = set(rows_that_decide(parsed(formula, data.inputs), j, data))
        if numbers := sorted({*missed, *alone.intersection(row_numbers(data, np.flatnonzero(far)))}):
            they = f"{rows_in_words(numbers)} lie{'s' * (len(numbers) == 1)}"
            sentence = f"{they} far from the rows near by in {formula.output}; squared errors go by such rows first"
            found.append(Advice("outlying", sentence, "dataset.loss=student"))
    return found


def decades(result: Result) -> list[Advice]:
    """Targets over decades whose smallest the formula misses, as squared errors see the largest only."""
    data, found = result.problem.data, list[Advice]()
    values = formula_function(result.state.formulas, data)
    if values is None or data.task == CLASSIFICATION or data.relations:
        return []
    ours, y = values(data.train.x).double().cpu().numpy(), data.train.y.double().cpu().numpy()
    for j, formula in enumerate(result.formulas):
        if is_exact(formula) or not over_decades(y[:, j]):
            continue
        sizes = np.abs(y[:, j])
        there = sizes > 0
        low = there & (sizes <= np.quantile(sizes[there], 0.1))
        off = float(np.median(np.abs(ours[low, j] - y[low, j]) / sizes[low]))
        if np.isfinite(off) and off < FAR_OFF:
            continue
        span = np.log10(sizes[there].max() / sizes[there].min())
        error = f"{off:.2g} times their size (median)" if np.isfinite(off) else "without any limit"
        sentence = f"{formula.output} spans {span:.1f} decades, and its lowest tenth the formula misses by {error}"
        found.append(Advice("decades", sentence, log_of_target(result, formula)))
    return found


def log_of_target(result: Result, formula: Formula) -> str:
    """How the logarithm is taken as the target."""
    dataset = result.problem.config.dataset
    if isinstance(dataset, SymbolicConfig) and isinstance(dataset.formula, str):
        return f"the logarithm as the target: dataset.formula='log({dataset.formula})'"
    return f"a column with log10({formula.output}) as target"


def few_rows(result: Result) -> list[Advice]:
    """Fewer rows than constants need; without formulas, fewer targets than parameters."""
    data, rows = result.problem.data, len(result.problem.data.train.x)
    found = []
    for formula in result.formulas:
        constants = len(formula.constants)
        if not formula.exact and cannot_decide(result, parsed(formula, data.inputs)):
            sentence = f"{counted(rows, 'training row')} can be met by many formulas like that of {formula.output}"
            found.append(Advice("few rows", f"{sentence}: the data cannot decide", more_rows(result)))
        elif constants > 2 and rows < FEWEST_A_CONSTANT * constants and not is_exact(formula):
            sentence = f"{rows} training rows are few for {constants} constants of {formula.output}"
            ways = [more_rows(result, FEWEST_A_CONSTANT * constants / rows)]
            shorter = [n for n, p in enumerate(formula.front, start=1) if p.complexity < formula.complexity]
            ways += [f"a shorter formula: kanrun predict RUN FILE --formula {shorter[-1]}"] if shorter else []
            found.append(Advice("few rows", sentence, alternatives(ways)))
    parameters, targets = result.metrics["stages"][-1]["parameters"], data.train.y.numel()
    if not result.formulas and targets < parameters and (data.test is None or overfits(result)):
        sentence = f"{parameters} parameters are trained on {counted(targets, 'number')}"
        smaller = "model.grid=3" if isinstance(result.network, KAN) and result.network.grid > 3 else ""
        ways = [way for way in (smaller, more_rows(result, parameters / targets)) if way]
        found.append(Advice("few rows", sentence, alternatives(ways)))
    return found


def cannot_decide(result: Result, expression: sp.Expr) -> bool:
    """Whether the rows are so few that other formulas meet them as well, or a search has met such."""
    rows = len(result.problem.data.train.x)
    others = result.state.search.get("stopped") == "undecided"
    return hardly_more(rows, expression) or (others and rows < FEWEST_A_CONSTANT * max(1, numbers_in(expression)))


def unbalanced(result: Result) -> list[Advice]:
    """Classes of different sizes of which the small one is missed."""
    data = result.problem.data
    if data.task != CLASSIFICATION or data.train.y.is_floating_point():
        return []
    entry = result.metrics["stages"][-1]
    scores = entry["test"] or entry["train"]
    accuracy, recall = scores.get("accuracy"), scores.get("balanced_accuracy")
    counts = torch.bincount(data.train.y)
    counts = counts[counts > 0]
    least, most = int(counts.min()), int(counts.max())
    if accuracy is None or recall is None or most < UNEQUAL * least or accuracy - recall < MISSED:
        return []
    sentence = (
        f"the smallest class has {least} training rows and the largest {most}: the mean recall of classes is "
        f"{part_shown(recall, digits=3)} beside an accuracy of {part_shown(accuracy, digits=3)}"
    )
    weighed = getattr(result.problem.config.dataset, "balanced", None)
    ways = ["more rows of the small class"] if weighed else ["dataset.balanced=true"] * (weighed is not None)
    return [Advice("unbalanced", sentence, alternatives(ways or ["weights of the rows, which kanrun.fit takes"]))]


def irrelevant(result: Result) -> list[Advice]:
    """Inputs that neither the formulas nor the pruned network need, and hardly the trained one."""
    data, network = result.problem.data, result.state.networks.get("train")
    if data.relations or not result.formulas or not isinstance(network, KAN) or worse_than_network(result):
        return []
    used = set(re.findall(r"\w+", " ".join(f.expression for f in result.formulas)))
    influence = attribution(network, data.train.x).inputs
    shares = (influence / influence.sum().clamp(min=1e-300)).tolist()
    unused = [i for i, name in enumerate(data.inputs) if name not in used and shares[i] < LITTLE]
    if not unused or len(unused) == len(data.inputs):
        return []
    names = [data.input_names[i] for i in unused]
    shown = listed(names, MOST_NAMED)
    most = max(shares[i] for i in unused)
    share = f"{'at most ' if most and len(names) > 1 else ''}{100 * most:.2g} %"
    looks = "looks irrelevant" if len(names) == 1 else "look irrelevant"
    each = " each" if most and len(names) > 1 else ""
    sentence = f"{shown} {looks}: in no formula, with {share} of the influence on the trained network{each}"
    return [Advice("irrelevant", sentence, without(result, unused))]


def without(result: Result, unused: Sequence[int]) -> str:
    """How a run leaves out inputs."""
    data = result.problem.data
    columns = [column_of(result, i) for i in range(len(data.inputs))]
    kept = list(dict.fromkeys(column for i, column in enumerate(columns) if i not in unused))
    names = [column for column in dict.fromkeys(columns) if column not in kept]
    if isinstance(result.problem.config.dataset, TableConfig) and names:
        return as_override(*(("dataset.ignore", names) if len(names) <= len(kept) else ("dataset.inputs", kept)))
    return f"kanrun refine RUN {as_override('model.without', [data.inputs[i] for i in unused])}"


def column_of(result: Result, i: int) -> str:
    """What the user calls the column that an input comes from: that of `gas = N2` is `gas`."""
    data = result.problem.data
    about: dict[str, object] = next((c for c in data.about.get("columns", []) if c.get("symbol") == data.inputs[i]), {})
    return data.input_names[i] if about.get("value") is None else str(about["name"])
