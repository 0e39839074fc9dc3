"""The table of what people write: `python benchmarks/prior.py` counts benchmarks/named_laws.txt.

It prints the bits of every kind of node in every place, as kanrun/symbolic/prior.py has them, and with `--laws` the
bits of each law.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from pathlib import Path

import sympy as sp

from kanrun.symbolic.prior import KINDS, PLACES, bits_of_form, events

LAWS = Path(__file__).with_name("named_laws.txt")
INPUTS, CONSTANTS = "xyzuvw", "abcdek"
SEEN, AROUND = 0.5, 8.0  # counts of a kind that was never seen, and of all places together beside each


def named_laws() -> dict[str, sp.Expr]:
    """The laws by their names; constants are decimals, reckoned together as in what is found."""
    values = {c: sp.Float(f"1.{k + 1}7", 15) for k, c in enumerate(CONSTANTS)}
    names = {c: sp.Symbol(c, positive=True) for c in INPUTS}
    laws = {}
    for line in LAWS.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            name, formula = line.split(": ")
            raw = sp.sympify(formula, locals={**names, **{c: sp.Symbol(c, positive=True) for c in CONSTANTS}})
            laws[name] = raw.subs({s: values[s.name] for s in raw.free_symbols if s.name in values})
    return laws


def table() -> dict[str, tuple[float, ...]]:
    """-log2 of how often each of KINDS stands in each of PLACES; places that are rare go by all of them."""
    counts = Counter((place, kind) for law in named_laws().values() for place, kind, _ in events(law))
    whole = {kind: SEEN + sum(counts[place, kind] for place in PLACES) for kind in KINDS}
    total = sum(whole.values())
    found = {}
    for place in PLACES:
        here = sum(counts[place, kind] for kind in KINDS)
        share = {k: (counts[place, k] + AROUND * whole[k] / total) / (here + AROUND) for k in KINDS}
        found[place] = tuple(round(-math.log2(share[kind]), 1) for kind in KINDS)
    return found


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--laws", action="store_true")
    if parser.parse_args().laws:
        for name, law in named_laws().items():
            print(f"{bits_of_form(law):6.1f}  {name}: {law}")
        return
    for place, bits in table().items():
        print(f'    "{place}": ({", ".join(map(str, bits))}),')


if __name__ == "__main__":
    main()
