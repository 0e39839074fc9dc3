"""Formulas from few, noisy and real rows: `python benchmarks/real.py noise ../shared/textbook.json`.

The parts: `laws FILE`, the rows of its laws without noise; `noise FILE`, its first ten laws of one input with noise;
`tables FILE`, real tables with an accepted law each; `folds FILE`, the same found anew without each fifth of the rows;
`odd`, rows that have no formula; `constants`, how often the truth is within two standard errors. judge.py and score.py
lie beside the files and judge without any code of this project; with noise `is_law` of benchmarks/forms.py does.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp

LEVELS, ROWS, LAWS = (0.01, 0.05, 0.2), (30, 100, 1000), 10
COVERED = ("exp_offset", "michaelis", "logistic", "freundlich", "peak_offset")
DRAWS = 50
Case = dict[str, Any]


def beside(file: Path, name: str) -> Any:
    """The module of this name in the folder of a file."""
    spec = importlib.util.spec_from_file_location(name, file.parent / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def searched(x: np.ndarray, y: np.ndarray, given: argparse.Namespace) -> Any:
    """The result of a search over these rows."""
    from kanrun import fit

    budget = {"work": given.work} if given.work else {"seconds": given.seconds}
    config = {"search": budget, "plots": {"enabled": False}, "seed": given.seed, "threads": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fit(x, y, config)


def constants_of(formula: Any) -> list[dict[str, Any]]:
    """As formula.json has them."""
    return [{"value": c.value, "standard_error": c.standard_error} for c in formula.constants]


def expression_of(text: str, d: int) -> sp.Expr:
    """A text over x_1 ... as real symbols."""
    return sp.sympify(text, locals={f"x_{i + 1}": sp.Symbol(f"x_{i + 1}", real=True) for i in range(d)})


# ---- laws with and without noise ------------------------------------------------------------------------------------


def of_law(case: Case, given: argparse.Namespace) -> Case:
    """A law without noise: whether the chosen formula is it, or another one of the front."""
    judge, law = beside(given.file, "judge"), case["law"]
    x, y = judge.rows(law, law.get("n", 1000), given.seed)
    formula = searched(x, y, given).state.formulas[0]
    others = [p.expression for p in formula.front] + [o.expression for o in formula.alternatives]
    verdict = judge.verdict(formula.expression, law)
    form = verdict["form"]
    listed = form or any(judge.verdict(text, law)["form"] for text in others)
    claims = formula.exact is True or formula.reason.startswith("exact")
    return {**case, "form": form, "listed": listed, "text": formula.expression, "false": claims and not form,
            "fits": verdict["fits"], "nodes": verdict["ops"] / max(verdict["ops_of_law"], 1)}  # fmt: skip


def of_noise(case: Case, given: argparse.Namespace) -> Case:
    """A law with noise: whether the chosen formula has its form and constants, or a listed one."""
    from benchmarks.forms import is_law
    from kanrun.symbolic.uncertainty import estimate

    judge, law, rows, level = beside(given.file, "judge"), case["law"], case["rows"], case["level"]
    x, y = judge.rows(law, rows, given.seed)
    y = y + level * y.std() * np.random.default_rng([given.seed, 7]).standard_normal(len(y))
    formula = searched(x, y, given).state.formulas[0]
    d = x.shape[1]
    truth = expression_of(law["formula"], d)
    grid = judge.rows(law, 1000, given.seed + 1)[0]
    columns = {f"x_{i + 1}": grid[:, i] for i in range(d)}
    found = expression_of(formula.expression, d)
    form = is_law(found, constants_of(formula), truth, columns)
    own = {f"x_{i + 1}": x[:, i] for i in range(d)}
    listed = form
    for other in formula.alternatives:
        e = expression_of(other.expression, d)
        errors = [{"value": c.value, "standard_error": c.standard_error} for c in estimate(e, own, y).constants]
        listed = listed or is_law(e, errors, truth, columns)
    return {**case, "form": form, "listed": listed, "text": formula.rounded, "others": len(formula.alternatives),
            "nodes": sp.count_ops(found) / max(sp.count_ops(truth), 1)}  # fmt: skip


# ---- real tables ----------------------------------------------------------------------------------------------------


def of_table(case: Case, given: argparse.Namespace) -> Case:
    """A real table: whether the accepted law is chosen or listed, or a better one that is hardly longer."""
    from benchmarks.forms import is_law
    from kanrun.symbolic.uncertainty import estimate

    score = beside(given.file, "score")
    entry, data, target = score.table(case["table"], given.file.parent)
    inputs = [s for s in data if s != target]
    x, y = np.stack([data[s] for s in inputs], 1), data[target]
    formula = searched(x, y, given).state.formulas[0]
    columns = {f"x_{i + 1}": x[:, i] for i in range(len(inputs))}
    names = {s: sp.Symbol(f"x_{i + 1}", real=True) for i, s in enumerate(inputs)}
    law = sp.sympify(entry["law"].split("=", 1)[1], locals=names)
    accepted = score.law(case["table"], given.file.parent)["cross_validated"]

    def good(text: str, constants: list[dict[str, Any]]) -> bool:
        e = sp.sympify(text, locals={str(s): s for s in names.values()})
        if is_law(e, constants, law, columns):
            return True
        if sp.count_ops(e) > 1.5 * sp.count_ops(law):
            return False
        rename = dict(zip(inputs, columns, strict=True))
        own = score.score(case["table"], text, given.file.parent, rename)["cross_validated"]
        return own is not None and own / accepted < 0.9

    form = good(formula.expression, constants_of(formula))
    listed = form or any(
        good(o.expression, [{"value": c.value, "standard_error": c.standard_error}
                            for c in estimate(expression_of(o.expression, len(inputs)), columns, y).constants])
        for o in formula.alternatives
    )  # fmt: skip
    found = expression_of(formula.expression, len(inputs))
    return {**case, "form": form, "listed": listed, "text": formula.rounded, "others": len(formula.alternatives),
            "nodes": sp.count_ops(found) / max(sp.count_ops(law), 1)}  # fmt: skip


def of_folds(case: Case, given: argparse.Namespace) -> Case:
    """A real table found anew without each fifth of its rows: its error on these beside that of the accepted law."""
    from kanrun.functions.evaluate import evaluate

    score, home = beside(given.file, "score"), given.file.parent
    _, data, target = score.table(case["table"], home)
    x, y = np.stack([data[s] for s in data if s != target], 1), data[target]
    predictions, texts = np.empty(len(y)), []
    for keep, out in score.folds(case["table"], home):
        formula = searched(x[keep], y[keep], given).state.formulas[0]
        e = expression_of(formula.expression, x.shape[1])
        predictions[out] = evaluate(e, {f"x_{i + 1}": x[out, i] for i in range(x.shape[1])})
        texts.append(formula.rounded)
    ratio = score.nested(case["table"], predictions, home)["ratio"]
    return {**case, "ratio": ratio, "form": ratio <= 1.1, "text": " | ".join(texts)}


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
    from kanrun.functions.evaluate import evaluate

    x, y = odd_rows(case["kind"], given.seed)
    out = np.random.default_rng(given.seed).permutation(len(y)) % 4 == 0
    formula = searched(x[~out], y[~out], given).state.formulas[0]
    e = expression_of(formula.expression, x.shape[1])
    own = evaluate(e, {f"x_{i + 1}": x[out, i] for i in range(x.shape[1])})
    r2 = float(1 - np.mean((own - y[out]) ** 2) / np.var(y[out]))
    return {**case, "ratio": r2, "form": r2 >= -0.05, "text": formula.rounded}


def of_constants(case: Case, given: argparse.Namespace) -> Case:
    """One draw of a law with noise: how many of its constants are within two standard errors of the truth's."""
    from kanrun.symbolic.uncertainty import estimate

    law, seed = case["law"], case["draw"]
    judge = beside(given.file, "judge")
    x, y = judge.rows(law, 100, seed)
    noise = 0.05 * y.std() * np.random.default_rng([seed, 9]).standard_normal(len(y))
    given = argparse.Namespace(**{**vars(given), "seed": seed})
    formula = searched(x, y + noise, given).state.formulas[0]
    found = expression_of(formula.expression, x.shape[1])
    columns = {f"x_{i + 1}": x[:, i] for i in range(x.shape[1])}
    truth = estimate(found, columns, y)  # the same form at the truth, if it has it
    if sum((evaluate_at(found, truth, columns) - y) ** 2) > 1e-12 * np.var(y) * len(y):
        return {**case, "form": False, "within": 0, "of": 0, "text": formula.rounded}
    pairs = list(zip(formula.constants, truth.constants, strict=True))
    known = [(c, t) for c, t in pairs if c.standard_error]
    within = sum(abs(c.value - t.value) <= 2 * c.standard_error for c, t in known)
    return {**case, "form": True, "within": within, "of": len(known), "text": formula.rounded}


