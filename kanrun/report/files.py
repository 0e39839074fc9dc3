"""The files of a run folder: status, metrics, history, formulas and the model."""

from __future__ import annotations

import csv
import json
import math
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

from kanrun.model.layer import KANLayer
from kanrun.model.mlp import MLP
from kanrun.model.network import KAN
from kanrun.model.protocol import Network
from kanrun.training.history import Record

SCHEMA_VERSION = 1


def write_text(path: Path, text: str) -> None:
    """Writes a file in one go: a reader sees the old one or the new one, never half."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def write_json(path: Path, content: Any) -> None:
    """JSON that every reader accepts: numbers that are not finite become null."""
    write_text(path, json.dumps(finite(content), indent=1, allow_nan=False) + "\n")


def finite(content: Any) -> Any:
    """The same structure with None for numbers that JSON does not know."""
    if isinstance(content, dict):
        return {k: finite(v) for k, v in content.items()}
    if isinstance(content, (list, tuple)):
        return [finite(v) for v in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def write_history(path: Path, history: list[Record]) -> None:
    """One row a training step."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [f.name for f in fields(Record)], lineterminator="\n")
        table.writeheader()
        table.writerows(asdict(record) for record in history)


LAYER_TENSORS = ("coef", "base_scale", "affine", "bias", "grid", "alive", "is_fixed", "is_trainable")


def save_model(path: Path, model: Network) -> None:
    """Weights and structure as tensors and plain values."""
    if isinstance(model, KAN):
        content = kan_content(model)
    elif isinstance(model, MLP):
        state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
        content = {"kind": "mlp", "width": model.width, "activation": model.activation, "state": state}
    else:
        raise TypeError(f"no file for {type(model).__name__}")
    torch.save(content, path)


def kan_content(model: KAN) -> dict[str, Any]:
    """What is kept of a KAN."""
    layers = [
        {
            "n_sum": layer.n_sum,
            "n_mult": layer.n_mult,
            "functions": [[s, i, name] for (s, i), name in layer.functions.items()],
            **{name: getattr(layer, name).detach().cpu() for name in LAYER_TENSORS},
        }
        for layer in model.layers
    ]
    return {
        "kind": "kan", "k": model.k, "base": model.base, "grid_eps": model.grid_eps, "layers": layers,
        "functions": model.library.own,
    }  # fmt: skip


def load_model(path: Path) -> KAN | MLP:
    """The network of a run folder; reads data only, no code."""
    saved = torch.load(path, weights_only=True, map_location="cpu")
    if saved.get("kind") == "mlp":
        mlp = MLP(saved["width"], saved["activation"], 0, saved["state"]["shift"].dtype)
        mlp.load_state_dict(saved["state"])
        return mlp
    layers = saved["layers"]
    width = [layers[0]["coef"].shape[1], *([part["n_sum"], part["n_mult"]] for part in layers)]
    intervals = layers[0]["grid"].shape[1] - 1
    model = KAN(
        width, intervals, saved["k"], saved["base"], 0, layers[0]["coef"].dtype, 0.0, saved["grid_eps"],
        saved.get("functions"),
    )  # fmt: skip
    for layer, part in zip(model.layers, layers, strict=True):
        fill_layer(layer, part)
    return model


def fill_layer(layer: KANLayer, part: dict[str, Any]) -> None:
    """Puts the saved tensors and functions of one layer in place."""
    layer.set_grid(part["grid"])
    with torch.no_grad():
        for name in LAYER_TENSORS:
            getattr(layer, name).copy_(part[name])
    layer.functions = {(s, i): name for s, i, name in part["functions"]}
