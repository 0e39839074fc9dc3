"""Formulas as C99: a function an output, and `predict` for one row."""

from __future__ import annotations

import sympy as sp

from kanrun.exporters.code import ELEMENTARY, MATHEMATICAL, Language, code_of, folded
from kanrun.exporters.source import Source, glossary, safe_names

# Keywords, what math.h and the written file define; y0, jn and the like are in math.h of POSIX.
TAKEN = [
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern",
    "float", "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return", "short", "signed",
    "sizeof", "static", "struct", "switch", "typedef", "union", "unsigned", "void", "volatile", "while", "bool",
    "true", "false", "asm", "main", "predict", "classify", "decision", "sign", "minimum", "maximum", "x", "values",
    "k", "best", "atan2", "exp2", "expm1", "frexp", "ilogb", "ldexp", "log10", "log1p", "log2", "logb", "modf",
    "scalbn", "scalbln", "cbrt", "fabs", "abs", "labs", "hypot", "pow", "lgamma", "tgamma", "ceil", "nearbyint",
    "rint", "lrint", "llrint", "round", "lround", "llround", "trunc", "fmod", "remainder", "remquo", "copysign",
    "nan", "nextafter", "nexttoward", "fdim", "fmax", "fmin", "fma", "isfinite", "isinf", "isnan", "isnormal",
    "signbit", "fpclassify", "j0", "j1", "jn", "y0", "y1", "yn", "gamma", "drem", "significand", "signgam", "finite",
    "scalb", "exp10", "pow10", "sincos", "div", "ldiv",
    *MATHEMATICAL,
]  # fmt: skip

HELPERS = {
    "sign": "static double sign(double z) { return z != z ? z : (z > 0) - (z < 0); }",
    "minimum": "static double minimum(double a, double b) { return a != a || a < b ? a : b; }",
    "maximum": "static double maximum(double a, double b) { return a != a || a > b ? a : b; }",
}

FUNCTIONS = ELEMENTARY | {
    sp.asin: "asin({0})", sp.acos: "acos({0})", sp.acosh: "acosh({0})", sp.atanh: "atanh({0})", sp.log: "log({0})",
    sp.Abs: "fabs({0})", sp.atan2: "atan2({0}, {1})", sp.erf: "erf({0})", sp.erfc: "erfc({0})", sp.gamma: "tgamma({0})",
    sp.loggamma: "lgamma({0})", sp.Min: folded("minimum"), sp.Max: folded("maximum"),
}  # fmt: skip


def c(source: Source) -> str:
    """A file of C99 with a function an output, `predict(x, values)` for one row, and `classify(x)` for classes."""
    safe = safe_names([*source.inputs, *(law.output for law in source.laws)], TAKEN)
    language = Language("C", FUNCTIONS, names={name: safe[name] for name in source.inputs})
    laws = [(safe[law.output], law.expression) for law in source.laws]
    if source.decision:
        laws.append(("decision", source.decision.expression))
    arguments = ", ".join(f"double {safe[name]}" for name in source.inputs)
    functions = [
        f"double {name}({arguments}) {{\n    return {code_of(expression, language)};\n}}\n" for name, expression in laws
    ]
    text = "\n".join(functions)
    helpers = [code for name, code in HELPERS.items() if f"{name}(" in text]
    columns = ", ".join(f"x[{i}]" for i in range(len(source.inputs)))
    calls = [f"    values[{j}] = {safe[law.output]}({columns});" for j, law in enumerate(source.laws)]
    lines = ["// Formulas found by kanrun, in C99; link with -lm.", *(f"// {line}" for line in glossary(source, safe))]
    lines += ["#include <math.h>", "", *helpers, *[""] * bool(helpers), text]
    about = f"// One row of {len(source.inputs)} inputs x to {len(laws) - bool(source.decision)} values."
    lines += [about, "void predict(const double *x, double *values) {", *calls, "}"]
    if source.classes:
        lines += ["", *classifier(len(source.laws))]
    return "\n".join(lines) + "\n"


def classifier(count: int) -> list[str]:
    """A function for the number of the class of one row."""
    return [
        "// One row of inputs x to the number of its class, from 0.", "int classify(const double *x) {",
        f"    double values[{count}];", "    int best = 0;", "    predict(x, values);",
        f"    for (int k = 1; k < {count}; k++) if (values[k] > values[best]) best = k;", "    return best;", "}",
    ]  # fmt: skip
