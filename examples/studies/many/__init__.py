"""Many people erased at once, and many requests one after another."""
