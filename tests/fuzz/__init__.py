"""Mutated inputs for every reader: what none of them may crash on, hang on, swell on, or write elsewhere for."""
