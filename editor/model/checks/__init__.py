"""Why a model is refused, by its name, and as much of it as shows before its weights are read."""
