"""Filling a run folder, part by part."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import yaml

from kanrun.config.schema import Config
from kanrun.config.validation import read_config
from kanrun.errors import ConfigError, wrong
from kanrun.report.files import read_yaml, without_references, write_text
from kanrun.report.lock import in_use
from kanrun.report.outputs import OUTPUTS
from kanrun.report.status import state_of

DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # the same in a tenth of the time, where it is there
OWN = ("config.yaml", "status.json", "kanrun.log", "report.html")  # files of a run beside its outputs
INTERRUPTED = "a run that was interrupted, which `kanrun resume` takes up again"
KILLED = "a run that was killed, which `kanrun resume` takes up again"


def results() -> list[str]:
    """The files that a run leaves in its folder, those of outputs from other packages too."""
    return [*OWN, *(output.file for output in OUTPUTS if output.file)]


def check_folder(folder: Path, key: str, overwrite: bool, given: str | None = None) -> None:
    """Raises ConfigError, about the setting `key`, where a run in `folder` cannot be or would replace what is there.

    `given` is what the setting was set to, if not to the folder itself. What a run left that failed is replaced; what
    is finished, or was interrupted and can be resumed, only with `overwrite`, and a run that goes on never.
    """
    given = given or str(folder)
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise ConfigError(wrong(key, given, f"{there} is a file; name a folder"))
    if in_use(folder):
        raise ConfigError(wrong(key, given, "a run is going on there; name another folder"))
    held = [name for name in results() if (folder / name).exists()]
    if overwrite or not held:
        return
    if "status.json" not in held:
        raise ConfigError(wrong(key, given, f"it holds {', '.join(held)} of something else; name another folder"))
    left = {"completed": "a completed run", "interrupted": INTERRUPTED, "running": KILLED}.get(state_of(folder) or "")
    if left:
        reason = f"it holds {left}; name another folder, or add overwrite=true to replace that run"
        raise ConfigError(wrong(key, given, reason))


def config_in(path: Path) -> Config:
    """The config of a file, as `write_config` writes it."""
    return read_config(read_yaml(path))


def clear_folder(folder: Path) -> None:
    """Takes out what an earlier run left in `folder`, so that its results are not taken for those of this one."""
    for path in [*(folder / name for name in results()), *(folder / "plots").glob("*.[ps][nvd][gf]")]:
        path.unlink(missing_ok=True)
    for name in ("checkpoint", "tensorboard"):
        shutil.rmtree(folder / name, ignore_errors=True)


def write_config(folder: Path, config: Config) -> None:
    """The whole config, every default included; whoever runs it again has to say anew what may be replaced."""
    plain = without_references(asdict(replace(config, overwrite=False)))
    write_text(folder / "config.yaml", yaml.dump(plain, Dumper=DUMPER, sort_keys=False, allow_unicode=True))
