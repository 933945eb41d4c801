"""What a dictionary is worth: figures, its features' contexts, the entropy of hidden states."""
