"""How many neurons a feature takes, by category, layer and model size (Gurnee et al. 2023, arXiv:2305.01610)."""
