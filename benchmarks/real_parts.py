"""What each part of benchmarks/real.py asks of an answer, a case at a time."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp

from benchmarks import own_judge
from benchmarks.answers import Answer, Constants, answered, columns_of, constants_with_errors, expression_of
from benchmarks.forms import is_law, same_form
from benchmarks.laws import beside
from kanrun.functions.evaluate import evaluate
from kanrun.symbolic.constants import constants_of
from kanrun.symbolic.polishing import least_squared, squares

Case = dict[str, Any]
STEPS = 40  # by which constants that noise has moved are back at the truth


def judge_of(file: Path) -> Any:
    """judge.py beside the file, else this project's own."""
    return beside(file, "judge") if (file.parent / "judge.py").exists() else own_judge


def outcome(case: Case, answer: Answer, law: sp.Expr, d: int, form: bool, listed: bool) -> Case:
    """What is told of a case whose law is known."""
    nodes = sp.count_ops(expression_of(answer.text, d)) / max(sp.count_ops(law), 1)
    return {**case, "form": form, "listed": form or listed, "text": answer.shown, "others": len(answer.others),
            "nodes": float(nodes), "cpu": answer.cpu}  # fmt: skip


# ---- laws with and without noise ------------------------------------------------------------------------------------


def of_law(case: Case, given: argparse.Namespace) -> Case:
    """A law without noise: whether the chosen formula is it, or another one of the front."""
    judge, law = judge_of(given.file), case["law"]
    x, y = judge.rows(law, law.get("n", 1000), given.seed)
    answer = answered(x, y, given)
    verdict = judge.verdict(answer.text, law)
    form = verdict["form"]
    listed = form or any(judge.verdict(text, law)["form"] for text in answer.front + answer.others)
    truth = expression_of(law["formula"], x.shape[1])
    told = outcome(case, answer, truth, x.shape[1], form, listed)
    return {**told, "false": answer.claims and not form, "fits": verdict["fits"]}


def of_noise(case: Case, given: argparse.Namespace) -> Case:
    """A law with noise: whether the chosen formula has its form and constants, or a listed one."""
    judge, law, rows, level = judge_of(given.file), case["law"], case["rows"], case["level"]
    x, y = judge.rows(law, rows, given.seed)
    y = y + level * y.std() * np.random.default_rng([given.seed, 7]).standard_normal(len(y))
    truth, own = expression_of(law["formula"], x.shape[1]), columns_of(x)
    answer = answered(x, y, given, truth)
    grid = columns_of(judge.rows(law, 1000, given.seed + 1)[0])

    def right(text: str, constants: Constants | None) -> bool:
        e = expression_of(text, x.shape[1])
        return is_law(e, constants_with_errors(e, own, y) if constants is None else constants, truth, grid)

    form = right(answer.text, answer.constants)
    listed = form or any(right(text, None) for text in answer.others)
    return outcome(case, answer, truth, x.shape[1], form, listed)


# ---- real tables ----------------------------------------------------------------------------------------------------


# Forms that `also_counts` of tables.json names beside the accepted one.
ALSO = {"mercury_vapour_pressure": "exp(18.3 - 6860.1/(x_1 + 260.4))", "hubble_1929": "454.2*x_1 - 40.8"}
SCORES = {"RMSE over all rows at most": "rmse", "R2 of the logarithm of the target at least": "r2 of logarithms",
          "largest relative error over the rows at most": "relative"}  # fmt: skip


def scores_as_law(entry: Case, expression: sp.Expr, columns: dict[str, np.ndarray], y: np.ndarray) -> bool:
    """Whether a formula meets `or_score` of its table: an error like that of the law, and no more constants."""
    rule = entry["found_if"].get("or_score", "")
    met = [(kind, float(rule[len(text) :].split()[0])) for text, kind in SCORES.items() if rule.startswith(text)]
    kind, limit = met[0] if met else ("", 0.0)
    ours = evaluate(expression, columns)
    if not kind or not np.isfinite(ours).all() or len(constants_of(expression)) > len(entry["law_parameters"]):
        return False
    if kind == "rmse":
        return float(np.sqrt(np.mean((ours - y) ** 2))) <= limit
    if kind == "relative":
        return float(np.abs(ours / y - 1).max()) <= limit
    return bool((ours > 0).all()) and 1 - float(np.mean(np.log(ours / y) ** 2)) / float(np.var(np.log(y))) >= limit


