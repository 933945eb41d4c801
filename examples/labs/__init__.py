"""Labs in many shapes: models that learned invented people by heart, built on demand, to develop on or to judge by."""
