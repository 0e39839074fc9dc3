"""Formulas as data, text, LaTeX and a Python file that needs only NumPy, or SciPy for a user's special function."""

from __future__ import annotations

import keyword
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import sympy as sp
from sympy.printing.numpy import NumPyPrinter, SciPyPrinter

from kanrun.data.losses import loss_of
from kanrun.functions.parser import parse_formula
from kanrun.relations.relation import Relation
from kanrun.report.words import about_lines, decision_lines, exactness, score_line
from kanrun.symbolic.forms import OWN_LENGTH
from kanrun.symbolic.formula import Formula


def as_entries(formulas: list[Formula], relations: Sequence[Relation] = ()) -> list[dict[str, Any]]:
    """The content of formula.json: one entry an output, the first of which has the relations."""
    entries = [asdict(f) for f in formulas]
    for entry in entries:
        if entry["decision"] is None:
            del entry["decision"]
    if relations:
        entries[0]["relation"] = [asdict(r) for r in relations]
    return entries


def as_text(formulas: list[Formula], relations: Sequence[Relation] = ()) -> str:
    """One line an output, to four digits, below it its score, whether it is exact and what its constants are.

    Then the decision between two classes, and the relations. Classes have one score together.
    """
    lines = []
    for f in formulas:
        exact = exactness(f)
        about = [score_line(f)] if not of_classes([f]) or f is formulas[0] else []
        about += [*([exact] if exact else []), *about_lines(f)]
        lines += [f"{f.output} = {f.rounded}", *(f"  {line}" for line in about)]
    lines += decision_lines(formulas)
    lines += ["relation: " + "\n".join(relation.lines()) for relation in relations]
    return "".join(f"{line}\n" for line in lines)


def of_classes(formulas: list[Formula]) -> bool:
    """Whether the formulas are logits of classes."""
    return bool(formulas) and loss_of(formulas[0].test).logits


def as_latex(formulas: list[Formula]) -> str:
    """One displayed equation an output, and the decision between two classes."""
    equations = [f"{latex_name(f.output)} = {f.latex}" for f in formulas]
    if formulas and formulas[0].decision:
        name = latex_name(formulas[1].output.removeprefix("logit_"))
        equations.append(f"\\text{{class }} {name} \\text{{ where }} {formulas[0].decision.latex} > 0")
    return "".join(f"\\[ {equation} \\]\n" for equation in equations)


LATEX = {"\\": "\\backslash{}", "{": "\\{", "}": "\\}", "^": "\\hat{}", "~": "\\sim{}"} | {c: "\\" + c for c in "%&#$_"}


def latex_name(name: str) -> str:
    """`x_1` as a symbol with an index, other names upright."""
    head, _, tail = name.partition("_")
    if len(head) == 1 and head.isalpha() and tail.isdigit():
        return f"{head}_{{{tail}}}"
    return "\\mathrm{" + "".join(LATEX.get(c, c) for c in name) + "}"


def as_python(formulas: list[Formula], inputs: list[str]) -> str:
    """A module with one function an output, and `predict(x)` for rows [rows, inputs]; for classes `classify(x)` too.

    The decision between two classes is a function of its own, above 0 for the second.
    """
    lines = ['"""Formulas found by kanrun; needs only NumPy."""', "", "import numpy", ""]
    arguments = [python_name(n) for n in inputs]
    functions = [(python_name(f.output), f.expression) for f in formulas]
    if formulas and formulas[0].decision:
        functions.append(("decision", formulas[0].decision.expression))
    for name, text in functions:
        expression = parse_formula(text, inputs, name, OWN_LENGTH)
        printer = SciPyPrinter if expression.has(*SPECIAL) else NumPyPrinter
        if printer is SciPyPrinter and SCIPY not in lines:
            lines[0] = lines[0].replace("only NumPy", "only NumPy and SciPy")
            lines.insert(3, SCIPY)
        code = printer({"fully_qualified_modules": True}).doprint(expression)
        lines += ["", f"def {name}({', '.join(arguments)}):", f"    return {code}", ""]
    calls = ", ".join(f"{python_name(f.output)}(*columns)" for f in formulas)
    lines += [
        "",
        "def predict(x):",
        f'    """Rows [rows, {len(inputs)}] ({", ".join(inputs)}) to [rows, {len(formulas)}]."""',
        "    columns = numpy.asarray(x, dtype=float).T",
        "    rows = columns.shape[1]",
        f"    return numpy.stack([numpy.broadcast_to(values, rows) for values in ({calls},)], axis=1)",
        "",
    ]
    if of_classes(formulas):
        lines += [
            "",
            "def classify(x):",
            f'    """Rows [rows, {len(inputs)}] to the number of the class of each, from 0."""',
            "    return numpy.argmax(predict(x), axis=1)",
            "",
        ]
    return "\n".join(lines)


SPECIAL = (sp.erf, sp.erfc, sp.gamma, sp.loggamma)  # only users' functions have them
SCIPY = "import scipy"
TAKEN = {"predict", "classify", "decision", "numpy", "scipy", "columns", "rows", "values", "x"}


def python_name(name: str) -> str:
    """A name that Python accepts and the written module does not use itself."""
    clean = "".join(c if ("a" + c).isidentifier() else "_" for c in name)
    if not clean.isidentifier():
        clean = "_" + clean
    return f"{clean}_" if keyword.iskeyword(clean) or clean in TAKEN else clean
