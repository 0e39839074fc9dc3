"""The errors that a user can cause; each message is complete in one line and names the config key."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class KanrunError(Exception):
    """A mistake that the user can mend; shown without a traceback."""


class ConfigError(KanrunError):
    """One or more wrong settings, a line each."""

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


def wrong(key: str, given: object, allowed: str) -> str:
    """The one form of a complaint: which key, what was given, what is allowed."""
    return f"{key}={shorten(as_typed(given))}: {allowed}"


def as_typed(value: object) -> str:
    """A value in the way that it is written on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(as_typed, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{as_typed(one)}' for key, one in value.items())}}}"
    return str(value)


def counted(number: int, noun: str) -> str:
    """1 input, 2 inputs."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[object], most: int) -> str:
    """a, b, c; of more than so many the first ones, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(str, names[:most])) + more


def shorten(text: str, limit: int = 200) -> str:
    """`text` on one line, cut in the middle where it is long."""
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit // 2]} ... {text[-limit // 4 :]}"


def failure(error: BaseException) -> str:
    """What went wrong where it is nobody's mistake, on one line."""
    return shorten(f"{type(error).__name__}: {error}")


def unknown(what: str, word: str, known: Iterable[str]) -> str:
    """'unknown function, did you mean sin? Known: ...'"""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"unknown {what}{f', did you mean {close[0]}?' if close else '.'} Known: {', '.join(known)}"