def evaluate_at(found: sp.Expr, truth: Any, columns: dict[str, np.ndarray]) -> np.ndarray:
    """The values of a form with other constants, in order of appearance."""
    from kanrun.functions.evaluate import evaluate
    from kanrun.symbolic.uncertainty import constants_of

    symbols = constants_of(found)
    values = {s: sp.Float(c.value, 17) for s, c in zip(symbols, truth.constants, strict=True)}
    return evaluate(found.xreplace(values), columns)


# ---- the parts ------------------------------------------------------------------------------------------------------


def cases(part: str, given: argparse.Namespace) -> Iterator[Case]:
    """What a part looks at."""
    if part == "odd":
        yield from ({"name": kind, "kind": kind} for kind in ("noise", "two inputs of noise", "walk", "airy", "swing"))
        return
    content = json.loads(given.file.read_text())
    if part in ("tables", "folds"):
        chosen = [t for t in content["tables"] if t["kind"] != "synthetic"]
        yield from ({"name": t["id"], "table": t["id"]} for t in chosen)
    elif part == "laws":
        yield from ({"name": law["name"], "law": law} for law in content)
    elif part == "constants":
        chosen = [law for law in content if law["name"] in COVERED]
        yield from ({"name": f"{law['name']} {k}", "law": law, "draw": k} for law in chosen for k in range(DRAWS))
    else:
        chosen = [law for law in content if len(law["domain"]) == 1][:LAWS]
        yield from (
            {"name": f"{law['name']} {level:g} {rows}", "law": law, "level": level, "rows": rows}
            for level in LEVELS for rows in ROWS for law in chosen
        )  # fmt: skip


