"""Values together with their derivatives by inputs (jets): which of them there are, products, and f of a jet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import combinations, compress, product

from torch import Tensor

Index = tuple[int, ...]  # the inputs by which is differentiated, in increasing order: (0, 1, 1) is d^3 / dx_0 dx_1^2
Jet = dict[Index, Tensor]  # derivatives of one thing; () is its value, and what is missing is zero
VALUE: Index = ()


def closure(wanted: Iterable[Index]) -> list[Index]:
    """The derivatives `wanted`, and all lower ones that they are made of: low orders first, the value before all."""
    parts = {part for index in wanted for size in range(len(index)) for part in combinations(sorted(index), size)}
    return sorted({(), *parts, *(tuple(sorted(index)) for index in wanted)}, key=lambda index: (len(index), index))


@cache
def splits(index: Index) -> list[tuple[Index, Index, int]]:
    """The ways in which two factors share a derivative, and how often each occurs (Leibniz)."""
    shares = product((False, True), repeat=len(index))
    found = Counter((tuple(compress(index, own)), tuple(compress(index, (not o for o in own)))) for own in shares)
    return [(first, second, count) for (first, second), count in found.items()]


@cache
def partitions(index: Index) -> list[tuple[Index, ...]]:
    """All ways to share a derivative among blocks, in any number; equal ones as often as they occur."""
    if not index:
        return [()]
    found = []
    for blocks in partitions(index[1:]):
        found.append((index[:1], *blocks))
        found += [(*blocks[:n], index[:1] + block, *blocks[n + 1 :]) for n, block in enumerate(blocks)]
    return found


def add(jet: Jet, index: Index, term: Tensor) -> None:
    """Adds a term to one derivative."""
    jet[index] = jet[index] + term if index in jet else term


def times(first: Jet, second: Jet, indices: Iterable[Index]) -> Jet:
    """The product, as far as `indices` say; what the factors hold may broadcast."""
    result: Jet = {}
    for index in indices:
        for own, other, count in splits(index):
            if own in first and other in second:
                term = first[own] * second[other]
                add(result, index, term if count == 1 else count * term)
    return result


def chain(x: Jet, indices: Sequence[Index]) -> list[Jet]:
    """What the derivatives of f(x) by x are multiplied by in those by inputs: `f(x)[i] = sum_n f^(n)(x) result[n][i]`.

    From n = 1 on up to the highest order of `indices` (Faa di Bruno, in the form of Hardy 2006, Electronic Journal of
    Combinatorics 13, R1); `result[0]` is 1 for the value alone.
    """
    result: list[Jet] = [{} for _ in range(1 + max(map(len, indices)))]
    result[0][()] = x[()].new_ones(1, 1)
    for index in indices:
        for blocks, count in Counter(tuple(sorted(blocks)) for blocks in partitions(index)).items():
            if blocks and all(block in x for block in blocks):
                term = x[blocks[0]]
                for block in blocks[1:]:
                    term = term * x[block]
                add(result[len(blocks)], index, term if count == 1 else count * term)
    return result
