"""The errors that a user can cause; each message is complete in one line and names the config key."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class KanrunError(Exception):
    """A mistake that the user can mend; shown without a traceback."""


class ConfigError(KanrunError):
    """One or more wrong settings, a line each."""

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


def wrong(key: str, given: object, allowed: str) -> str:
    """The one form of a complaint: which key, what was given, what is allowed."""
    shown = given if isinstance(given, str) else repr(given)
    return f"{key}={shorten(shown)}: {allowed}"


def shorten(text: str, limit: int = 200) -> str:
    """`text` on one line, cut in the middle where it is long."""
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit // 2]} ... {text[-limit // 4 :]}"


def nearest(word: str, known: Iterable[str]) -> str:
    """', did you mean ...?' with the closest known word, or nothing where none is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f", did you mean {close[0]}?" if close else ""
