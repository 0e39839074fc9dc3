"""Arguments as Hydra needs them: a table's short way in full, folders in full, quotes that a shell takes away."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from urllib.parse import quote

from kanrun.config.datasets import TableConfig

TABLES = (".csv", ".tsv", ".tab", ".txt", ".dat", ".xlsx", ".xls", ".ods", ".parquet", ".jsonl", ".ndjson", ".json",
          ".npy", ".npz", ".gz")  # fmt: skip
PATHS = ("path", "test_path")
CONFIG_FLAGS = ("--config-path", "-cp", "--config-dir", "-cd", "--config-name", "-cn")
TEXTS = (
    "formula",
    "target",
    "where",
    "group",
    "separator",
    "decimal",
    "encoding",
    "sigma",
    "weights",
)  # settings of a dataset that are texts
LISTS = ("inputs", "ignore", "target")


def prepared(arguments: list[str]) -> list[str]:
    """The arguments as Hydra needs them: folders in full, quotes around formulas, overrides in one row."""
    sweep = bool({"-m", "--multirun"} & set(arguments))
    arguments = of_a_table(arguments)
    ready = [quoted(a, sweep) for a in arguments]
    flags = [a.split("=")[0] for a in arguments]
    if {"--config-path", "-cp"} & set(flags):
        # Hydra takes a relative path as one beside its own main module; people mean their own folder.
        at = next(i for i, flag in enumerate(flags) if flag in ("--config-path", "-cp"))
        flag, _, path = ready[at].partition("=")
        if path:
            ready[at] = f"{flag}={Path(path).resolve()}"
        elif at + 1 < len(ready):
            ready[at + 1] = str(Path(ready[at + 1]).resolve())
    # Hydra takes overrides in one row only, which a flag among them would end.
    return sorted(ready, key=lambda a: a not in ("-m", "--multirun"))


def of_a_table(arguments: list[str]) -> list[str]:
    """`'gas law.csv' target=V` in full: the dataset with its path, settings by their keys, and a search."""
    at = next((k for k, a in enumerate(arguments) if is_table(a, arguments[k - 1] if k else "")), None)
    if at is None:
        return arguments
    own = {f.name for f in fields(TableConfig)} - {"name", "seed"}
    keys = [a.partition("=")[0] for a in arguments]
    more = [f"dataset.{a}" if key.partition(".")[0] in own else a for key, a in zip(keys, arguments, strict=True)]
    path = f"dataset.path={arguments[at]}"
    chosen = any(key in ("search", "experiment") for key in keys)
    return ["dataset=table", *([] if chosen else ["search=discover"]), *more[:at], path, *more[at + 1 :]]


def is_table(argument: str, before: str) -> bool:
    """Whether a word alone is the file of a table, and not the folder or file that belongs to the flag before it."""
    if argument.startswith(("-", "~", "+")) or before in CONFIG_FLAGS:
        return False
    if "=" in argument:  # an override, or a file that is called so
        return argument.lower().endswith(TABLES) and is_file(argument)
    return argument.lower().endswith(TABLES) or is_file(argument)


def is_file(name: str) -> bool:
    """Whether there is a file of this name."""
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # longer than a name can be, or with what none can hold
        return False


def quoted(argument: str, sweep: bool) -> str:
    """A formula, or functions of the library, with the quotes that Hydra's grammar wants and a shell takes away.

    A new function is no key that a config has: it gets the plus signs that Hydra wants.
    """
    own = re.fullmatch(r"\+{0,2}symbolic\.functions(\.[^=]+)?=(.*)", argument, flags=re.DOTALL)
    if own:
        name, given = own.group(1) or "", own.group(2)
        return f"++symbolic.functions{name}=" + (quoted_texts(given, sweep) if name else quoted_mapping(given))
    if re.match(r"\+{0,2}model\.fix=", argument):
        plain = r"(\bfunction\s*:\s*)([^\s,}'\"][^,}'\"]*)"  # such as x^2
        return re.sub(plain, lambda m: m.group(1) + in_quotes(m.group(2).strip()), argument)
    if column := re.fullmatch(r"\+{0,2}dataset\.(\w+)(\.[^=]+)?=(.*)", argument, flags=re.DOTALL):
        return quoted_for_dataset(argument, column.group(1), column.group(2), column.group(3), sweep)
    if of_sweep := re.fullmatch(r"\+{0,2}sweep\.(zip|resume)=([^\[].*)", argument, flags=re.DOTALL):
        key, given = of_sweep.groups()
        return f"++sweep.{key}=" + in_quotes(in_full(given) if key == "resume" else given)
    if left := re.fullmatch(r"(\+{0,2}model\.without=)(\[.*\])", argument, flags=re.DOTALL):
        return left.group(1) + quoted_lists(left.group(2), sweep)
    names = re.fullmatch(r"(\+{0,2}symbolic\.library=)\[([^\[\]'\"]*)\]", argument)
    if names:
        return names.group(1) + "[" + ",".join(f'"{n.strip()}"' for n in names.group(2).split(",") if n.strip()) + "]"
    return argument


def quoted_for_dataset(argument: str, key: str, name: str | None, given: str, sweep: bool) -> str:
    """The names of columns, and paths in full, with quotes; another setting of a dataset as it is."""
    whole = argument.partition("=")[0]
    if key == "units":
        return f"++{whole.lstrip('+')}={given if given.startswith(MARKED) else in_quotes(given)}" if name else (
            f"++dataset.units={quoted_mapping(given, in_backslashes)}")  # fmt: skip
    if key in LISTS and re.fullmatch(r"\[.*\]", given, flags=re.DOTALL):
        return f"{whole}={quoted_lists(given, sweep)}"
    if key in LISTS and key != "target" and given and given != "null" and not given.startswith(MARKED):
        return f"{whole}=[{in_quotes(given)}]"
    if key in PATHS:
        return f"{whole}={quoted_paths(given, sweep)}"
    return f"{whole}={quoted_texts(given, sweep)}" if key in TEXTS else argument


MARKED = ("'", '"', "[", "$")  # what begins with one of these means something to Hydra already


def quoted_texts(given: str, sweep: bool) -> str:
    """A formula in quotes, or each of those that a sweep has."""
    open_end = given.startswith("[") and not given.endswith("]")  # no list, but a name that begins so
    if not given or given == "null" or (given.startswith(MARKED) and not open_end):
        return given
    return ",".join(map(in_quotes, split_outside_brackets(given) if sweep else [given]))


def quoted_paths(given: str, sweep: bool) -> str:
    """Files in full, from where the command is typed: a worker, or who goes on with a sweep, may be somewhere else."""
    if not given or given.startswith(("[", "$")):
        return given
    several = sweep and not is_file(given)
    chosen = re.fullmatch(r"choice\((.*)\)", given, flags=re.DOTALL) if several else None
    parts = split_outside_quotes(chosen.group(1) if chosen else given) if several else [given]
    plain = [p[1:-1] if len(p) > 1 and p[0] == p[-1] and p[0] in "'\"" else p for p in parts]
    return ",".join(p if p == "null" else in_quotes(in_full(p)) for p in plain)


def in_full(name: str) -> str:
    """A path from the root; `~` of a user that is not known is part of a name."""
    path = Path(name)
    with suppress(RuntimeError):
        path = path.expanduser()
    return str(path.absolute())


def quoted_lists(given: str, sweep: bool) -> str:
    """A list of names with quotes around each, or each of the lists that a sweep has."""
    lists = re.split(r"(?<=\])\s*,\s*(?=\[)", given) if sweep else [given]
    return ",".join(map(quoted_list, lists))


def quoted_list(given: str) -> str:
    """`[name, ...]` with quotes around each name that has none."""
    names = split_outside_quotes(given.strip()[1:-1])
    return "[" + ",".join(n if n.startswith(MARKED) else in_quotes(n) for n in names) + "]"


def in_backslashes(name: str) -> str:
    """A key of a mapping, which Hydra takes no quotes around, with backslashes before what means something to it;
    letters that its keys cannot have are spelled as in addresses.
    """
    signs = re.sub(r"([()\[\]{}:=,\\ ])", r"\\\1", name)
    return "".join(c if c.isascii() and c not in "\"'<>#&;!`^~" else quote(c) for c in signs)


def quoted_mapping(given: str, as_key: Callable[[str], str] = str) -> str:
    """`{name: formula, ...}` with quotes around each formula that has none."""
    entries = re.fullmatch(r"\s*\{([^{}]*)\}\s*", given, flags=re.DOTALL)
    parts = [part.partition(":") for part in split_outside_brackets(entries.group(1))] if entries else []
    pairs = [(name.strip(), text.strip()) for name, _, text in parts]
    if not all(name and text for name, text in pairs) or not pairs:
        return given
    return "{" + ",".join(f"{as_key(n)}:{t if t.startswith(MARKED) else in_quotes(t)}" for n, t in pairs) + "}"


def in_quotes(text: str) -> str:
    """The text as Hydra takes it for a text, whatever is in it."""
    escaped = re.sub(r'(\\*)("|\Z)', lambda m: 2 * m.group(1) + m.group(2).replace('"', '\\"'), text)
    return f'"{escaped}"'


def without_quotes(text: str) -> str:
    """The text that Hydra reads in one in quotes: there a backslash is one, unless a quote follows it."""
    quote = text[0]
    return re.sub(rf"(\\+)({quote}|\Z)", lambda m: m.group(1)[1::2] + m.group(2), text[1:-1])


def split_outside_quotes(text: str) -> list[str]:
    """The names between commas: those in quotes as they are, in others brackets hold commas, where they are closed."""
    parts = [match.group(0) for match in re.finditer(r"""\s*(?:"[^"]*"|'[^']*')\s*(?=,|$)|[^,]+""", text)]
    if any(p.strip().startswith(("'", '"')) for p in parts):
        return [p.strip() for p in parts if p.strip()]
    closed = text.count("(") == text.count(")") and text.count("[") == text.count("]")
    return [p.strip() for p in (split_outside_brackets(text) if closed else text.split(",")) if p.strip()]


def split_outside_brackets(text: str) -> list[str]:
    """The parts between the commas that no bracket encloses."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts
