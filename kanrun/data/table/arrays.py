"""Arrays of NumPy's as columns: .npy and .npz, never what is pickled in them."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from kanrun.data.table.raw import Raw, Told, of_columns
from kanrun.errors import ConfigError

PICKLED = "it holds pickled objects, which are not read"
DAMAGED = (ValueError, OSError, EOFError, KeyError, SyntaxError, TypeError, RecursionError, NotImplementedError,
           OverflowError, zlib.error, zipfile.BadZipFile, tokenize.TokenError)  # fmt: skip


def read_npy(path: Path, folder: Path, told: Told) -> Raw:  # noqa: ARG001
    """One array [rows, columns] or [rows]; arrays of objects, which are pickled, are refused."""
    try:
        # A map, since a header may promise more than there is in the file, and more than any memory holds.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except DAMAGED as error:
        raise ConfigError(reason_of(error)) from None
    return of_array(array, "NumPy array")


def read_npz(path: Path, folder: Path, told: Told) -> Raw:  # noqa: ARG001
    """One array [rows, columns], or several of the same length, each a column or a few."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as loaded:
            found: dict[str, Any] = {name: np.asarray(a) for name, a in loaded.items()}
    except DAMAGED as error:
        raise ConfigError(reason_of(error)) from None
    if len(found) == 1:
        return of_array(next(iter(found.values())), "NumPy arrays")
    columns: dict[str, Any] = {}
    aside = [f"{name} (array of shape {list(a.shape)})" for name, a in found.items() if a.ndim not in (1, 2)]
    for name, array in found.items():
        if array.ndim == 1:
            columns[name] = array
        elif array.ndim == 2:
            columns |= {f"{name}_{i + 1}" if array.shape[1] > 1 else name: array[:, i] for i in range(array.shape[1])}
    if len({len(c) for c in columns.values()}) > 1:
        shapes = ", ".join(f"{n} {list(a.shape)}" for n, a in list(found.items())[:4])
        raise ConfigError(f"its arrays are not of one length: {shapes}")
    return of_columns(list(columns), list(columns.values()), "NumPy arrays", aside)


def reason_of(error: BaseException) -> str:
    """Why NumPy has not read it."""
    text = str(error)
    return PICKLED if "pickle" in text or "Python objects" in text else "it is damaged, or the rest of it is missing"


def of_array(array: Any, kind: str) -> Raw:
    """The columns of an array."""
    if array.ndim == 1 and array.dtype.names:
        return of_columns(array.dtype.names, [array[n] for n in array.dtype.names], kind)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or array.dtype.kind not in "fiubUS":
        raise ConfigError(f"an array of rows and columns is needed, not {array.dtype} of shape {list(array.shape)}")
    return of_columns([f"x_{i + 1}" for i in range(array.shape[1])], list(array.T), kind)
