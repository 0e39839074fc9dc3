"""Two interleaved half circles (scikit-learn's make_moons), as classes or as a regression of the class number."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import make_moons as draw_moons

from kanrun.config.datasets import MoonsConfig
from kanrun.data.dataset import CLASSIFICATION, Dataset, Rows
from kanrun.data.losses import CROSS_ENTROPY, MSE


def make_moons(config: MoonsConfig, seed: int, dtype: torch.dtype, n_outputs: int | None) -> Dataset:
    """Separate draws for training and test. One output means regression, two mean classes, unless `form` says it."""
    regression = config.form == "regression" or (config.form == "auto" and n_outputs == 1)
    parts = []
    for stream, rows in ((1, config.n_train), (2, config.n_test)):
        state = np.random.RandomState(np.random.default_rng([seed, stream]).integers(2**32, dtype=np.uint32))
        x, label = draw_moons(n_samples=rows, shuffle=True, noise=config.noise, random_state=state)
        y = torch.as_tensor(label[:, None], dtype=dtype) if regression else torch.as_tensor(label, dtype=torch.long)
        parts.append(Rows(torch.as_tensor(x, dtype=dtype), y))
    outputs = ["class"] if regression else ["logit_0", "logit_1"]
    loss = MSE if regression else CROSS_ENTROPY
    return Dataset("moons", parts[0], parts[1], ["x_1", "x_2"], outputs, CLASSIFICATION, loss)
