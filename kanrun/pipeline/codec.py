"""Values of a run as JSON and plain bytes, and back bit for bit: what a checkpoint is made of. No code, no pickle."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kanrun.functions.builtin import Function
from kanrun.functions.library import FUNCTIONS, Library
from kanrun.model.mlp import MLP
from kanrun.model.network import KAN
from kanrun.model.saving import kan_content, kan_of, mlp_content, mlp_of

ALIGNED = 64  # bytes at whose multiples tensors begin


class Packer:
    """Turns values into what JSON has, and gathers the bytes of their tensors.

    It takes None, booleans, numbers, texts, lists, tuples, sets, dicts, tensors, networks, functions of the library
    and dataclasses of these. Raises TypeError for anything else.
    """

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0

    def pack(self, value: Any) -> Any:
        """The value as JSON has it."""
        if value is None or isinstance(value, (bool, int, str)):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"float": repr(value)}
        if isinstance(value, (list, tuple, set, frozenset)):
            kind = type(value).__name__
            items = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value
            packed = [self.pack(item) for item in items]
            return packed if kind == "list" else {kind: packed}
        if isinstance(value, dict):
            return {"dict": [[self.pack(key), self.pack(item)] for key, item in value.items()]}
        if isinstance(value, Tensor):
            return {"tensor": self.tensor(value)}
        if isinstance(value, KAN):
            return {"kan": self.pack({**kan_content(value), "knots_stay": value.knots_stay})}
        if isinstance(value, MLP):
            return {"mlp": self.pack(mlp_content(value))}
        if isinstance(value, Function):
            return {"function": value.name}
        if is_dataclass(value) and not isinstance(value, type):
            own = {f.name: self.pack(getattr(value, f.name)) for f in fields(value) if f.init}
            return {"object": [type(value).__name__, own]}
        raise TypeError(f"a checkpoint cannot hold {type(value).__name__}")

    def tensor(self, value: Tensor) -> list[Any]:
        """Its kind of numbers, its shape and where its bytes begin."""
        numbers = value.detach().cpu().contiguous()
        content = numbers.numpy().tobytes()
        self.parts.append(content + bytes(-len(content) % ALIGNED))
        begin, self.size = self.size, self.size + len(self.parts[-1])
        return [str(value.dtype).removeprefix("torch."), list(value.shape), begin]


def packed(value: Any) -> tuple[str, bytes]:
    """The value as JSON text and the bytes of its tensors."""
    packer = Packer()
    text = json.dumps(packer.pack(value), allow_nan=False, separators=(",", ":"))
    return text, b"".join(packer.parts)


class Unpacker:
    """Turns back what a Packer has made; dataclasses are those of `classes`, functions those of `library`."""

    def __init__(
        self, content: bytes, classes: Iterable[type], library: Library = FUNCTIONS, device: torch.device | None = None
    ) -> None:
        self.content, self.library, self.device = content, library, device
        self.classes = {c.__name__: c for c in classes}
        self.readers: dict[str, Callable[[Any], Any]] = {
            "float": float,
            "tuple": lambda items: tuple(self.unpack(i) for i in items),
            "set": lambda items: {self.unpack(i) for i in items},
            "frozenset": lambda items: frozenset(self.unpack(i) for i in items),
            "dict": lambda pairs: {self.unpack(key): self.unpack(item) for key, item in pairs},
            "tensor": lambda about: self.tensor(*about),
            "kan": lambda content: self.kan(self.unpack(content)),
            "mlp": lambda content: self.placed(mlp_of(self.unpack(content))),
            "function": lambda name: self.library[name],
            "object": lambda about: self.object(*about),
        }

    def unpack(self, value: Any) -> Any:
        """The value. Raises KeyError, TypeError or ValueError for what no Packer has made."""
        if isinstance(value, list):
            return [self.unpack(item) for item in value]
        if isinstance(value, dict):
            ((kind, content),) = value.items()
            return self.readers[kind](content)
        return value

    def tensor(self, dtype: str, shape: list[int], begin: int) -> Tensor:
        """A tensor of its own, on the device of the run."""
        kind = torch.empty(0, dtype=getattr(torch, dtype)).numpy().dtype
        numbers = np.frombuffer(self.content, kind, math.prod(shape), begin).reshape(shape)
        return self.placed(torch.tensor(numbers))

    def kan(self, content: dict[str, Any]) -> KAN:
        """A network with its splines' knots, free or placed."""
        model: KAN = self.placed(kan_of(content))
        model.knots_stay = content["knots_stay"]
        return model

    def placed(self, value: Any) -> Any:
        """A tensor or network on the device of the run."""
        return value if self.device is None or self.device.type == "cpu" else value.to(self.device)

    def object(self, name: str, own: dict[str, Any]) -> Any:
        """An object of one of the known dataclasses."""
        return self.classes[name](**{key: self.unpack(item) for key, item in own.items()})
