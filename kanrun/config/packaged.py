"""The config files that come with the package, and what the options of a group set in them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any


def config_folder() -> Path:
    """The packaged configs, or those beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


@cache
def set_by_option(group: str, name: str) -> dict[str, Any]:
    """What the file of an option sets by key; nothing where it has none, and all its settings are the schema's."""
    import yaml  # which a help is shown without

    path = config_folder() / group / f"{name}.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {key: value for key, value in content.items() if key not in ("defaults", "name")}
