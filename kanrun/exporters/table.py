"""The exporters by name; each is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kanrun.errors import KanrunError, unknown

if TYPE_CHECKING:  # with SymPy and torch, which the list of them does not need
    from kanrun.exporters.source import Source


@dataclass(frozen=True)
class Exporter:
    """One language. `write` gives a text, or bytes where the file is not one to read.

    It is imported when it is asked for. `of_network` where it writes the network and needs no formula.
    """

    name: str
    about: str
    of_network: bool = False

    def write(self, source: Source) -> str | bytes:
        """The formulas of `source`. Raises CannotExportError for what cannot be said in that language."""
        from importlib import import_module

        function: Callable[[Source], str | bytes] = getattr(import_module(f"kanrun.exporters.{self.name}"), self.name)
        return function(source)


EXPORTERS = {
    one.name: one
    for one in (
        Exporter("latex", "displayed equations, to four digits"),
        Exporter("python", "a module that needs only NumPy"),
        Exporter("c", "C99"),
        Exporter("excel", "cells of Excel and LibreOffice"),
        Exporter("julia", "functions of Julia"),
        Exporter("matlab", "a function of MATLAB and Octave"),
        Exporter("sympy", "a module of SymPy expressions"),
        Exporter("mathml", "to look at and to compute with"),
        Exporter("onnx", "the network, for ONNX runtimes", of_network=True),
    )
}


def exporter(name: str) -> Exporter:
    """The exporter of that name. Raises KanrunError, with the nearest one, for any other."""
    if name not in EXPORTERS:
        raise KanrunError(f"--to {name}: {unknown('exporter', name, EXPORTERS)}")
    return EXPORTERS[name]
