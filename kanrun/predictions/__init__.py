"""From rows of all kinds to predictions: values, their errors, and where a model has not been trained."""
