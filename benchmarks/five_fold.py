"""Five-fold scores of kanrun's estimators beside scikit-learn's on tables that it ships or makes.

    python benchmarks/five_fold.py [TABLE ...] [--only KAN,linear] [--seed 0]

R2 or accuracy on the folds left out, mean and the worst of five, and CPU seconds a fit.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import datasets
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kanrun.estimators import KANClassifier, KANRegressor

TABLES: dict[str, Callable[[], tuple[Any, Any]]] = {
    "diabetes": lambda: datasets.load_diabetes(return_X_y=True),
    "friedman1": lambda: datasets.make_friedman1(500, noise=1.0, random_state=0),
    "breast_cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
    "wine": lambda: datasets.load_wine(return_X_y=True),
    "digits": lambda: datasets.load_digits(return_X_y=True),
}
REGRESSORS: dict[str, Callable[[], Any]] = {
    "KAN": lambda: KANRegressor(formula=False),
    "formula": KANRegressor,
    "MLP": lambda: MLPRegressor(max_iter=2000, random_state=0),
    "gradient boosting": lambda: HistGradientBoostingRegressor(random_state=0),
    "linear": RidgeCV,
}
CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "KAN": lambda: KANClassifier(formula=False),
    "formula": KANClassifier,
    "MLP": lambda: MLPClassifier(max_iter=2000, random_state=0),
    "gradient boosting": lambda: HistGradientBoostingClassifier(random_state=0),
    "linear": lambda: LogisticRegression(max_iter=5000),
}


def scored(make: Callable[[], Any], x: Any, y: Any, folds: Any) -> tuple[list[float], float]:
    """The scores on the folds that are left out, and CPU seconds a fit."""
    scores, begun = list[float](), time.process_time()
    for kept, held in folds:
        model = make_pipeline(StandardScaler(), make()).fit(x[kept], y[kept])
        scores.append(float(model.score(x[held], y[held])))
    return scores, (time.process_time() - begun) / len(scores)


def main() -> None:
    """Prints a table, a line for each estimator."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", default=list(TABLES), metavar="TABLE")
    parser.add_argument("--only", help="the estimators, with commas between")
    parser.add_argument("--seed", type=int, default=0, help="of the folds (%(default)s)")
    warnings.filterwarnings("ignore")
    given = parser.parse_args()
    for name in given.tables:
        x, y = TABLES[name]()
        classes = y.dtype.kind in "iu"
        folder = (StratifiedKFold if classes else KFold)(5, shuffle=True, random_state=given.seed)
        for called, make in (CLASSIFIERS if classes else REGRESSORS).items():
            if given.only and called not in given.only.split(","):
                continue
            scores, seconds = scored(make, x, y, folder.split(x, y))
            told = f"{np.mean(scores):7.3f}  worst {min(scores):7.3f}  {seconds:8.2f} s"
            print(f"{name:<14} {called:<18} {told}", flush=True)


if __name__ == "__main__":
    main()
