"""One KAN layer: every edge a base function plus a spline, or a function of the library; nodes sum or multiply."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kanrun.functions.library import FUNCTIONS, Library
from kanrun.model import grids, spline
from kanrun.model.bases import BASES
from kanrun.model.prepared import Prepared
from kanrun.model.spline import Knots
from kanrun.model.spline_sums import SplineSums
from kanrun.model.structure import Places, Structure, shape_of, structure_of

SMOOTH = 5  # random splines begin with at most this many intervals: fine ones would only be rough
FACTORS = 2  # how many sums a multiplication node takes the product of


@dataclass(frozen=True)
class LayerTrace:
    """What one pass through a layer leaves behind for scores, fits and pictures."""

    inputs: Tensor  # [rows, n_in]
    edges: Tensor  # [rows, n_sub, n_in], zero for removed edges
    subnodes: Tensor  # [rows, n_sub]
    nodes: Tensor  # [rows, n_out]


class KANLayer(nn.Module):
    """Edges from `n_in` nodes to `n_sum` sums and `n_mult` products of FACTORS sums each.

    An edge is `base_scale * base(x) + spline(x)`, or `c * f(a * x + b)` once it is fixed to a library function; the
    sums are the *subnodes* ([n_sub], sums first), each with a bias that collects the constants of its edges.
    The edges that are not fixed share one design matrix: the layer is linear in their coefficients.

    Tensors: grid [n_in, G+1], coef [n_sub, n_in, G+k], base_scale and alive [n_sub, n_in], affine [n_sub, n_in, 3].
    """

    grid: Tensor
    table: Tensor
    alive: Tensor
    is_fixed: Tensor
    is_trainable: Tensor

    def __init__(
        self,
        n_in: int,
        n_sum: int,
        n_mult: int = 0,
        *,
        grid: int,
        k: int,
        base: str,
        noise_scale: float,
        generator: torch.Generator,
        dtype: torch.dtype,
        library: Library = FUNCTIONS,
    ) -> None:
        super().__init__()
        self.n_in, self.n_sum, self.n_mult, self.k, self.base = n_in, n_sum, n_mult, k, base
        self.library = library
        n_sub = n_sum + FACTORS * n_mult
        one = torch.ones(n_in, dtype=dtype)
        coarse = min(grid, SMOOTH)
        self.register_buffer("grid", grids.uniform_grid(-one, one, coarse))
        self.register_buffer("table", spline.span_polynomials(self.grid, k))
        self.register_buffer("alive", torch.ones(n_sub, n_in, dtype=torch.bool))
        self.register_buffer("is_fixed", torch.zeros(n_sub, n_in, dtype=torch.bool))
        self.register_buffer("is_trainable", torch.ones(n_sub, n_in, dtype=torch.bool))
        self.coef = nn.Parameter(torch.zeros(n_sub, n_in, coarse + k, dtype=dtype))
        self.base_scale = nn.Parameter(torch.zeros(n_sub, n_in, dtype=dtype))
        self.affine = nn.Parameter(torch.tensor([1.0, 0.0, 1.0], dtype=dtype).repeat(n_sub, n_in, 1))
        self.bias = nn.Parameter(torch.zeros(n_sub, dtype=dtype))
        self.functions: dict[tuple[int, int], str] = {}  # (subnode, input) -> library name
        self._known: tuple[tuple[Tensor, ...], tuple[int, ...], Structure] | None = None
        self._knots: tuple[Tensor, Tensor, tuple[int, int], Knots] | None = None
        self.draw(noise_scale, generator)
        if grid > coarse:
            self.set_grid(grids.uniform_grid(-one, one, grid))

    def draw(self, noise_scale: float, generator: torch.Generator) -> None:
        """New random splines. What removed edges have left in the biases of their sums goes with the old ones."""
        grid, intervals = self.grid, self.grid.shape[1] - 1
        if intervals > SMOOTH:
            self.set_grid(grids.refined_grid(grid, SMOOTH))
        noise = torch.randn(self.coef.shape, generator=generator, dtype=torch.float64)
        scale = torch.rand(self.base_scale.shape, generator=generator, dtype=torch.float64) * 2 - 1
        with torch.no_grad():
            self.coef.copy_(noise * noise_scale / math.sqrt(self.n_in))
            self.base_scale.copy_(scale / math.sqrt(self.n_in))
            self.bias.masked_fill_(self.is_spline.any(1) & ~self.is_fixed.any(1), 0.0)
        if intervals > SMOOTH:
            self.set_grid(grid)

    # ---- structure -------------------------------------------------------------------------------------------

    @property
    def n_sub(self) -> int:
        return self.n_sum + FACTORS * self.n_mult

    @property
    def n_out(self) -> int:
        return self.n_sum + self.n_mult

    @property
    def is_spline(self) -> Tensor:
        """[n_sub, n_in]: edges that are alive and not fixed to a function."""
        return self.alive & ~self.is_fixed

    @property
    def trains_affine(self) -> Tensor:
        """[n_sub, n_in]: edges whose a, b, c are trained."""
        return self.alive & self.is_fixed & self.is_trainable

    @property
    def trains_bias(self) -> Tensor:
        """[n_sub]: a bias is trained where no spline can take its place and the user has not locked the edges."""
        return self.trains_affine.any(1) | ~self.alive.any(1)

    def masks(self) -> dict[str, Tensor]:
        """Of which edges, [n_sub, n_in], training may change a parameter; of the bias, of which sums, [n_sub]."""
        splines = self.is_spline
        has_base = splines if BASES[self.base] else torch.zeros_like(splines)
        return {"coef": splines, "base_scale": has_base, "affine": self.trains_affine, "bias": self.trains_bias}

    def trained(self) -> list[tuple[nn.Parameter, Tensor]]:
        """Each parameter with the boolean mask of its entries that training may change."""
        pairs = [(getattr(self, name), mask) for name, mask in self.masks().items()]
        return [(p, mask if p.ndim == mask.ndim else mask[..., None].expand_as(p)) for p, mask in pairs]

    def entries(self) -> list[tuple[nn.Parameter, Places]]:
        """The same without what is not trained at all, and with the places instead of masks."""
        parameters: Any = self._parameters  # attributes of modules are slow
        return [(parameters[name], places) for name, places in self.structure().entries]

    def parameter_count(self) -> int:
        """How many numbers training may change."""
        return sum(math.prod(shape_of(p, places)) for p, places in self.entries())

    def fix(
        self, sub: int, i: int, name: str, affine: tuple[float, float, float], shift: float, trainable: bool
    ) -> None:
        """Makes the edge from input `i` to subnode `sub` the library function `name`; `shift` goes to the bias."""
        self.functions[sub, i] = name
        self.is_fixed[sub, i] = True
        self.is_trainable[sub, i] = trainable
        self.alive[sub, i] = True
        with torch.no_grad():
            self.affine[sub, i] = torch.tensor(affine, dtype=self.affine.dtype)
            self.bias[sub] += shift

    def remove(self, sub: int, i: int, constant: float = 0.0) -> None:
        """Takes the edge out; `constant`, its mean, stays in the bias so that the node keeps its level."""
        self.alive[sub, i] = False
        with torch.no_grad():
            self.bias[sub] += constant

    def set_grid(self, grid: Tensor) -> None:
        """Moves every spline of the layer to another grid, keeping its values as well as the new grid allows."""
        x, table = grids.points_within(grid, self.k + 3), spline.span_polynomials(grid, self.k)
        with torch.no_grad():
            values = spline.basis(x, self.knots())
            y = torch.einsum("rim,jim->rij", values, self.coef)
            coef = spline.fit_coefficients(x, y, grid, self.k, table).transpose(0, 1)
        if coef.shape == self.coef.shape:
            self.coef.data.copy_(coef)
        else:
            self.coef = nn.Parameter(coef.contiguous())
        self.grid, self.table = grid.contiguous(), table

    # ---- values ----------------------------------------------------------------------------------------------

    def features(self, x: Tensor) -> Tensor:
        """What spline edges are linear in: basis values and the base function, [rows, n_in, G+k(+1)]."""
        return spline.basis(x, self.knots(), BASES[self.base])

    def prepare(self, x: Tensor) -> Prepared:
        """What of the rows `x` [rows, n_in] stays the same as long as the grid does."""
        return Prepared(self.features(x), x.std(0, correction=0))

    def weights(self) -> Tensor:
        """The coefficients of `features`, zero for edges that are not splines: [n_sub, n_in, G+k(+1)]."""
        weights = torch.cat([self.coef, self.base_scale[..., None]], dim=2) if BASES[self.base] else self.coef
        whole = self.structure().splines == self.n_sub * self.n_in
        return weights if whole else weights * self.is_spline[..., None]

    def __getstate__(self) -> dict[str, Any]:
        """A copy counts its edges anew, as version numbers start again with it."""
        return {**self.__dict__, "_known": None, "_knots": None}

    def structure(self) -> Structure:
        """What the edges are; counted again only after they have changed."""
        buffers: Any = self._buffers  # attributes of modules are slow
        alive, fixed, trainable = buffers["alive"], buffers["is_fixed"], buffers["is_trainable"]
        versions = alive._version, fixed._version, trainable._version
        known = self._known
        same = known is not None and (known[0][0] is alive and known[0][1] is fixed and known[0][2] is trainable)
        if known is None or not same or known[1] != versions:
            structure = structure_of(self.is_spline, self.trains_bias, self.alive, self.functions, self.masks())
            self._known = known = ((alive, fixed, trainable), versions, structure)
        return known[2]

    def knots(self) -> Knots:
        """The grid as the splines need it; computed again only after it has changed."""
        grid, table = self._buffers["grid"], self._buffers["table"]  # attributes of modules are slow
        assert grid is not None and table is not None
        known, versions = self._knots, (grid._version, table._version)
        if known is None or known[0] is not grid or known[1] is not table or known[2] != versions:
            self._knots = known = (grid, table, versions, spline.knots_of(grid, table))
        return known[3]

    def fixed_edges(self, x: Tensor) -> list[tuple[str, Tensor, Tensor, Tensor, Tensor, Tensor]]:
        """Per function: its name, subnodes and inputs [E], arguments z = a x + b [rows, E], a and c [E]."""
        groups = self.structure().groups
        if not groups:
            return []
        affine = torch.where(self.is_trainable[..., None], self.affine, self.affine.detach())
        result = []
        for name, subs, inputs in groups:
            a, b, c = affine[subs, inputs].unbind(1)
            result.append((name, subs, inputs, a * x[:, inputs] + b, a, c))
        return result

    def subnodes(self, x: Tensor, features: Tensor | None = None) -> Tensor:
        """The sums over incoming edges: [rows, n_sub]. The `features` of `x` are computed where they are not given."""
        structure = self.structure()
        bias = self.bias.detach()
        if structure.trains_bias is not None:
            bias = torch.where(structure.trains_bias, self.bias, bias)
        if structure.splines == 0:
            total = bias.expand(x.shape[0], -1)
        elif features is None:
            coef: Tensor = self.coef
            scale: Tensor = self.base_scale
            if structure.splines < self.n_sub * self.n_in:
                splines = self.is_spline
                coef, scale = coef * splines[..., None], scale * splines
            total = SplineSums.apply(x, coef, scale, bias, self.knots(), BASES[self.base])
        else:
            total = torch.addmm(bias, features.flatten(1), self.weights().flatten(1).T)
        for name, sub, _, z, _, c in self.fixed_edges(x):
            total = total.index_add(1, sub, c * self.library[name].value(z))
        return total

    def multiply(self, subnodes: Tensor) -> Tensor:
        """Nodes from subnodes: sums pass, products are taken: [rows, n_out]."""
        if not self.n_mult:
            return subnodes
        factors = subnodes[:, self.n_sum :].unflatten(1, (self.n_mult, FACTORS))
        return torch.cat([subnodes[:, : self.n_sum], factors.prod(2)], dim=1)

    def forward(self, x: Tensor, features: Tensor | None = None) -> Tensor:
        """[rows, n_in] -> [rows, n_out]."""
        return self.multiply(self.subnodes(x, features))

    def forward_with_strengths(self, x: Tensor, prepared: Prepared | None = None) -> tuple[Tensor, Tensor]:
        """Nodes [rows, n_out], and how much every spline edge varies against its input: std(edge) / (std(input) + 0.1).

        The strengths are [n_sub, n_in], zero for fixed and removed edges.
        """
        prepared = prepared or self.prepare(x)
        variance = prepared.variances(self.weights().transpose(0, 1)).T
        tiny = torch.finfo(x.dtype).eps
        spread = (variance.clamp(min=0) + tiny).sqrt() - tiny**0.5
        return self.multiply(self.subnodes(x, prepared.features)), spread / (prepared.spread + 0.1)

    def trace(self, x: Tensor) -> LayerTrace:
        """One pass that keeps every edge's output."""
        features = self.features(x)
        edges = torch.einsum("rim,jim->rji", features, self.weights())
        for name, sub, i, z, _, c in self.fixed_edges(x):
            edges = edges.index_put(
                (torch.arange(len(x), device=x.device)[:, None], sub, i), c * self.library[name].value(z)
            )
        subnodes = edges.sum(2) + self.bias
        return LayerTrace(x, edges, subnodes, self.multiply(subnodes))
