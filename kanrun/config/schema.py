"""Every setting of a run: typed, with a line of documentation and what is allowed. The one source of all defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

from kanrun.config.datasets import (
    ContrastiveConfig,
    DatasetConfig,
    MoonsConfig,
    RowsConfig,
    SklearnConfig,
    SymbolicConfig,
    TableConfig,
)
from kanrun.config.setting import section, setting

AUTO, PLAIN, QUIET = "auto", "plain", "quiet"  # what is shown while a run goes on


# ---- the network ---------------------------------------------------------------------------------------------------


@dataclass
class FixConfig:
    """One edge fixed to a function c * f(a * x + b) + d of the library before training; numbers count from 0."""

    layer: int = setting(0, "layer of the edge", low=0)
    input: int = setting(0, "node that the edge comes from", low=0)
    output: int = setting(0, "node that the edge goes to; factors of products come after the sums", low=0)
    function: str = setting("x", "name in the library")
    a: float = setting(1.0, "inner factor")
    b: float = setting(0.0, "inner shift")
    c: float = setting(1.0, "outer factor")
    d: float = setting(0.0, "outer shift")
    trainable: bool = setting(True, "whether a, b, c, d are trained")


@dataclass
class ModelConfig:
    """A Kolmogorov-Arnold network."""

    name: str = setting("kan", "which network this is")
    width: Optional[list[Any]] = setting(
        None, "nodes of each layer, inputs first: ints or [sums, products]; null: [inputs, *hidden, outputs]"
    )
    hidden: list[Any] = setting([5], "nodes of each layer between inputs and outputs, where width is null")
    grid: int = setting(5, "intervals of each spline", low=1, high=1000)
    k: int = setting(3, "order of the splines", low=0, high=5)
    base: str = setting("silu", "function beside each spline", choices=("silu", "identity", "zero"))
    noise_scale: float = setting(0.3, "size of the random splines at the start", low=0)
    grid_eps: float = setting(0.02, "knots: 0 by quantiles of the data, 1 even, or between", low=0, high=1)
    fix: list[FixConfig] = setting([], "edges fixed to a function, e.g. [{layer:1,input:0,output:0,function:sin}]")
    start: Optional[str] = setting(None, "folder of a run whose network the training begins with (kanrun refine)")
    without: list[str] = setting([], "inputs that are taken out of the network of model.start")


@dataclass
class MlpConfig:
    """A multilayer perceptron, to hold a KAN against: trained and scored, with nothing to prune or to read."""

    name: str = setting("mlp", "which network this is")
    width: Optional[list[int]] = setting(
        None,
        "nodes of each layer, inputs first; null: two hidden layers with about the parameters of the KAN below",
        low=1,
    )
    kan_width: Optional[list[Any]] = setting(
        None, "width of the KAN whose number of parameters is matched; null: [inputs, 5, outputs]"
    )
    kan_grid: int = setting(5, "intervals of its splines", low=1, high=1000)
    kan_k: int = setting(3, "order of its splines", low=0, high=5)
    activation: str = setting("silu", "function after every layer but the last", choices=("silu", "tanh", "relu"))


# ---- training ------------------------------------------------------------------------------------------------------


@dataclass
class OptimizerConfig:
    name: str = setting("", "which optimizer this is")
    steps: int = setting(20, "training steps", low=1)
    refit_steps: int = setting(20, "steps after pruning", low=0)
    grid_update_every: int = setting(5, "steps between two updates of the knots", low=1)
    grid_update_until: int = setting(50, "last step at which knots are updated; -1: knots stay at [-1, 1]", low=-1)
    grids: list[int] = setting(
        [], "train on these grids one after the other, coarse to fine, as far as validation rows gain", low=1, high=1000
    )
    restarts: int = setting(
        1, "networks from other random numbers, of which the best on validation rows is kept", low=1, high=1000
    )


@dataclass
class AutoConfig(OptimizerConfig):
    """lm up to 3000 parameters in float64: its few exact steps are fastest there, but cost parameters^3; else lbfgs."""

    name: str = setting("auto", "which optimizer this is")
    steps: Optional[int] = setting(  # type: ignore[assignment]
        None, "training steps; null: what the optimizer takes, five times as many for an MLP", low=1
    )
    refit_steps: Optional[int] = setting(None, "steps after pruning; null: as above", low=0)  # type: ignore[assignment]
    grid_update_every: Optional[int] = setting(  # type: ignore[assignment]
        None, "steps between two updates of the knots; null: as above", low=1
    )


@dataclass
class LbfgsConfig(OptimizerConfig):
    """Limited-memory BFGS with a strong Wolfe line search, on all rows."""

    name: str = setting("lbfgs", "which optimizer this is")
    iterations: int = setting(20, "iterations a step", low=1)
    history: int = setting(10, "remembered gradient pairs", low=1)


@dataclass
class AdamConfig(OptimizerConfig):
    """Adam over mini-batches; a step is an epoch."""

    name: str = setting("adam", "which optimizer this is")
    steps: int = setting(100, "training epochs", low=1)
    refit_steps: int = setting(100, "epochs after pruning", low=0)
    learning_rate: float = setting(0.01, "step size", above=0)
    batch_size: int = setting(100, "rows a batch", low=1)


@dataclass
class LmConfig(OptimizerConfig):
    """Levenberg-Marquardt with an analytic Jacobian, on all rows: few and exact steps, for up to 3000 parameters."""

    name: str = setting("lm", "which optimizer this is")
    steps: int = setting(60, "training steps", low=1)
    refit_steps: int = setting(60, "steps after pruning", low=0)
    grid_update_every: int = setting(10, "steps between two updates of the knots", low=1)


@dataclass
class RegularizationConfig:
    """A penalty on the edges, so that few remain."""

    name: str = setting("none", "which regularization this is")
    lamb: float = setting(0.0, "strength of the whole beside the loss, as the targets train", low=0)
    lamb_l1: float = setting(1.0, "weight of the sum of edge strengths", low=0)
    lamb_entropy: float = setting(2.0, "weight of the entropy of edge strengths", low=0)
    lamb_coef: float = setting(0.0, "weight of the size of the coefficients", low=0)
    lamb_coefdiff: float = setting(0.0, "weight of the steps between coefficients", low=0)
    warmup: float = setting(0.5, "part of the steps over which lamb grows from 0 to its value", low=0, high=1)


@dataclass
class PruneConfig:
    """Removing what contributes little."""

    name: str = setting("default", "which way of pruning this is")
    enabled: bool = setting(True, "whether to prune at all")
    node_threshold: float = setting(0.01, "hidden nodes with a score up to this go", low=0)
    edge_threshold: float = setting(0.03, "edges with a score up to this go", low=0)
    tolerance: float = setting(1.1, "the refitted loss may grow by this factor, or to 1e-4 of the variance", low=1)


@dataclass
class SymbolicFitConfig:
    """Turning the network into formulas."""

    name: str = setting("default", "which symbolic search this is")
    enabled: bool = setting(True, "whether to look for formulas at all")
    discover: bool = setting(True, "whether a search over the rows looks for the formula too, or edges are read alone")
    library: Optional[list[str]] = setting(None, "functions that an edge may become; null: all")
    functions: dict[str, str] = setting({}, "your own functions beside these, formulas over x: {lorentz: 1/(1+x**2)}")
    work: float = setting(
        22_500.0, "units of work that reading a network may take, each about a thousandth of a second", above=0
    )


@dataclass
class SearchConfig:
    """Looking for the network too: small structures first, until a formula is exact or the budget is used up."""

    name: str = setting("none", "which way of searching this is")
    seconds: float = setting(0.0, "time for it; 0: train the network as it is given", low=0, high=1e6)
    work: Optional[float] = setting(
        None,
        "units of work instead of seconds, about a thousandth of a second each on a core of 2026: the same config then "
        "gives the same formula on any machine",
        above=0,
    )

    @property
    def wanted(self) -> bool:
        """Whether there is to be a search."""
        return self.seconds > 0 or self.work is not None

    @property
    def limit(self) -> str:
        """What it may use, in words."""
        return f"{self.seconds:g} s" if self.work is None else f"{self.work:g} units of work"


@dataclass
class PlotsConfig:
    """Pictures."""

    name: str = setting("default", "which set of pictures this is")
    enabled: bool = setting(True, "whether to draw pictures")
    beta: float = setting(3.0, "edges are drawn with opacity tanh(beta * score)", above=0)


@dataclass
class TrackerConfig:
    """No tracker."""

    name: str = setting("none", "which tracker this is")


@dataclass
class TensorboardConfig(TrackerConfig):
    """TensorBoard's files in tensorboard/ of the run folder; tensorboard --logdir FOLDER shows all runs below it."""

    name: str = setting("tensorboard", "which tracker this is")