PARTS: dict[str, Callable[[Case, argparse.Namespace], Case]] = {
    "laws": of_law, "noise": of_noise, "tables": of_table, "folds": of_folds, "odd": of_odd, "constants": of_constants,
}  # fmt: skip


def tried(case: Case, part: str, given: argparse.Namespace) -> Case:
    """A case with what became of it; whatever fails is counted."""
    import time

    begin = time.process_time()
    try:
        found = PARTS[part](case, given)
    except Exception as error:
        found = {**case, "form": False, "text": f"CRASH {type(error).__name__}: {str(error)[:200]}"}
    return {**found, "cpu": time.process_time() - begin}


def line(one: Case) -> str:
    """A row of the table."""
    state = "form" if one["form"] else "listed" if one.get("listed") else "-"
    ratio = f" {one['ratio']:8.3f}" if "ratio" in one else ""
    return f"{one['name']:28} {state:6}{ratio} {one.get('nodes', 0):4.1f} {one['cpu']:6.1f} s  {one['text'][:200]}"


def totals(found: Sequence[Case]) -> str:
    """The sums."""
    nodes = sorted(one["nodes"] for one in found if "nodes" in one)
    told = [f"{sum(bool(o['form']) for o in found)} of {len(found)} right"]
    told += [f"{sum(bool(o['listed']) for o in found if 'listed' in o)} chosen or listed"] * ("listed" in found[0])
    told += [f"{sum(bool(o.get('false')) for o in found)} falsely called exact"] * ("false" in found[0])
    told += [f"{np.mean([o.get('others', 0) for o in found]):.1f} others each"] * ("others" in found[0])
    if nodes:
        told.append(f"nodes / truth median {nodes[len(nodes) // 2]:.2f} worst {nodes[-1]:.2f}")
    if ratios := sorted(o.get("ratio", np.inf) for o in found if "ratio" in o or "table" in o):
        told.append("ratios " + " ".join(f"{r:.2f}" for r in ratios))
    if pairs := [(o["within"], o["of"]) for o in found if "within" in o]:
        told.append(f"{sum(w for w, _ in pairs) / max(sum(n for _, n in pairs), 1):.1%} of constants within two errors")
    told.append(f"median {np.median([o['cpu'] for o in found]):.1f} s of CPU")
    return ", ".join(told)


def main() -> None:
    """Prints a line a case and the sums, for noise those of each level too."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("file", type=Path, nargs="?", default=Path())
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--work", type=float, help="units of work instead of seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="cases whose names contain one of these")
    given = parser.parse_args()
    chosen = [c for c in cases(given.part, given) if not given.only or any(o in c["name"] for o in given.only)]
    found = []
    with ProcessPoolExecutor(given.jobs) as pool:
        for one in pool.map(partial(tried, part=given.part, given=given), chosen):
            found.append(one)
            print(line(one), flush=True)
    for level in LEVELS if given.part == "noise" else ():
        if of_level := [one for one in found if one["level"] == level]:
            print(f"noise {level:g}: {totals(of_level)}")
    print(totals(found))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    main()
