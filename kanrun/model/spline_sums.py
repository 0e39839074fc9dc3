"""The sums of a layer's splines as one operation, whose basis values go through the processor's cache by blocks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from kanrun.model.spline import Beside, Knots, Place, blocks, input_gradient, local_values, locate, spread

MOST_KEPT = 2**24  # basis values that a layer keeps for its backward pass


class SplineSums(torch.autograd.Function):
    """Sums over the inputs of splines and of the functions beside them: the whole of a layer at once.

    `coef` is [sums, inputs, intervals + k], `scale` [sums, inputs], `bias` [sums]. Equal to the matrix product of
    `basis` and the coefficients, but goes through blocks. Their basis values are kept for the backward pass as far as
    the memory allows it, else computed once more.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, coef: Tensor, scale: Tensor, bias: Tensor, knots: Knots, beside: Beside | None
    ) -> Tensor:
        aside = beside and beside.value(x)
        sums = bias.repeat(len(x), 1) if aside is None else torch.addmm(bias, aside, scale.T)
        ctx.parts = list(blocks(x, knots.functions))
        ctx.kept = []
        keeps = any(ctx.needs_input_grad) and x.numel() * knots.functions <= MOST_KEPT
        for rows, columns in ctx.parts:
            dense, place = block_values(x[rows, columns], knots, columns)
            sums[rows].addmm_(dense, coef[:, columns].flatten(1).T)
            if keeps:
                ctx.kept.append((dense, place if ctx.needs_input_grad[0] else None))
        ctx.save_for_backward(x, coef, scale)
        ctx.knots, ctx.beside, ctx.aside = knots, beside, aside
        return sums

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, coef, scale = ctx.saved_tensors
        needs_x, needs_coef, needs_scale, needs_bias = ctx.needs_input_grad[:4]
        by_scale = gradient.T @ ctx.aside if needs_scale and ctx.beside else None
        by_coef = torch.zeros_like(coef) if needs_coef else None
        by_x = None
        if needs_x:
            by_x = ctx.beside.pull_back(gradient @ scale, x) if ctx.beside else torch.zeros_like(x)
        for number, (rows, columns) in enumerate(ctx.parts):
            dense, place = ctx.kept[number] if ctx.kept else block_values(x[rows, columns], ctx.knots, columns)
            if by_coef is not None:
                by_coef[:, columns].flatten(1).addmm_(gradient[rows].T, dense)
            if by_x is not None:
                by_basis = gradient[rows] @ coef[:, columns].flatten(1)
                part = by_x[rows, columns]
                part.add_(input_gradient(place, ctx.knots, by_basis, part.shape))
        return by_x, by_coef, by_scale, gradient.sum(0) if needs_bias else None, None, None


def block_values(x: Tensor, knots: Knots, columns: slice) -> tuple[Tensor, Place]:
    """Values of all basis functions of a block, [rows, inputs * functions], and where the local ones are."""
    place = locate(x, knots, knots.functions, columns)
    dense = torch.zeros(len(x), x.shape[1] * knots.functions, dtype=x.dtype, device=x.device)
    spread(place, local_values(place, knots), dense)
    return dense, place
