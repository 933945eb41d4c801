"""Audit a model's leakage, locate and edit the features behind it, export and verify the result."""
