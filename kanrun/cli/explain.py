"""Errors of all kinds as lines in terms of what was typed."""

from __future__ import annotations

import errno
import re

from kanrun.cli.hints import OF_FILES, explain_engine, explain_key, explain_word, options
from kanrun.cli.quoting import of_a_table
from kanrun.config.schema import GROUPS
from kanrun.errors import KanrunError, shorten, unknown, wrong

TRACEBACK = "HYDRA_FULL_ERROR=1 shows where"


def explain(error: BaseException, arguments: list[str], where: str = TRACEBACK) -> list[str]:
    """A line for each thing that is wrong, in terms of what was typed."""
    if isinstance(error, KanrunError):
        return str(error).splitlines()
    text = str(error)
    overrides = dict(a.lstrip("+~").split("=", 1) for a in arguments if "=" in a and not a.startswith("-"))
    if lines := about_engines(text, overrides):
        return lines
    key = re.search(r"Could not override '([^']+)'", text)
    if key:
        from kanrun.config.validation import known_keys

        known = {*known_keys(), *GROUPS, *OF_FILES}
        others = [k for k in overrides if k not in known and not k.startswith("hydra") and "@" not in k]
        of_table = of_a_table(arguments) is not arguments
        return [explain_key(k, overrides, of_table) for k in dict.fromkeys([*others, key.group(1)])]
    option = re.search(r"Could not find '([^']+)'", text)
    if option:
        group, _, choice = option.group(1).rpartition("/")
        return [wrong(group, choice, unknown("option", choice, options(group)))]
    if "Config group override must be" in text:
        bad = [(g, overrides[g]) for g in [*GROUPS, *OF_FILES] if overrides.get(g) not in (None, *options(g))]
        return [wrong(g, choice, unknown("option", choice, options(g))) for g, choice in bad] or [shorten(text, 300)]
    left_out = [a for a in arguments if a.startswith("~") and options(a[1:].partition("=")[0])]
    if left_out and "Error resolving interpolation" in text:
        return [
            f"{a}: a group cannot be left out; choose {' or '.join(options(a[1:].partition('=')[0]))}" for a in left_out
        ]
    if isinstance(error, OSError) and error.strerror:
        return about_file(error, overrides, where)
    override = getattr(error, "override", None)
    if lines := about_mappings(f"{override} {text}", arguments):
        return lines
    if override and "=" not in override:
        return [explain_word(override)]
    if override:
        reason = shorten(text.split("See https")[0], 150).strip()
        return [f"{override.lstrip('+')}: not of the form key=value ({reason}); put quotes around special characters"]
    if type(error).__module__.startswith(("hydra", "omegaconf")):
        return [shorten(text.split("See https")[0], 400)]
    return [f"{type(error).__name__}: {shorten(text, 300)} ({where})"]


def about_engines(text: str, overrides: dict[str, str]) -> list[str]:
    """What is wrong with what is set of a launcher or a sweeper, where an error is about that."""
    engines = re.findall(r"\b(hydra\.(?:launcher|sweeper))\b", text)
    if re.match(r"Kanrun\w+(\.__init__)?\(\)", text):  # Hydra 1.4 hands unknown settings on
        engines = ["hydra.launcher", "hydra.sweeper"]
    for part in engines:
        if lines := explain_engine(part, overrides):
            return lines
    several = re.search(r"Ambiguous value for argument '[+~]*(hydra\.[^=]+)=([^']*)'", text)
    if several:
        return [wrong(several.group(1), several.group(2), "one value is needed, which is that of the whole sweep")]
    return []


def about_mappings(text: str, arguments: list[str]) -> list[str]:
    """What is wrong with a mapping whose keys are the user's own, where an error is about that."""
    own = [a for a in arguments if re.match(r"\+{0,2}symbolic\.functions\b", a)]
    if own and "++symbolic.functions" in text:
        name, _, given = own[-1].lstrip("+").partition("=")
        return [wrong(name, given, "names with formulas over x are needed, e.g. '{lorentz: 1/(1+x**2)}'")]
    units = re.search(r"merging override \+\+dataset\.units=(.*)", text)
    return [wrong("dataset.units", units[1], "units of columns are needed, such as {T: K, V: m**3}")] if units else []


def about_file(error: OSError, overrides: dict[str, str], where: str) -> list[str]:
    """What the system says, with the setting that its file comes from."""
    places = [k for k in ("hydra.run.dir", "hydra.sweep.dir") if k in overrides]
    if not error.filename:
        full = places if error.errno in (errno.ENOSPC, errno.EDQUOT) else []
        return [wrong(k, overrides[k], str(error.strerror)) for k in full] or [f"{error.strerror} ({where})"]
    reason = f"{shorten(str(error.strerror))} ({error.filename})"
    elsewhere = f"{error.filename}: {error.strerror}; hydra.run.dir or hydra.sweep.dir names another"
    return [wrong(k, overrides[k], reason) for k in places] or [elsewhere]
