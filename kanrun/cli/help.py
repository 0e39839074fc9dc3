"""The text of `kanrun --help`, made from the config classes and the option files; imports nothing heavy."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

from kanrun.cli.commands import COMMANDS
from kanrun.cli.hints import OF_FILES, options
from kanrun.config.schema import GROUPS, Config, FixConfig

INTRO = """\
kanrun trains a Kolmogorov-Arnold network on your problem, prunes it and writes the formula that it found.

  kanrun                                             the first example: a formula found again from its values
  kanrun experiment=hello                            a whole experiment by name
  kanrun dataset=moons model.width=[2,2]             choose a dataset and a network
  kanrun dataset.formula='x_1*exp(-x_2)' model.grid=10
  kanrun -m dataset=moons seed=0,1,2                 a sweep on all cores, added up at its end
  kanrun -m model.grid=3,5 optimizer.steps=20,40 sweep.zip=model.grid,optimizer.steps    values in pairs
  kanrun -m sweep.resume=FOLDER                      go on with a sweep that was interrupted
  kanrun -m model=kan,mlp dataset=moons              is it better than an ordinary network (MLP)?
  kanrun --cfg job                                   show the whole config without running
  kanrun --config-path RUN_FOLDER --config-name config    run a finished run again

{commands}

Results go to outputs/<date>/<time>/, or to hydra.run.dir=FOLDER: config.yaml, metrics.json, history.csv, formula.json,
.txt, .tex and .py, model.pt, plots/, status.json, kanrun.log.
"""

FOOTER = """\
Shell completion: eval "$(kanrun -sc install=bash)".  Hydra's own options: kanrun --hydra-help."""


def help_text() -> str:
    """Every group with its options, every setting with its default, what it means and what is allowed."""
    lines = [INTRO.replace("{commands}", commands()), "GROUPS (choose with group=option)"]
    groups = [f.name for f in fields(Config) if f.name in GROUPS] + [*OF_FILES]
    docs = {f.name: f.metadata.get("doc", "") for f in fields(Config)} | OF_FILES
    for group in groups:
        lines.append(f"  {group:<15} {docs[group] + ':':<37} {', '.join(options(group))}")
    lines += ["", "SETTINGS (change with group.key=value)"]
    shown: set[type] = set()
    for group, kinds in GROUPS.items():
        for name, kind in kinds.items():
            if kind in shown:
                continue
            shown.add(kind)
            lines += [f"  {group}={name}: {first_line(kind)}"]
            lines += [setting_line(f"{group}.{f.name}", f) for f in fields(kind) if f.name != "name"]
    lines += [f"  each entry of model.fix: {first_line(FixConfig)}"]
    lines += [setting_line(f.name, f) for f in fields(FixConfig)]
    lines += ["  the run itself"]
    lines += [setting_line(f.name, f) for f in fields(Config) if f.name not in GROUPS]
    return "\n".join([*lines, "", FOOTER])


def commands() -> str:
    """What can be done with runs that there are, a line each."""
    lines = ["WITH FINISHED RUNS (kanrun COMMAND --help says more)"]
    for name, command in COMMANDS.items():
        lines.append(f"  kanrun {f'{name} {command.usage}':<56} {command.about}")
    return "\n".join(lines)


def first_line(kind: type) -> str:
    """The summary of a class."""
    return (kind.__doc__ or "").strip().splitlines()[0]


def setting_line(key: str, f: Any) -> str:
    """A setting, its default and its meaning."""
    default = f.default_factory() if callable(f.default_factory) else f.default
    text = "null" if default is None else re.sub(r"^(True|False)$", lambda m: m.group().lower(), str(default))
    return f"    {key + '=' + text:<46} {f.metadata.get('doc', '')}{allowed(f.metadata)}"


def allowed(metadata: Any) -> str:
    """What values a setting may have, in brackets."""
    if metadata.get("choices"):
        return f" ({' | '.join(metadata['choices'])})"
    low, high, above = metadata.get("low"), metadata.get("high"), metadata.get("above")
    if low is not None and high is not None and high < 2**31:
        return f" ({low} to {high})"
    if low is not None:
        return f" ({low} or more)"
    return f" (more than {above})" if above is not None else ""
