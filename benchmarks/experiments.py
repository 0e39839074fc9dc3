"""The five experiments over several seeds, as a table: `python benchmarks/experiments.py [name ...]`."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path

from kanrun.cli.compose import compose_job, settings_of
from kanrun.config.packaged import config_folder
from kanrun.pipeline.run import run

# experiment: (what the seed sets, seeds, the score)
EXPERIMENTS = {
    "hello": ("seed", range(5), "rmse"),
    "moons_regression": ("dataset.seed", range(5), "accuracy"),
    "moons_classes": ("dataset.seed", range(5), "accuracy"),
    "contrastive": ("seed", range(10), "accuracy"),
    "contrastive_wide": ("seed", range(40, 45), "accuracy"),
}


def one_run(experiment: str, overrides: list[str], folder: Path) -> tuple[dict, list[dict]]:
    """Metrics and formulas of one run."""
    composed = compose_job([f"experiment={experiment}", "plots=none", *overrides], config_folder())
    metrics = run(settings_of(composed), folder, quiet=True)
    return metrics, json.loads((folder / "formula.json").read_text())


def measure(name: str, overrides: list[str]) -> None:
    """Prints one line a seed and the means."""
    key, seeds, score = EXPERIMENTS[name]
    networks, texts = [], []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            metrics, formulas = one_run(name, [f"{key}={seed}", *overrides], Path(folder))
        stages = {s["name"]: s for s in metrics["stages"]}
        network = stages.get("refit", stages["prune"])["test"][score]
        text = formulas[0]["test"][score]
        networks.append(network)
        texts.append(text)
        cpu = sum(s["cpu_seconds"] for s in metrics["stages"])
        exact = formulas[0]["exact"]
        line = f"{name} {key}={seed}: network {network:.4g}, formula {text:.4g}, exact {exact}, CPU {cpu:.1f} s"
        if "related_inputs" in metrics:
            groups = " | ".join(" ".join(g) for g in metrics["related_inputs"])
            relations = "; ".join(r["rounded"] for r in formulas[0].get("relation", []))
            line += f", related {groups or 'none'}, relations {relations or 'none'}"
        print(line, flush=True)
    print(
        f"{name}: mean of network {statistics.mean(networks):.5g}, of formula {statistics.mean(texts):.5g}\n",
        flush=True,
    )


if __name__ == "__main__":
    chosen = [a for a in sys.argv[1:] if "=" not in a] or list(EXPERIMENTS)
    for experiment in chosen:
        measure(experiment, [a for a in sys.argv[1:] if "=" in a])
