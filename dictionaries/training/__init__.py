"""Training: the loop, activations that feed it, what it keeps and tells, several processes."""
