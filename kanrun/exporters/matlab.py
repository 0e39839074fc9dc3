"""Formulas as a function of MATLAB and Octave."""

from __future__ import annotations

import sympy as sp

from kanrun.exporters.code import ELEMENTARY, MATHEMATICAL, Language, code_of, folded, shortest
from kanrun.exporters.source import Source, glossary, safe_names

TAKEN = [
    "break", "case", "catch", "classdef", "continue", "else", "elseif", "end", "for", "function", "global", "if",
    "otherwise", "parfor", "persistent", "return", "spmd", "switch", "try", "while", "do", "until", "endif", "endfor",
    "endfunction", "endwhile", "unwind_protect", "end_try_catch", "endswitch", "print_usage", "formulas", "values",
    "class", "x", "real_only", "i", "j", "e", "E", "pi", "Inf", "NaN", "eps", "ans", "nargin", "nargout", "varargin",
    "varargout", "inf", "nan", "atan2", "abs", "sign", "gamma", "gammaln", "min", "max", "zeros", "size", "real",
    "imag", "isreal",
    *MATHEMATICAL,
]  # fmt: skip

REAL = """
function z = real_only(z)
  % Values that are not real are NaN.
  z(imag(z) ~= 0) = NaN;
  z = real(z);
end
"""

FUNCTIONS = ELEMENTARY | {
    **{f: f"real_only({f.__name__}({{0}}))" for f in (sp.asin, sp.acos, sp.acosh, sp.atanh, sp.log)},
    sp.Abs: "abs({0})", sp.atan2: "atan2({0}, {1})", sp.erf: "erf({0})", sp.erfc: "erfc({0})", sp.gamma: "gamma({0})",
    sp.loggamma: "gammaln({0})", sp.Min: folded("min"), sp.Max: folded("max"),
}  # fmt: skip


def power(base: str, exponent: str) -> str:
    """A power, which is real for whole exponents."""
    text = f"{base}.^{exponent}"
    return text if exponent.isdigit() else f"real_only({text})"


def matlab(source: Source) -> str:
    """A file with a function for rows [rows, inputs], which gives [rows, outputs], and the class of each if asked."""
    safe = safe_names([*source.inputs, *(law.output for law in source.laws)], TAKEN)
    language = Language(
        "MATLAB", FUNCTIONS, power, "real_only(sqrt({0}))", True, ".*", "./", shortest, "pi",
        {name: safe[name] for name in source.inputs},
    )  # fmt: skip
    wanted = "[values, class]" if source.classes else "values"
    inputs = len(source.inputs)
    lines = [
        f"function {wanted} = formulas(x)", "  % Formulas found by kanrun, for MATLAB and Octave.",
        f"  % Rows x [rows, {inputs}] to [rows, {len(source.laws)}]"
        + ("; class is the number of the class of each, from 0." if source.classes else "."),
        *(f"  % {line}" for line in glossary(source, safe)),
    ]  # fmt: skip
    lines += [f"  {safe[name]} = x(:, {i + 1});" for i, name in enumerate(source.inputs)]
    lines.append(f"  values = zeros(size(x, 1), {len(source.laws)});")
    for j, law in enumerate(source.laws):
        lines.append(f"  values(:, {j + 1}) = {code_of(law.expression, language)};  % {safe[law.output]}")
    if source.classes:
        lines += ["  [~, class] = max(values, [], 2);", "  class = class - 1;"]
    return "\n".join([*lines, "end", REAL])