@dataclass
class MlflowConfig(TrackerConfig):
    """Runs in MLflow; mlflow ui --backend-store-uri sqlite:///mlruns/mlflow.db shows them."""

    name: str = setting("mlflow", "which tracker this is")
    uri: Optional[str] = setting(None, "server or database; null: mlruns/mlflow.db where the command is given")
    experiment: str = setting("kanrun", "name of the experiment that runs belong to")


@dataclass
class Config:
    """One run."""

    dataset: DatasetConfig = section(SymbolicConfig, "where the rows come from")
    model: ModelConfig | MlpConfig = section(ModelConfig, "the network")
    optimizer: OptimizerConfig = section(AutoConfig, "how it is trained")
    regularization: RegularizationConfig = section(RegularizationConfig, "what keeps it small")
    prune: PruneConfig = section(PruneConfig, "what is removed after training")
    symbolic: SymbolicFitConfig = section(SymbolicFitConfig, "how formulas are found")
    search: SearchConfig = section(SearchConfig, "whether structures are searched")
    plots: PlotsConfig = section(PlotsConfig, "which pictures are drawn")
    tracker: TrackerConfig = section(TrackerConfig, "where others look at runs")
    overwrite: bool = setting(False, "whether the command may replace a finished run in the folder that is named")
    console: str = setting(
        AUTO, "bars where somebody is looking, plain lines everywhere, or nothing", choices=(AUTO, PLAIN, QUIET)
    )
    seed: int = setting(0, "where all random numbers start", low=0, high=2**31)
    device: str = setting("cpu", "where to compute: cpu, cuda, cuda:0, ...")
    dtype: str = setting("float64", "precision of the numbers", choices=("float64", "float32"))
    threads: int = setting(
        1, "threads for torch, no more than there are cores; small networks are fastest with 1", low=1, high=1024
    )


GROUPS: dict[str, dict[str, type]] = {
    "dataset": {
        "symbolic": SymbolicConfig,
        "moons": MoonsConfig,
        "contrastive": ContrastiveConfig,
        "rows": RowsConfig,
        "table": TableConfig,
        "sklearn": SklearnConfig,
    },
    "model": {"kan": ModelConfig, "mlp": MlpConfig},
    "optimizer": {"auto": AutoConfig, "lbfgs": LbfgsConfig, "adam": AdamConfig, "lm": LmConfig},
    "regularization": {"none": RegularizationConfig, "sparse": RegularizationConfig},
    "prune": {"default": PruneConfig, "none": PruneConfig},
    "symbolic": {"default": SymbolicFitConfig, "none": SymbolicFitConfig},
    "search": {"none": SearchConfig, "discover": SearchConfig},
    "plots": {"default": PlotsConfig, "none": PlotsConfig},
    "tracker": {"none": TrackerConfig, "tensorboard": TensorboardConfig, "mlflow": MlflowConfig},
}
