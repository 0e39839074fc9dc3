"""Whether sizes change nothing: `python benchmarks/scales.py`, with rows of 1e-30 to 1e30 times the size.

Every problem is fitted once as it is, then with all inputs and the target times each factor, then with its inputs
shifted by a million of their spread. Shown are the R2 of the network on the test rows, its distance from that at size
one, and the formula with the factor taken out again.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
import sympy as sp

import kanrun
from kanrun.functions.evaluate import evaluate
from kanrun.functions.parser import parse_formula, symbol
from kanrun.symbolic.expression import rounded

FACTORS = (1e-30, 1e-6, 1e6, 1e30)
FAR = 1e6  # spreads
ROWS, TEST = 600, 300


@dataclass(frozen=True)
class Law:
    """A formula and the range of its inputs."""

    text: str
    inputs: int
    low: float = -1.0
    high: float = 1.0


LAWS = (
    Law("sin(x_1)+x_2**2", 2), Law("x_1*x_2", 2), Law("exp(x_1)", 1), Law("1/(1+x_1**2)", 1, -2.0, 2.0),
    Law("sqrt(x_1)*x_2", 2, 0.1, 2.0), Law("tanh(3*x_1)", 1),
)  # fmt: skip


@dataclass(frozen=True)
class Fitted:
    """What came of one table: scores on the test rows, the formula in the units of size one, and seconds of work."""

    network: float
    formula: float
    expression: sp.Expr
    seconds: float


def fitted(law: Law, factor: float, shift: float, noise: float) -> Fitted:
    """The default fit of this law with inputs and target times `factor`, and inputs `shift` spreads further on."""
    draw = np.random.default_rng(7)
    names = [f"x_{i + 1}" for i in range(law.inputs)]
    x = draw.uniform(law.low, law.high, (ROWS + TEST, law.inputs))
    y = evaluate(parse_formula(law.text, names), {n: x[:, i] for i, n in enumerate(names)})
    y = y + noise * y.std() * draw.normal(size=len(y))
    moved, begin = factor * (x + shift * x.std(0)), time.process_time()
    result = kanrun.fit(moved[:ROWS], factor * y[:ROWS], test=(moved[ROWS:], factor * y[ROWS:]), names=names)
    seconds = time.process_time() - begin
    scored = {stage["name"]: stage["test"]["r2"] for stage in result.metrics["stages"]}
    network = next(r2 for name, r2 in reversed(scored.items()) if name != "symbolic")
    back = {
        symbol(n): sp.Float(factor) * (symbol(n) + sp.Float(shift * s)) for n, s in zip(names, x.std(0), strict=True)
    }
    expression = parse_formula(result.formulas[0].expression, names).xreplace(back) / sp.Float(factor)
    return Fitted(network, scored["symbolic"], rounded(sp.expand_power_base(expression)), seconds)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", type=int, nargs="*", help="numbers of the laws, from 0 on")
    parser.add_argument("--noise", type=float, default=0.0, help="of the target, in its spreads")
    chosen = parser.parse_args()
    for number, law in enumerate(LAWS):
        if chosen.only is not None and number not in chosen.only:
            continue
        print(f"{law.text} on [{law.low:g}, {law.high:g}]")
        one = fitted(law, 1.0, 0.0, chosen.noise)
        others = [(f"times {f:g}", fitted(law, f, 0.0, chosen.noise)) for f in FACTORS]
        others.append((f"shifted {FAR:g}", fitted(law, 1.0, FAR, chosen.noise)))
        for name, each in [("as it is", one), *others]:
            print(
                f"  {name:14} network R2 {each.network:.8f} ({each.network - one.network:+.0e}), "
                f"formula {each.formula:.8f}, {each.seconds:4.0f} s  {each.expression}"
            )


if __name__ == "__main__":
    main()
