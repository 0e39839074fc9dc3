"""scikit-learn estimators over kanrun.fit: networks that end in formulas, and a search for the formula."""

from kanrun.estimators.network import KANClassifier, KANRegressor
from kanrun.estimators.search import FormulaRegressor

__all__ = ["FormulaRegressor", "KANClassifier", "KANRegressor"]
