"""The model's side: where activations are read and written, their statistics, and splicing in reconstructions."""
