"""Training: the loop, the activations that feed it, checkpoints, the log, and training in several processes."""
