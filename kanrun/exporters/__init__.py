"""Formulas and networks in other languages, one exporter a file; `table.py` lists them."""
