"""Arguments as Hydra needs them: a table's short way in full, folders in full, quotes that a shell takes away."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from kanrun.config.schema import TableConfig

TABLES = (".csv", ".tsv", ".tab", ".txt", ".dat", ".xlsx", ".xls", ".ods", ".parquet", ".jsonl", ".ndjson", ".json",
          ".npy", ".npz", ".gz")  # fmt: skip
PATHS = ("path", "test_path")
TEXTS = (
    "formula",
    "target",
    "where",
    "group",
    "separator",
    "sigma",
    "weights",
    *PATHS,
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
    more = [f"dataset.{a}" if key in own else a for key, a in zip(keys, arguments, strict=True)]
    path = f"dataset.path={arguments[at]}"
    chosen = any(key in ("search", "experiment") for key in keys)
    return ["dataset=table", *([] if chosen else ["search=discover"]), *more[:at], path, *more[at + 1 :]]


def is_table(argument: str, before: str) -> bool:
    """Whether a word alone is the file of a table, and not the folder or file that belongs to the flag before it."""
    if "=" in argument.rpartition("/")[2] or argument.startswith(("-", "~", "+")) or before.startswith("--config"):
        return False
    return argument.lower().endswith(TABLES) or Path(argument).is_file()


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
    names = re.fullmatch(r"(\+{0,2}symbolic\.library=)\[([^\[\]'\"]*)\]", argument)
    if names:
        return names.group(1) + "[" + ",".join(f'"{n.strip()}"' for n in names.group(2).split(",") if n.strip()) + "]"
    return argument


def quoted_for_dataset(argument: str, key: str, name: str | None, given: str, sweep: bool) -> str:
    """The names of columns, and paths in full, with quotes; another setting of a dataset as it is."""
    whole = argument.partition("=")[0]
    if key == "units":
        return f"++{whole.lstrip('+')}={given if given.startswith(MARKED) else in_quotes(given)}" if name else (
            f"++dataset.units={quoted_mapping(given)}")  # fmt: skip
    if key in LISTS and (items := re.fullmatch(r"\[(.*)\]", given, flags=re.DOTALL)):
        names = [n.strip() for n in split_outside_brackets(items.group(1)) if n.strip()]
        return f"{whole}=[" + ",".join(n if n.startswith(MARKED) else in_quotes(n) for n in names) + "]"
    if key in LISTS and key != "target" and given and given != "null" and not given.startswith(MARKED):
        return f"{whole}=[{in_quotes(given)}]"
    if key in PATHS and given and given != "null" and not given.startswith(MARKED):
        given = given if sweep and "," in given else str(Path(given).expanduser().absolute())
    return f"{whole}={quoted_texts(given, sweep)}" if key in TEXTS else argument


MARKED = ("'", '"', "[", "$")  # what begins with one of these means something to Hydra already


def quoted_texts(given: str, sweep: bool) -> str:
    """A formula in quotes, or each of those that a sweep has."""
    if not given or given == "null" or given.startswith(MARKED):
        return given
    return ",".join(map(in_quotes, split_outside_brackets(given) if sweep else [given]))


def quoted_mapping(given: str) -> str:
    """`{name: formula, ...}` with quotes around each formula that has none."""
    entries = re.fullmatch(r"\s*\{([^{}]*)\}\s*", given, flags=re.DOTALL)
    parts = [part.partition(":") for part in split_outside_brackets(entries.group(1))] if entries else []
    pairs = [(name.strip(), text.strip()) for name, _, text in parts]
    if not all(name and text for name, text in pairs) or not pairs:
        return given
    return "{" + ",".join(f"{n}:{t if t.startswith(MARKED) else in_quotes(t)}" for n, t in pairs) + "}"


def in_quotes(text: str) -> str:
    """The text as Hydra takes it for a text, whatever is in it."""
    return '"' + text.replace('"', '\\"') + '"'


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
