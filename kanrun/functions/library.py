"""The library: the functions that an edge can become, built-in and a user's, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kanrun.errors import ConfigError
from kanrun.functions.builtin import BUILT_IN, Function


class Library(dict[str, Function]):
    """Functions by name; `own` has the texts of those that a user added.

    Nothing changes it once it is made: the copies of a network share it, and a pickle keeps the texts only.
    """

    def __init__(self, functions: Iterable[Function], own: Mapping[str, str]) -> None:
        super().__init__((f.name, f) for f in functions)
        self.own = dict(own)

    def joined(self, functions: Iterable[Function]) -> Library:
        """This library and those of the functions that it does not know."""
        new = [f for f in functions if f.name not in self]
        return Library([*self.values(), *new], {**self.own, **{f.name: f.text for f in new}}) if new else self

    def __deepcopy__(self, memo: dict[int, Any]) -> Library:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return extended, (self.own,)


FUNCTIONS = Library(BUILT_IN, {})


def extended(texts: Mapping[str, str]) -> Library:
    """The built-in functions and those that `texts` writes over x. Raises ConfigError with a line for each bad one.

    It goes with a network (`KAN.library`), so that no run sees the functions of another one.
    """
    if not texts:
        return FUNCTIONS
    from kanrun.functions.user_functions import user_function  # with SymPy, which the built-in functions do not need

    own, problems = [], []
    for name, text in texts.items():
        try:
            own.append(user_function(name, text))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return Library([*FUNCTIONS.values(), *own], texts)


def library(names: Iterable[str] | None = None, among: Mapping[str, Function] = FUNCTIONS) -> list[Function]:
    """The functions called `names`, or all of them, simple ones first. Raises KeyError for an unknown name."""
    chosen = dict.fromkeys(among if names is None else names)
    return sorted((among[name] for name in chosen), key=lambda f: f.complexity)
