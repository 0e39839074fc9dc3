"""The `kanrun` command: Hydra composes the config, run() does the work; every mistake ends as one line and status 1."""

from __future__ import annotations

import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

from kanrun.errors import KanrunError, nearest, shorten, wrong

# What configs/config.yaml says, for a config that comes from elsewhere, such as a run folder.
HYDRA_SETTINGS = {
    "hydra.run.dir": "outputs/${now:%Y-%m-%d}/${now:%H-%M-%S-%f}",
    "hydra.sweep.dir": "outputs/sweeps/${now:%Y-%m-%d}/${now:%H-%M-%S-%f}",
    "hydra.sweep.subdir": "${hydra.job.num}",
    "hydra.output_subdir": "null",
    "hydra/job_logging": "none",
}


def config_folder() -> Path:
    """The packaged configs, or those beside the package in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def main() -> None:
    """Entry point of the command."""
    arguments = sys.argv[1:]
    if {"-h", "--help"} & set(arguments):
        from kanrun.help import help_text

        print(help_text(config_folder()))
        return
    if "--version" in arguments:
        from kanrun import __version__

        print(f"kanrun {__version__}")
        return
    if any(a.split("=")[0] in ("--config-path", "-cp") for a in arguments):
        given = {a.split("=")[0].lstrip("+") for a in arguments}
        sys.argv += [f"{key}={value}" for key, value in HYDRA_SETTINGS.items() if key not in given]
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises its errors instead of printing its own pages
    try:
        compose_and_run()
    except KeyboardInterrupt:
        print("kanrun: interrupted", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        if wants_traceback:
            raise
        for line in explain(error, arguments):
            print(f"kanrun: {line}", file=sys.stderr)
        sys.exit(1)


def compose_and_run() -> None:
    """Lets Hydra read the command line and call `job` once, or once a job of a sweep."""
    import hydra

    hydra.main(version_base="1.3", config_path=str(config_folder()), config_name="config")(job)()


def job(composed: Any) -> float | None:
    """One run in the folder that Hydra chose. Gives the test loss, for sweepers."""
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    from kanrun.run import run

    logging.captureWarnings(True)
    metrics = run(OmegaConf.to_container(composed, resolve=True), HydraConfig.get().runtime.output_dir)  # type: ignore[arg-type]
    final = metrics["final"]
    return final.get("mse", final.get("cross_entropy"))


def explain(error: BaseException, arguments: list[str]) -> list[str]:
    """A line for each thing that is wrong, in terms of what was typed."""
    if isinstance(error, KanrunError):
        return str(error).splitlines()
    text = str(error)
    overrides = dict(a.lstrip("+~").split("=", 1) for a in arguments if "=" in a and not a.startswith("-"))
    key = re.search(r"Could not override '([^']+)'", text)
    if key:
        from kanrun.validation import known_keys

        name = key.group(1)
        return [wrong(name, overrides.get(name, ""), f"unknown key{nearest(name, known_keys())}")]
    option = re.search(r"Could not find '([^']+)'", text)
    if option:
        group, _, choice = option.group(1).rpartition("/")
        folder = config_folder() / group
        known = sorted(p.stem for p in folder.glob("*.yaml")) if folder.is_dir() else []
        return [wrong(group, choice, f"unknown option{nearest(choice, known)} known: {', '.join(known)}")]
    group_key = re.search(r"Could not override '?([^'\s]+)'?\.?\s*No match in the defaults list", text)
    if group_key:
        return [wrong(group_key.group(1), overrides.get(group_key.group(1), ""), "unknown group of options")]
    if type(error).__module__.startswith(("hydra", "omegaconf")):
        return [shorten(text.split("See https")[0], 400)]
    return [f"{type(error).__name__}: {shorten(text, 300)} (the traceback is in kanrun.log of the run folder)"]