def of_table(case: Case, given: argparse.Namespace) -> Case:
    """A real table: whether what counts as found in tables.json is chosen or listed.

    That is the accepted law or a form that counts too, or as small an error with no more constants; or, as some rows
    know better, a formula at most half as long again with an error below 0.9 times that of the law. `strict` counts
    the law and what knows better alone. The ratio of cross-validated errors is that of a form which was chosen on all
    rows: `folds` has the honest one.
    """
    score, home, name = beside(given.file, "score"), given.file.parent, case["table"]
    entry, data, target = score.table(name, home)
    inputs = [s for s in data if s != target]
    x, y = np.stack([data[s] for s in inputs], 1), data[target]
    columns = columns_of(x)
    names = {s: sp.Symbol(f"x_{i + 1}", real=True) for i, s in enumerate(inputs)}
    law = sp.sympify(entry["law"].split("=", 1)[1], locals=names)
    answer = answered(x, y, given, law)
    accepted, rename = score.law(name, home)["cross_validated"], dict(zip(inputs, columns, strict=True))

    def ratio(text: str) -> float:
        own = score.score(name, text, home, rename)["cross_validated"]
        return float(np.inf if own is None else own / accepted)

    def strict(text: str, constants: Constants | None) -> bool:
        e = expression_of(text, len(inputs))
        if is_law(e, constants_with_errors(e, columns, y) if constants is None else constants, law, columns):
            return True
        return sp.count_ops(e) <= 1.5 * sp.count_ops(law) and ratio(text) < 0.9

    def good(text: str, constants: Constants | None) -> bool:
        e, also = expression_of(text, len(inputs)), ALSO.get(name)
        own = strict(text, constants) or (also is not None and same_form(e, expression_of(also, len(inputs))))
        return own or scores_as_law(entry, e, columns, y)

    form = good(answer.text, answer.constants)
    listed = form or any(good(text, None) for text in answer.others)
    told = {"ratio": ratio(answer.text), "strict": strict(answer.text, answer.constants)}
    return {**outcome(case, answer, law, len(inputs), form, listed), **told}


def of_folds(case: Case, given: argparse.Namespace) -> Case:
    """A real table found anew without each fifth of its rows: its error on these beside that of the accepted law."""
    score, home = beside(given.file, "score"), given.file.parent
    _, data, target = score.table(case["table"], home)
    x, y = np.stack([data[s] for s in data if s != target], 1), data[target]
    predictions, answers = np.empty(len(y)), []
    for keep, out in score.folds(case["table"], home):
        answers.append(answered(x[keep], y[keep], given))
        predictions[out] = evaluate(expression_of(answers[-1].text, x.shape[1]), columns_of(x[out]))
    ratio = score.nested(case["table"], predictions, home)["ratio"]
    text, cpu = " | ".join(answer.shown for answer in answers), sum(answer.cpu for answer in answers)
    return {**case, "ratio": ratio, "form": ratio <= 1.1, "text": text, "cpu": cpu}


# ---- rows without a formula, and constants --------------------------------------------------------------------------


def odd_rows(kind: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets: noise, a random walk, an Airy function, a pendulum of large swings."""
    from scipy.integrate import solve_ivp
    from scipy.special import airy

    rng = np.random.default_rng([seed, 3])
    x = np.sort(rng.uniform(0, 10, 400))
    if kind == "noise":
        return x[:, None], rng.standard_normal(400)
    if kind == "two inputs of noise":
        return rng.uniform(0, 1, (400, 2)), rng.standard_normal(400)
    if kind == "walk":
        return x[:, None], rng.standard_normal(400).cumsum()
    if kind == "airy":
        return x[:, None] - 8, airy(x - 8)[0] + 0.02 * rng.standard_normal(400)
    swing = solve_ivp(lambda _, s: [s[1], -9.81 * np.sin(s[0]) - 0.1 * s[1]], (0, 10), [2.8, 0], t_eval=x, rtol=1e-9)
    return x[:, None], swing.y[0] + 0.02 * rng.standard_normal(400)


def of_odd(case: Case, given: argparse.Namespace) -> Case:
    """Rows without a formula: the R2 of the answer on every fourth row, which it has not seen."""
    x, y = odd_rows(case["kind"], given.seed)
    out = np.random.default_rng(given.seed).permutation(len(y)) % 4 == 0
    answer = answered(x[~out], y[~out], given)
    own = evaluate(expression_of(answer.text, x.shape[1]), columns_of(x[out]))
    r2 = float(1 - np.mean((own - y[out]) ** 2) / np.var(y[out]))
    return {**case, "ratio": r2, "form": r2 >= -0.05, "text": answer.shown, "cpu": answer.cpu}


def of_constants(case: Case, given: argparse.Namespace) -> Case:
    """One draw of a law with noise: how many of its constants are within two standard errors of the truth's."""
    law, seed = case["law"], case["draw"]
    x, y = judge_of(given.file).rows(law, 100, seed)
    noise = 0.05 * y.std() * np.random.default_rng([seed, 9]).standard_normal(len(y))
    answer = answered(x, y + noise, argparse.Namespace(**{**vars(given), "seed": seed}))
    found, columns = expression_of(answer.text, x.shape[1]), columns_of(x)
    truth = least_squared(found, columns, y, steps=STEPS)  # the same form at the truth, if it has it
    own = constants_with_errors(found, columns, y + noise) if answer.constants is None else answer.constants
    told, values = {**case, "text": answer.shown, "cpu": answer.cpu}, constants_of(truth)
    if squares(truth, columns, y) > 1e-12 * np.var(y) * len(y) or len(own) != len(values):
        return {**told, "form": False, "within": 0, "of": 0}
    known = [(c, float(v)) for c, v in zip(own, values, strict=True) if c["standard_error"]]
    within = sum(abs(c["value"] - v) <= 2 * c["standard_error"] for c, v in known)
    return {**told, "form": True, "within": within, "of": len(known)}


OF_PARTS: dict[str, Callable[[Case, argparse.Namespace], Case]] = {
    "laws": of_law, "noise": of_noise, "tables": of_table, "folds": of_folds, "odd": of_odd, "constants": of_constants,
}  # fmt: skip
