"""docs/settings.md from the classes of settings and the files in configs/: `python -m docs._tools.settings_page`."""

from __future__ import annotations

from dataclasses import fields
from inspect import cleandoc
from pathlib import Path
from typing import Any

from kanrun.cli.compose import OF_HYDRA
from kanrun.cli.help import allowed
from kanrun.config.packaged import config_folder
from kanrun.config.schema import GROUPS, Config, FixConfig

ROOT = Path(__file__).resolve().parents[2]
HEAD = """\
# Every setting

This page is made by `make docs` from `kanrun/config/`, where each setting has its default, its meaning and its
limits, and from the files in `configs/`. `kanrun --help` shows the same; `kanrun --cfg job` shows the config that a
command line comes to.

An option of a group is chosen by `group=option`, a setting changed by `group.key=value`; lists stand in brackets
without blanks, `model.width=[2,5,1]`. With a file first, `kanrun FILE target=COLUMN key=value` is short for
`dataset=table dataset.path=FILE dataset.target=COLUMN search=discover dataset.key=value`.
"""
TABLE = ["| setting | default | meaning | allowed |", "|---|---|---|---|"]
OWN = {"experiment": "Whole experiments", "sweep": "Sweeps that are written down"}


def page() -> str:
    """The page's text."""
    docs = {f.name: f.metadata["doc"] for f in fields(Config)}
    lines = [HEAD, "## The run itself", "", *TABLE]
    lines += [row(f.name, f) for f in fields(Config) if f.name not in GROUPS]
    for group, options in GROUPS.items():
        lines += ["", f"## {group}: {docs[group]}", ""]
        lines += ["Options: " + ", ".join(f"`{group}={name}`" for name in options) + "."]
        shown: set[type] = set()
        for name, kind in options.items():
            if kind not in shown:
                shown.add(kind)
                lines += option(group, name, kind)
            lines += file_of(config_folder() / group / f"{name}.yaml", config_folder())
    lines += ["", "### Each entry of model.fix", "", cleandoc(FixConfig.__doc__ or ""), "", *TABLE]
    lines += [row(f.name, f) for f in fields(FixConfig)]
    for group, title in OWN.items():
        lines += ["", f"## {title}"]
        for path in sorted((config_folder() / group).rglob("*.yaml")):
            lines += file_of(path, config_folder())
    return "\n".join([*lines, *of_hydra()]) + "\n"


def option(group: str, name: str, kind: type) -> list[str]:
    """An option with its settings."""
    told = "" if (kind.__doc__ or "").startswith(f"{kind.__name__}(") else cleandoc(kind.__doc__ or "")
    lines = ["", f"### {group}={name}", "", told, "", *TABLE]
    return lines + [row(f"{group}.{f.name}", f) for f in fields(kind) if f.name != "name"]


def row(key: str, field: Any) -> str:
    """A setting's line of a table."""
    value = field.default_factory() if callable(field.default_factory) else field.default
    return f"| `{key}` | {code(shown(value))} | {escaped(field.metadata['doc'])} | {escaped(limits(field.metadata))} |"


def shown(value: Any) -> str:
    """A value as it is typed."""
    names = {None: "null", True: "true", False: "false"}
    return names.get(value, str(value)) if is_plain(value) else str(value)


def is_plain(value: Any) -> bool:
    """Whether it is no number, list or mapping."""
    return value is None or isinstance(value, (bool, str))


def limits(metadata: Any) -> str:
    """What is allowed, without brackets."""
    return allowed(metadata).strip().removeprefix("(").removesuffix(")")


def code(text: str) -> str:
    """As code, if there is any."""
    return f"`{escaped(text)}`" if text else ""


def escaped(text: str) -> str:
    """For a cell of a table."""
    return text.replace("|", "\\|")


def file_of(path: Path, folder: Path) -> list[str]:
    """A file of options as it is, where there is one."""
    if not path.exists():
        return []
    content = path.read_text(encoding="utf-8").rstrip()
    return ["", f"`configs/{path.relative_to(folder).as_posix()}`:", "", "```yaml", content, "```"]


def of_hydra() -> list[str]:
    """The settings of launchers and sweepers, and those of Hydra that are needed most."""
    lines = ["", "## Where the jobs of a sweep run, and how their values are chosen", ""]
    lines += ["`hydra.run.dir` is the folder of a run, `hydra.sweep.dir` that of a sweep.", ""]
    lines += ["| option | settings with their defaults |", "|---|---|"]
    for group, options in OF_HYDRA.items():
        for name, node in options.items():
            keys = [f"`{group.replace('/', '.')}.{key}={shown(v)}`" for key, v in node.items() if key != "_target_"]
            lines.append(f"| `{group}={name}` | {', '.join(keys)} |")
    return lines


if __name__ == "__main__":
    (ROOT / "docs" / "settings.md").write_text(page(), encoding="utf-8")
