"""The Kolmogorov-Arnold network: layers in a row, their grids, fixed edges, and the analytic Jacobian."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from kanrun.data.sizes import input_units
from kanrun.functions.builtin import Function
from kanrun.functions.library import Library, extended
from kanrun.model import grids
from kanrun.model.bases import BASES
from kanrun.model.copying import copied
from kanrun.model.jacobian import KanPass
from kanrun.model.layer import FACTORS, KANLayer, LayerTrace
from kanrun.model.memory import keep_freed_memory
from kanrun.model.prepared import Prepared
from kanrun.model.rows import as_rows
from kanrun.model.structure import Places, shape_of

Width = Sequence[int | Sequence[int]]


def split_width(width: Width) -> list[tuple[int, int]]:
    """Every layer as (sums, products): `[2, [3, 1], 1]` is `[(2, 0), (3, 1), (1, 0)]`. Raises ValueError for others."""
    sizes = []
    for w in width:
        pair = (w, 0) if isinstance(w, int) else tuple(w) if isinstance(w, Sequence) else ()
        if len(pair) != 2 or not all(isinstance(n, int) and n >= 0 for n in pair) or sum(pair) < 1:
            raise ValueError(f"width {list(width)}: each layer is a positive int or [sums, products]")
        sizes.append((pair[0], pair[1]))
    return sizes


class KAN(nn.Module):
    """A Kolmogorov-Arnold network (Liu et al. 2024, arXiv 2404.19756) with product nodes (arXiv 2408.10205).

    `width` names the nodes of every layer, inputs first: an int, or `[sums, products]`. `grid` is the number of
    intervals of every spline, `k` its order; `base` is silu, identity or zero. All random numbers come from `seed`.
    `functions` are added to the library: formulas over x by name, e.g. `{"lorentz": "1/(1+x**2)"}`.
    `model(x)` takes [rows, inputs] and gives [rows, outputs].

    Inside, the first layer sees `(x - shift) / scale`, [inputs] each, as `standardize` has set them for inputs that are
    far from size one; so do its knots, curves and the constants of its fixed edges. All that goes in or comes out has
    the units of `x`.

    >>> model = KAN([2, 5, 1], grid=5, k=3, seed=0)
    >>> model(torch.zeros(10, 2, dtype=torch.float64)).shape
    torch.Size([10, 1])
    """

    shift: Tensor
    scale: Tensor

    def __init__(
        self,
        width: Width,
        grid: int = 5,
        k: int = 3,
        base: str = "silu",
        seed: int = 0,
        dtype: torch.dtype = torch.float64,
        noise_scale: float = 0.3,
        grid_eps: float = 0.02,
        functions: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        keep_freed_memory()
        sizes = split_width(width)
        if len(sizes) < 2 or sizes[0][1]:
            raise ValueError(f"width {list(width)}: two or more layers, the first of them a positive int")
        if base not in BASES:
            raise ValueError(f"base {base!r}: one of {', '.join(BASES)}")
        if grid < 1 or not 0 <= k <= 5:
            raise ValueError(f"grid {grid}, k {k}: grid is at least 1, k from 0 to 5")
        self.k, self.base, self.grid_eps = k, base, grid_eps
        self.knots_stay = False
        generator = torch.Generator().manual_seed(seed)
        library = extended(functions or {})
        self.layers: Any = nn.ModuleList(
            KANLayer(
                sum(before), n_sum, n_mult, grid=grid, k=k, base=base, noise_scale=noise_scale,
                generator=generator, dtype=dtype, library=library,
            )
            for before, (n_sum, n_mult) in pairwise(sizes)
        )  # fmt: skip
        self.register_buffer("shift", torch.zeros(self.n_in, dtype=dtype))
        self.register_buffer("scale", torch.ones(self.n_in, dtype=dtype))

    @property
    def width(self) -> list[int | list[int]]:
        """The nodes of every layer, in the form that the constructor takes."""
        sizes = [(layer.n_sum, layer.n_mult) for layer in self.layers]
        return [self.layers[0].n_in, *([s, m] if m else s for s, m in sizes)]

    def extra_repr(self) -> str:
        """What is shown of it, in the form that the constructor takes."""
        return f"width={self.width}, grid={self.grid}, k={self.k}, base={self.base}"

    @property
    def library(self) -> Library:
        """The functions that an edge may become."""
        known: Library = self.layers[0].library
        for layer in self.layers:
            known = known.joined(layer.library.values())
        return known

    @property
    def n_in(self) -> int:
        return int(self.layers[0].n_in)

    @property
    def n_out(self) -> int:
        return int(self.layers[-1].n_out)

    @property
    def grid(self) -> int:
        """The number of intervals of the splines."""
        return int(self.layers[0].grid.shape[1] - 1)

    @property
    def description(self) -> str:
        """What there is to say beside the width."""
        return f"grid {self.grid}, k {self.k}"

    def forward(self, x: Tensor, first: Prepared | None = None) -> Tensor:
        """[rows, n_in] -> [rows, n_out]. Raises ValueError for another number of columns, TypeError for no numbers.

        Numbers of another precision and NumPy's arrays are converted. `first` is what `prepare` gave for these rows.
        """
        x = self.scaled(as_rows(x, self.n_in, self.layers[0].bias))
        features = first and first.features
        for layer in self.layers:
            x, features = layer(x, features), None
        return x

    def prepare(self, x: Tensor) -> Prepared:
        """What the first layer needs of the rows `x`, to be computed once where many passes see the same rows.

        It holds until the grids change.
        """
        with torch.no_grad():
            return self.layers[0].prepare(self.scaled(x))

    def forward_with_strengths(self, x: Tensor, first: Prepared | None = None) -> tuple[Tensor, list[Tensor]]:
        """Outputs [rows, n_out], and the strength of every edge [n_sub, n_in] a layer, both differentiable."""
        x, strengths = self.scaled(x), []
        for layer in self.layers:
            x, strength = layer.forward_with_strengths(x, first)
            strengths.append(strength)
            first = None
        return x, strengths

    def trace(self, x: Tensor) -> list[LayerTrace]:
        """One pass that keeps, for every layer, the outputs of its edges and nodes. No gradients.

        The inputs of the first layer are the scaled ones.
        """
        traces: list[LayerTrace] = []
        with torch.no_grad():
            x = self.scaled(x)
            for layer in self.layers:
                traces.append(layer.trace(x))
                x = traces[-1].nodes
        return traces

    def clone(self) -> KAN:
        """A copy that shares nothing."""
        return copied(self)

    def scaled(self, x: Tensor) -> Tensor:
        """The rows `x` [rows, n_in] as the first layer takes them."""
        buffers: Any = self._buffers  # attributes of modules are slow
        return (x - buffers["shift"]) / buffers["scale"]

    def standardize(self, x: Tensor) -> None:
        """From now on inputs are taken in units in which the rows `x` [rows, n_in] are about one, for a fresh network.

        Its base functions and its regularization would depend on the units of the inputs else. Fixed edges stay what
        they are. See `input_units`.
        """
        shift, scale = input_units(x)
        first = self.layers[0]
        with torch.no_grad():
            a, b = first.affine[..., 0], first.affine[..., 1]
            plain = a / self.scale
            level = b - plain * self.shift
            first.affine[..., 0] = torch.where(first.is_fixed, plain * scale, a)
            first.affine[..., 1] = torch.where(first.is_fixed, level + plain * shift, b)
            self.shift.copy_(shift)
            self.scale.copy_(scale)

    def rescale_outputs(self, scale: Tensor, shift: Tensor) -> None:
        """Makes the outputs `scale * outputs + shift`, both [n_out], in place; products have no constant to shift."""
        last = self.layers[-1]
        subs = [*range(last.n_sum), *range(last.n_sum, last.n_sub, FACTORS)]  # of a product one factor
        with torch.no_grad():
            last.coef[subs] *= scale[:, None, None]
            last.base_scale[subs] *= scale[:, None]
            last.affine[subs, :, 2] *= scale[:, None]
            last.bias[subs] *= scale
            last.bias[: last.n_sum] += shift[: last.n_sum]

    def begun_anew(self, seed: int, noise_scale: float) -> KAN:
        """The same edges with other random splines; fixed edges and grids stay as they are."""
        other, generator = self.clone(), torch.Generator().manual_seed(seed)
        for layer in other.layers:
            layer.draw(noise_scale, generator)
        return other

    def become(self, other: KAN) -> None:
        """Takes over structure and values of another network, of which it then shares nothing."""
        own = other.clone()
        self.layers, self.shift, self.scale = own.layers, own.shift, own.scale

    # ---- structure -------------------------------------------------------------------------------------------

    def fix(
        self,
        layer: int,
        input: int,
        output: int,
        function: str | Function,
        a: float = 1.0,
        b: float = 0.0,
        c: float = 1.0,
        d: float = 0.0,
        trainable: bool = True,
    ) -> None:
        """Makes one edge `c * f(a * x + b) + d`, with f from the library or any other. All numbers count from 0.

        `output` is a subnode: the sums come first, then the factors of each product. Raises ValueError for an edge that
        the network does not have and for an unknown function.
        """
        here = 0 <= layer < len(self.layers) and 0 <= input < self.layers[layer].n_in
        if not here or not 0 <= output < self.layers[layer].n_sub:
            raise ValueError(f"no edge from {input} to {output} in layer {layer} of a network of width {self.width}")
        if isinstance(function, str):
            if function not in self.library:
                raise ValueError(f"function {function!r}: one of {', '.join(self.library)}")
            function = self.library[function]
        if layer == 0:
            shift, scale = float(self.shift[input]), float(self.scale[input])
            a, b = a * scale, b + a * shift
        self.put((layer, output, input), function, (a, b, c), d, trainable)

    def put(
        self, edge: tuple[int, int, int], function: Function, affine: tuple[float, float, float], shift: float = 0.0,
        trainable: bool = True,
    ) -> None:  # fmt: skip
        """The same for an edge (layer, subnode, input) with `affine` a, b, c of its input as the layer takes it."""
        layer, sub, i = edge
        self.layers[layer].library = self.layers[layer].library.joined([function])
        self.layers[layer].fix(sub, i, function.name, affine, shift, trainable)

    def active_edges(self) -> int:
        """How many edges are left."""
        return int(sum(layer.alive.sum() for layer in self.layers))

    def active_inputs(self) -> list[int]:
        """Indices of the inputs from which some output can be reached."""
        reached = torch.ones(self.n_out, dtype=torch.bool)
        for layer in reversed(self.layers):
            factors = reached[layer.n_sum :].repeat_interleave(FACTORS)
            sub = torch.cat([reached[: layer.n_sum], factors])
            reached = (layer.alive.cpu() & sub[:, None]).any(0)
        return [int(i) for i in reached.nonzero().flatten()]

    def is_symbolic(self) -> bool:
        """Whether every edge left is a function of the library."""
        return all(layer.structure().splines == 0 for layer in self.layers)

    # ---- grids -----------------------------------------------------------------------------------------------

    def fit_grids(self, x: Tensor) -> None:
        """Lets the knots of every layer follow the rows `x` [rows, n_in]; the functions stay as they are.

        Of knots that were placed on purpose (`knots_stay`) only the outermost move, and only outwards.
        """
        with torch.no_grad():
            x = self.scaled(x)
            for layer in self.layers:
                if layer.structure().splines:
                    grid = self.grid_for(layer, x)
                    if not torch.equal(grid, layer.grid):  # as that of the inputs is, from the second time on
                        layer.set_grid(grid)
                x = layer(x)

    def grid_for(self, layer: KANLayer, x: Tensor) -> Tensor:
        """The grid of a layer that suits its inputs `x` [rows, n_in]."""
        if self.knots_stay:
            return grids.covering_grid(layer.grid, x.sort(0).values)
        return grids.fitted_grid(x, self.grid, self.grid_eps)

    def refine(self, grid: int) -> KAN:
        """The same functions on `grid` intervals: exact where the new number is a multiple of the old one."""
        finer = self.clone()
        for layer in finer.layers:
            layer.set_grid(grids.refined_grid(layer.grid, grid))
        return finer

    # ---- the trained entries as one vector -------------------------------------------------------------------

    def trained(self) -> list[tuple[nn.Parameter, Tensor]]:
        """Each parameter with the mask of the entries that training may change."""
        return [pair for layer in self.layers for pair in layer.trained()]

    def entries(self) -> list[tuple[nn.Parameter, Places]]:
        """The same as parameters of which something is trained, with the places of that."""
        return [pair for layer in self.layers for pair in layer.entries()]

    def parameter_count(self) -> int:
        """How many numbers training may change; removed and locked ones do not count."""
        return sum(layer.parameter_count() for layer in self.layers)

    def parameter_count_on(self, grid: int) -> int:
        """How many there would be on so many intervals."""
        more = sum(layer.structure().splines * (grid + 1 - layer.grid.shape[1]) for layer in self.layers)
        return self.parameter_count() + more

    def get_vector(self) -> Tensor:
        """All trained entries: [parameters]."""
        return self.joined([p.detach() for p, _ in self.entries()])

    def gradient_vector(self) -> Tensor:
        """The gradients of all trained entries, zero where there is none: [parameters]."""
        return self.joined([torch.zeros_like(p) if p.grad is None else p.grad for p, _ in self.entries()])

    def joined(self, tensors: list[Tensor]) -> Tensor:
        """What the tensors, each in the shape of one of the `entries`, hold in its places: [parameters]."""
        parts = [t if at is None else t[at] for t, (_, at) in zip(tensors, self.entries(), strict=True)]
        return torch.cat([part.flatten() for part in parts] or [self.layers[0].bias.new_zeros(0)])

    def set_vector(self, vector: Tensor) -> None:
        """Puts back what `get_vector` gave, changed or not."""
        start = 0
        with torch.no_grad():
            for p, places in self.entries():
                shape = shape_of(p, places)
                part = vector[start : start + math.prod(shape)].view(shape)
                start += part.numel()
                p.copy_(part) if places is None else p.index_put_(places, part)

    def passed(self, x: Tensor, first: Tensor | None = None) -> KanPass:
        """A pass through the network that keeps what its derivatives need, without gradients.

        `first` are the first layer's features of these rows, where they are known.
        """
        return KanPass.through(self.layers, self.scaled(x), first)

    def jacobian(self, x: Tensor, first: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Outputs [rows, n_out] and their derivatives by the trained entries [rows, n_out, parameters]."""
        kept = self.passed(x, first)
        return kept.outputs, kept.jacobian()
