"""Evaluation of dictionaries: figures, their features' contexts, the entropy of hidden states."""
