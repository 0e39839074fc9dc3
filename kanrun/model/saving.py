"""Networks as plain values and tensors, and back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from kanrun.model.layer import KANLayer
from kanrun.model.mlp import MLP
from kanrun.model.network import KAN
from kanrun.model.protocol import Network

LAYER_TENSORS = ("coef", "base_scale", "affine", "bias", "grid", "alive", "is_fixed", "is_trainable")


def content_of(model: Network) -> dict[str, Any]:
    """Weights and structure of a network. Raises TypeError for one of another kind."""
    if isinstance(model, KAN):
        return kan_content(model)
    if isinstance(model, MLP):
        return mlp_content(model)
    raise TypeError(f"no file for {type(model).__name__}")


def network_of(content: dict[str, Any]) -> KAN | MLP:
    """The network that `content_of` took apart. Raises ValueError, or what its parts raise, for anything else."""
    if not isinstance(content, dict):
        raise ValueError("it holds no network")
    return mlp_of(content) if content.get("kind") == "mlp" else kan_of(content)


def mlp_content(model: MLP) -> dict[str, Any]:
    """What is kept of an MLP."""
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    return {"kind": "mlp", "width": model.width, "activation": model.activation, "state": state}


def mlp_of(content: dict[str, Any]) -> MLP:
    """An MLP from what was kept of it."""
    state = content["state"]
    sizes = [state["shift"].shape[0], *(state[f"biases.{n}"].shape[0] for n in range(len(content["width"]) - 1))]
    if content["width"] != sizes:
        raise ValueError(f"width {content['width']} does not fit its weights")
    mlp = MLP(sizes, content["activation"], 0, state["shift"].dtype)
    mlp.load_state_dict(state)
    return mlp


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
        "functions": model.library.own, "shift": model.shift.detach().cpu(), "scale": model.scale.detach().cpu(),
    }  # fmt: skip


def kan_of(content: dict[str, Any]) -> KAN:
    """A KAN from what was kept of it."""
    layers = content["layers"]
    width = [layers[0]["coef"].shape[1], *([part["n_sum"], part["n_mult"]] for part in layers)]
    intervals = layers[0]["grid"].shape[1] - 1
    model = KAN(
        width, intervals, content["k"], content["base"], 0, layers[0]["coef"].dtype, 0.0, content["grid_eps"],
        content.get("functions"),
    )  # fmt: skip
    for layer, part in zip(model.layers, layers, strict=True):
        fill_layer(layer, part)
    fill_units(model, content)
    return model


def fill_units(model: KAN, content: dict[str, Any]) -> None:
    """Puts the saved units of the inputs in place; older files have none."""
    for name in ("shift", "scale"):
        own = getattr(model, name)
        kept = content.get(name, own)
        same = isinstance(kept, Tensor) and kept.shape == own.shape and kept.dtype == own.dtype
        if not same or not bool(torch.isfinite(kept).all()):
            raise ValueError(f"{name} is of another shape or kind")
        own.copy_(kept)
    if not bool((model.scale > 0).all()):
        raise ValueError("its inputs have a scale that is not above 0")


def fill_layer(layer: KANLayer, part: dict[str, Any]) -> None:
    """Puts the saved tensors and functions of one layer in place."""
    grid = part["grid"]
    if grid.shape != (layer.n_in, part["coef"].shape[-1] - layer.k + 1) or not bool((grid.diff(dim=1) >= 0).all()):
        raise ValueError("its knots are not in order")
    layer.set_grid(grid)
    with torch.no_grad():
        for name in LAYER_TENSORS:
            own, kept = getattr(layer, name), part[name]
            if kept.shape != own.shape or kept.dtype != own.dtype:
                raise ValueError(f"{name} is of another shape or kind")
            own.copy_(kept)
    functions = {(int(s), int(i)): name for s, i, name in part["functions"]}
    fixed = {(s, i) for s, i in layer.is_fixed.nonzero().tolist()}
    if set(functions) != fixed or not all(name in layer.library for name in functions.values()):
        raise ValueError("its functions are not those of its fixed edges")
    layer.functions = functions
