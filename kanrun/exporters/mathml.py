"""Formulas as MathML: to look at, rounded, and beside it the content with all digits for programs that compute."""

from __future__ import annotations

import html
import re
from typing import Any

import sympy as sp
from sympy.printing.mathml import MathMLContentPrinter, MathMLPresentationPrinter

from kanrun.exporters.source import CannotExportError, Law, Source, one_line
from kanrun.functions.algebra import bounded
from kanrun.functions.naming import indexed, is_long, is_word
from kanrun.symbolic.expression import rounded

NAMESPACE = "http://www.w3.org/1998/Math/MathML"


class Shown(MathMLPresentationPrinter):  # type: ignore[misc]
    """Symbols under the user's names, as they are."""

    names: Source

    def _print_Symbol(self, sym: Any, style: str = "plain") -> Any:  # noqa: N802, ARG002
        name = self.names.name(sym.name) if sym.is_real else sym.name  # inputs are real numbers
        found = indexed(name)
        if found is None:
            return self.leaf("mi", name) if is_word(name) else self.leaf("mtext", text_of_name(name))
        both = self.dom.createElement("msub")
        for tag, text in zip(("mi", "mn"), found, strict=True):
            both.appendChild(self.leaf(tag, text))
        return both

    def leaf(self, tag: str, text: str) -> Any:
        """An element with a text from elsewhere; SymPy writes texts as they are."""
        element = self.dom.createElement(tag)
        element.appendChild(self.dom.createTextNode(html.escape(one_line(text))))
        return element


class Content(MathMLContentPrinter):  # type: ignore[misc]
    """Symbols under the user's names, numbers with all digits of float64."""

    names: Source

    def _print_Symbol(self, sym: Any) -> Any:  # noqa: N802
        return self.leaf("ci", self.names.name(sym.name) if sym.is_real else sym.name)

    def _print_Float(self, e: Any) -> Any:  # noqa: N802
        mantissa, _, exponent = repr(float(e)).partition("e")
        element = self.leaf("cn", mantissa)
        if exponent:
            element.setAttribute("type", "e-notation")
            element.appendChild(self.dom.createElement("sep"))
            element.appendChild(self.dom.createTextNode(str(int(exponent))))
        return element

    leaf = Shown.leaf


def text_of_name(name: str) -> str:
    """A name that is no single word: words with blanks between as they are, others in backticks."""
    return name if re.fullmatch(r"[^\W\d][\w ]*", name) else f"`{name}`"


def mathml(source: Source) -> str:
    """A `math` element an output, each on a line of its own; the decision between two classes comes last."""
    laws = [*source.laws]
    if source.decision:
        laws.append(Law(f"decision for {source.decision.output}", source.decision.expression))
    return "".join(f"{element(law, source)}\n" for law in laws)


def element(law: Law, source: Source) -> str:
    """One equation. Raises CannotExportError for what MathML has no word for."""
    equation = sp.Eq(sp.Symbol(law.output), law.expression, evaluate=False)
    whole = bounded(lambda: written(Content, equation, source), "")
    if not whole:
        raise CannotExportError(f"MathML has no way to write {law.expression}")
    short = sp.Eq(sp.Symbol(law.output), rounded(law.expression), evaluate=False)
    looks = bounded(lambda: written(Shown, short, source), "<mrow></mrow>")
    annotation = f'<annotation-xml encoding="MathML-Content">{whole}</annotation-xml>'
    return f'<math xmlns="{NAMESPACE}" display="block"><semantics>{looks}{annotation}</semantics></math>'


def written(printer: type, equation: sp.Expr, source: Source) -> str:
    """The XML of an equation."""
    inputs = [source.name(symbol.name) for symbol in equation.free_symbols if symbol.is_real]
    one = printer({"mul_symbol": "dot" if any(map(is_long, inputs)) else None})
    one.names = source
    text: str = one._print(equation).toxml()
    # Names of characters are known in HTML only.
    return re.sub(r"&(?!(?:lt|gt|amp|quot|#x27);)\w+;", lambda m: html.unescape(m.group()), text)
