"""Formulas as Julia: a function an output, and `predict` for rows."""

from __future__ import annotations

import sympy as sp

from kanrun.exporters.code import ELEMENTARY, MATHEMATICAL, Language, code_of, folded
from kanrun.exporters.source import Source, glossary, safe_names

TAKEN = [
    "baremodule", "begin", "break", "catch", "const", "continue", "do", "else", "elseif", "end", "export", "false",
    "finally", "for", "function", "global", "if", "import", "let", "local", "macro", "module", "quote", "return",
    "struct", "true", "try", "using", "while", "where", "in", "isa", "outer", "mutable", "abstract", "primitive",
    "type", "predict", "classify", "decision", "real_only", "real_power", "x", "row", "values", "pi", "im", "Inf",
    "NaN", "abs", "sign", "gamma", "loggamma", "min", "max", "size", "hcat", "map", "argmax", "eachrow", "float",
    "isinteger", "reduce", "vcat",
    *MATHEMATICAL,
]  # fmt: skip

HELPERS = {
    "real_only": "real_only(f, z) = try f(z) catch; NaN end  # outside its domain a function has no real value",
    "real_power": "real_power(a, b) = a < 0 && !isinteger(b) ? NaN : a^b",
}

SPECIAL = {sp.erf: "erf({0})", sp.erfc: "erfc({0})", sp.gamma: "gamma({0})", sp.loggamma: "loggamma({0})"}

FUNCTIONS = ELEMENTARY | SPECIAL | {
    **{f: f"real_only({f.__name__}, {{0}})" for f in (sp.asin, sp.acos, sp.acosh, sp.atanh, sp.log)},
    sp.Abs: "abs({0})", sp.atan2: "atan({0}, {1})", sp.Min: folded("min"), sp.Max: folded("max"),
}  # fmt: skip


def power(base: str, exponent: str) -> str:
    """A power, of which whole ones are real for any base."""
    whole = exponent.removesuffix(".0")
    return f"{base}^{whole}" if whole.isdigit() else f"real_power({base}, {exponent})"


def julia(source: Source) -> str:
    """A file with a function an output for numbers, and `predict(x)` for rows [rows, inputs]."""
    safe = safe_names([*source.inputs, *(law.output for law in source.laws)], TAKEN)
    language = Language(
        "Julia", FUNCTIONS, power, "real_only(sqrt, {0})", True, names={name: safe[name] for name in source.inputs}
    )
    laws = [(safe[law.output], law.expression) for law in source.laws]
    if source.decision:
        laws.append(("decision", source.decision.expression))
    arguments = ", ".join(safe[name] for name in source.inputs)
    functions = [f"{name}({arguments}) = {code_of(expression, language)}" for name, expression in laws]
    text = "\n\n".join(functions)
    lines = ["# Formulas found by kanrun, for Julia.", *(f"# {line}" for line in glossary(source, safe))]
    if any(expression.has(*SPECIAL) for _, expression in laws):
        lines += ["", "using SpecialFunctions"]
    helpers = [code for name, code in HELPERS.items() if f"{name}(" in text]
    calls = ", ".join(f"{safe[law.output]}(float.(row)...)" for law in source.laws)
    about = f"# Rows [rows, {len(source.inputs)}] to [rows, {len(source.laws)}]."
    lines += ["", *helpers, *[""] * bool(helpers), text, "", about]
    lines.append(f"predict(x) = reduce(vcat, [hcat({calls}) for row in eachrow(x)])")
    if source.classes:
        lines += ["", "# Rows to the number of the class of each, from 0."]
        lines.append("classify(x) = [argmax(row) - 1 for row in eachrow(predict(x))]")
    return "\n".join(lines) + "\n"
