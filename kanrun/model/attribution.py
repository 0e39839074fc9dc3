"""How much every edge, node and input contributes to the outputs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from kanrun.model.layer import FACTORS
from kanrun.model.network import KAN


@dataclass(frozen=True)
class Scores:
    """Attribution scores, the largest over all outputs; 1 is an output's whole variation.

    edges: [n_sub, n_in] a layer. nodes: [n_nodes] a layer boundary, from the inputs to the outputs.
    """

    edges: list[Tensor]
    nodes: list[Tensor]

    @property
    def inputs(self) -> Tensor:
        """[inputs]."""
        return self.nodes[0]


def attribution(model: KAN, x: Tensor) -> Scores:
    """Scores on the rows `x`, from each output back to the inputs (arXiv 2408.10205, sec. 4.1).

    An edge gets its node's score times std(edge) / std(node's sum); a node gets the sum over its outgoing edges, and
    the factors of a product each get the product's score.
    """
    node = torch.eye(model.n_out, dtype=x.dtype, device=x.device)  # [outputs, nodes]
    nodes: list[Tensor] = [node.amax(0)]
    edges: list[Tensor] = []
    for layer, trace in zip(reversed(model.layers), reversed(model.trace(x)), strict=True):
        sub = torch.cat([node[:, : layer.n_sum], node[:, layer.n_sum :].repeat_interleave(FACTORS, dim=1)], dim=1)
        spread = trace.subnodes.std(0, correction=0)
        share = trace.edges.std(0, correction=0) / spread.clamp(min=torch.finfo(x.dtype).tiny)[:, None]
        share = torch.where((spread > 1e-12 * trace.subnodes.abs().amax(0))[:, None], share, torch.zeros_like(share))
        edge = sub[:, :, None] * share  # [outputs, n_sub, n_in]
        node = edge.sum(1)
        edges.insert(0, edge.amax(0))
        nodes.insert(0, node.amax(0))
    return Scores(edges, nodes)
