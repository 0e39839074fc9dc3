"""The table of what people write: `python benchmarks/prior.py` counts benchmarks/named_laws.txt.

It prints the bits of every kind of node in every place, as kanrun/symbolic/prior.py has them, and writes the forms of
the laws beside it; with `--laws` it prints the bits of each law.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from pathlib import Path

import sympy as sp

from kanrun.symbolic.prior import KINDS, PLACES, bits_of_form, events, is_nested, skeleton
from kanrun.symbolic.textbook import as_in_textbooks

LAWS = Path(__file__).with_name("named_laws.txt")
INPUTS, CONSTANTS = "xyzuvw", "abcdek"
FORMS = Path(__file__).resolve().parents[1] / "kanrun" / "symbolic" / "named_forms.txt"
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


def nested() -> float:
    """-log2 of the share of laws with functions of functions."""
    laws = named_laws().values()
    return round(-math.log2(sum(map(is_nested, laws)) / len(laws)), 1)


def forms() -> str:
    """The forms of the laws, the most frequent first, as named_forms.txt has them."""
    counts = Counter(skeleton(as_in_textbooks(law)) for law in named_laws().values())
    lines = [f"{count} {form}" for form, count in sorted(counts.items(), key=lambda f: (-f[1], len(f[0]), f[0]))]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--laws", action="store_true")
    if parser.parse_args().laws:
        for name, law in named_laws().items():
            print(f"{bits_of_form(law):6.1f}  {name}: {law}")
        return
    FORMS.write_text(forms(), encoding="utf-8")
    print(f"NESTED = {nested()}")
    for place, bits in table().items():
        print(f'    "{place}": ({", ".join(f"{b:g}" for b in bits)}),')


if __name__ == "__main__":
    main()
