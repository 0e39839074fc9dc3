"""What training asks of a layer's rows again and again, as long as its grid stays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor


@dataclass(frozen=True)
class Prepared:
    """What one pass needs of a layer's inputs and grid alone."""

    features: Tensor  # [rows, n_in, G+k(+1)]
    spread: Tensor  # standard deviation of each input: [n_in]

    @cached_property
    def centred(self) -> Tensor:
        """The features of each input less their means: [n_in, rows, G+k(+1)]."""
        return (self.features - self.features.mean(0)).transpose(0, 1)

    @cached_property
    def covariance(self) -> Tensor:
        """Of the features of each input: [n_in, G+k(+1), G+k(+1)]."""
        return self.centred.transpose(1, 2) @ self.centred / len(self.features)

    def variances(self, weights: Tensor) -> Tensor:
        """Those of edges with the `weights` [n_in, n_sub, G+k(+1)] of the features: [n_in, n_sub].

        w^T C w with the features' covariance C, for which no edge is computed but where rows are fewer than features.
        """
        rows, _, size = self.features.shape
        if rows < size:
            return (weights @ self.centred.transpose(1, 2)).square().mean(2)
        return ((weights @ self.covariance) * weights).sum(2)
