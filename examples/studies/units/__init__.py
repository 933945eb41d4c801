"""Features against neurons as units that carry single facts: influence, interpretability, monosemanticity."""
