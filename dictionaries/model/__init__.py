"""The model's side: where activations are read and written, their statistics, splicing reconstructions in."""
