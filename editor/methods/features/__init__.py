"""Methods that edit dictionary features."""

RANDOM_FEATURES = "as many features a site drawn at random, scaled to the same ‖ΔW‖"
"""Control of the methods that take many features, in words."""
